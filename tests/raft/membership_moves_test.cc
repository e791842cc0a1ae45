// Voters that aren't where or who they were: gone and back, with another disk, at another address.

#include "quorate/status.h"
#include "raft/grown_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;

TEST_CASE("M-36: removed and added again in one process life; removed and left running, it stays out") {
  ClusterOptions options = Options(3, 1);
  options.auto_join = true;
  Grown c(options);
  // KIP-1186: by itself.
  REQUIRE(c.RunUntil([&] { return c.VoterIds().size() == 4 && c.Settled(); }, Seconds(20)));
  if (c.Leader() == 4) {
    (void)c.Transfer(4, std::nullopt);
    REQUIRE(c.RunUntil([&] { return c.Leader() != 4 && c.Settled(); }, Seconds(5)));
  }
  CHECK(c.Ask(c.RemoveOf(4)).ok());
  c.RunFor(Seconds(20));
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  c.Crash(4);
  c.Start(4);
  c.RunFor(Seconds(20));
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  CHECK(c.Ask(c.AddOf(4)).ok());
  CHECK(c.VoterIds() == Ids{1, 2, 3, 4});
  NoViolations(c);
}

TEST_CASE("F-D16, KIP-1186: a voter that lost its disk takes its own place again, under its new directory") {
  ClusterOptions options = Options(3, 0);
  options.auto_join = true;
  Grown c(options);
  const int victim = c.Other();
  const ReplicaKey old = c.key(victim);
  c.Crash(victim);
  c.Wipe(victim);
  c.Start(victim);
  REQUIRE(c.RunUntil(
      [&] {
        const Core& leader = c.core(c.Leader());
        return leader.committed_voters() == nullptr && leader.voters().size() == 3 &&
               VoterSet(leader.voters()).Find(old) == nullptr;
      },
      Seconds(30)));
  CHECK(VoterSet(c.core(c.Leader()).voters()).Contains(c.key(victim)));
  NoViolations(c);
}

TEST_CASE("replacing a disk by hand: the new one is refused until the old one is removed") {
  Grown c(Options(3, 0));
  const int victim = c.Other();
  const VoterChange remove = c.RemoveOf(victim);
  c.Crash(victim);
  c.Wipe(victim);
  c.Start(victim);
  c.RunFor(Seconds(1));
  CHECK(ReasonOf(c.Ask(c.AddOf(victim))) == Reason::kVoterExists);  // M-37
  CHECK(c.Ask(remove).ok());
  CHECK(c.Ask(c.AddOf(victim)).ok());
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  NoViolations(c);
}

TEST_CASE("KIP-853: a voter that comes back at another address makes it known; a leader does so for itself") {
  Grown c(Options(3, 0));
  const auto knows = [&](int moved) {
    for (int id = 1; id <= 3; ++id) {
      const Voter* voter = VoterSet(c.core(id).voters()).FindById(NodeId(moved)) == nullptr
                               ? nullptr
                               : &c.core(id).voters()[static_cast<size_t>(moved - 1)];
      if (voter == nullptr || voter->endpoints.front() != c.address(moved)) return false;
    }
    return true;
  };
  for (int moved : {1, 2, 3}) {
    c.Crash(moved);
    c.Move(moved);
    c.Start(moved);
    INFO("node " << moved);
    REQUIRE(c.RunUntil([&] { return c.Settled() && knows(moved); }, Seconds(20)));
  }
  NoViolations(c);
}

TEST_CASE("a sole voter that moved writes down its own address") {
  Grown c(Options(1, 0));
  c.Crash(1);
  c.Move(1);
  c.Start(1);
  REQUIRE(c.RunUntil([&] { return c.core(1).voters()[0].endpoints.front() == c.address(1); }, Seconds(5)));
  NoViolations(c);
}

TEST_CASE("the leader's new address costs it nothing: the connection that ends isn't its loss") {
  Grown c(Options(3, 0));
  const int leader = c.Leader();
  const Epoch epoch = c.core(leader).epoch();
  Endpoint elsewhere = c.address(leader);
  elsewhere.host = "alias";
  c.RunFor(Seconds(1));
  for (int id = 1; id <= 3; ++id) {
    if (id == leader) continue;
    // The followers learn an address at which nobody connects yet; the driver drops the old connection.
    BeginEpochRequest begin{epoch, {elsewhere}};
    Message m;
    m.cluster_id = c.cluster_id();
    m.from = c.key(leader);
    m.from_incarnation = c.incarnation(leader);
    m.to = c.key(id);
    m.request_incarnation = m.from_incarnation;
    m.request_id = 1;
    m.body = begin;
    c.Inject(id, m);
  }
  c.RunFor(Milliseconds(90));
  for (int id = 1; id <= 3; ++id) CHECK(c.core(id).epoch() == epoch);
  CHECK(c.Leader() == leader);
  for (int id = 1; id <= 3; ++id) {
    if (id != leader) CHECK(c.core(id).role() == ReplicaRole::kFollower);
  }
  NoViolations(c);
}

}  // namespace
}  // namespace quorate::raft
