// Voter changes that meet elections: a leader that removes itself, sets that are in the log of one node only, and the
// bug of 2015.

#include "quorate/status.h"
#include "raft/grown_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;

TEST_CASE("M-35, C-14: a leader that is removed leads until the others have committed it, then no more") {
  for (int voters : {2, 3, 5}) {
    Grown c(Options(voters, 0));
    const int leader = c.Leader();
    CHECK(c.Ask(c.RemoveOf(leader)).ok());
    CHECK(c.core(leader).role() != ReplicaRole::kLeader);
    REQUIRE(c.RunUntil([&] { return c.Leader() != 0 && c.Leader() != leader && c.Settled(); }, Seconds(10)));
    CHECK(c.VoterIds().size() == static_cast<size_t>(voters - 1));
    // It goes on as an observer, and disturbs nobody (M-36).
    const Epoch epoch = c.core(c.Leader()).epoch();
    c.RunFor(Seconds(20));
    CHECK(c.core(c.Leader()).epoch() == epoch);
    CHECK(c.core(leader).leader().id == NodeId(c.Leader()));
    NoViolations(c);
  }
}

TEST_CASE("M-07: a leader outside its own set doesn't count itself") {
  Grown c(Options(2, 0));
  const int leader = c.Leader();
  const int other = 3 - leader;
  c.HoldDisk(other, true);
  const uint64_t id = c.Change(leader, c.RemoveOf(leader));
  c.RunFor(Milliseconds(300));
  // Its own disk has the record; that of the only voter doesn't.
  CHECK_FALSE(c.ChangeResult(id).has_value());
  CHECK(c.core(leader).voters().size() == 1);
  CHECK(c.core(leader).high_watermark() < c.core(leader).log_end().end);
  c.HoldDisk(other, false);
  CHECK(Await(c, id).ok());
  NoViolations(c);
}

TEST_CASE("M-35: two voters, one removes itself and crashes before the other has the record: both come back") {
  // The one with the longer log isn't in its own set, the other can't win without its vote (thesis section 4.2.2).
  Grown c(Options(2, 0));
  const int leader = c.Leader();
  const int other = 3 - leader;
  c.CutLink(leader, other);
  const uint64_t id = c.Change(leader, c.RemoveOf(leader));
  c.RunFor(Milliseconds(50));
  CHECK(c.synced(leader) == c.core(leader).log_end().end);
  c.Crash(leader);
  c.HealLinks();
  c.RunFor(Milliseconds(100));
  c.Start(leader);
  REQUIRE(c.RunUntil([&] { return c.Leader() == other && c.Settled(); }, Seconds(20)));
  CHECK(c.VoterIds() == Ids{other});
  CHECK_FALSE(c.ChangeResult(id).has_value());  // the asker went down with the node
  NoViolations(c);
}

TEST_CASE("a two-node shrink leaves one that knows that it is alone") {
  Grown c(Options(2, 0));
  const int leader = c.Leader();
  CHECK(c.Ask(c.RemoveOf(3 - leader)).ok());
  c.Crash(3 - leader);
  REQUIRE(c.Propose(leader, "alone").ok());
  c.RunFor(Seconds(2));
  CHECK(c.core(leader).role() == ReplicaRole::kLeader);
  CHECK(c.core(leader).high_watermark() == c.core(leader).log_end().end);
  NoViolations(c);
}

// ---- The bug of 2015, in its three shapes ---------------------------------------------------------------------
//
// Leader A appends a change that nobody else gets. Leader B of the next epoch, which doesn't know of it, makes another
// one and commits it. Then A wins again, by the majority of *its* set, and overwrites what B committed. M-32 forbids
// B's change until B has committed a record of its own epoch: then a majority of the old set has a newer log than A.

struct TwoLeaders : Grown {
  explicit TwoLeaders(ClusterOptions options) : Grown(std::move(options)) {}
  // Returns the new leader, which hasn't committed anything in its epoch; the old one has `change` in its log, alone.
  int Begin(const VoterChange& change, const Ids& with_old) {
    old_leader = Leader();
    for (int id = 1; id <= 4; ++id) {
      if (id != old_leader) CutLink(old_leader, id);
    }
    Change(old_leader, change);
    RunFor(Milliseconds(20));
    for (int id : with_old) {
      for (int other = 1; other <= 4; ++other) {
        if (other != id && other != old_leader) CutLink(id, other);
      }
    }
    // The others elect; what the winner then appends reaches nobody.
    filter = [this](const Message& m) {
      const auto* push = std::get_if<FetchResponse>(&m.body);
      return push == nullptr || push->batches.empty() || m.from.id == NodeId(old_leader);
    };
    RunUntil([&] { return Leader() != old_leader && Leader() != 0; }, Seconds(5));
    return Leader();
  }
  int old_leader = 0;
};

TEST_CASE("M-32, C-15: the single-server bug of 2015, add against add") {
  TwoLeaders c(Options(4, 2));
  const int next = c.Begin(c.AddOf(5), {});
  REQUIRE(next != c.old_leader);
  CHECK(ReasonOf(*c.ChangeResult(c.Change(next, c.AddOf(6)))) == Reason::kLeaderNotReady);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  NoViolations(c);
}

TEST_CASE("M-32, C-15: the single-server bug of 2015, add against remove") {
  TwoLeaders c(Options(4, 1));
  const int next = c.Begin(c.AddOf(5), {});
  REQUIRE(next != c.old_leader);
  CHECK(ReasonOf(*c.ChangeResult(c.Change(next, c.RemoveOf(c.old_leader)))) == Reason::kLeaderNotReady);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  NoViolations(c);
}

TEST_CASE("M-32, C-15: the single-server bug of 2015, remove against remove") {
  TwoLeaders c(Options(4, 0));
  const int victim = c.Leader() == 1 ? 2 : 1;
  const int next = c.Begin(c.RemoveOf(victim), {});
  REQUIRE(next != c.old_leader);
  CHECK(ReasonOf(*c.ChangeResult(c.Change(next, c.RemoveOf(c.old_leader)))) == Reason::kLeaderNotReady);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  NoViolations(c);
}

TEST_CASE("M-33, C-13: a change that only the deposed leader has is rolled back with its record") {
  TwoLeaders c(Options(4, 0));
  const int victim = c.Leader() == 1 ? 2 : 1;
  const int next = c.Begin(c.RemoveOf(victim), {});
  REQUIRE(next != c.old_leader);
  CHECK(c.core(c.old_leader).voters().size() == 3);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  for (int id = 1; id <= 4; ++id) {
    CHECK(c.core(id).voters().size() == 4);
    CHECK(c.core(id).committed_voters() == nullptr);
  }
  NoViolations(c);
}

TEST_CASE("M-06, C-16: a replica that doesn't know yet that it votes answers a candidate which does") {
  Grown c(Options(1, 1));
  REQUIRE(c.Ask(c.AddOf(2)).ok());
  Settle(c);
  // Its disk loses the record that made it a voter, as if it had never arrived; then the leader restarts.
  c.Crash(2);
  c.RollBack(2, 1);
  c.Crash(1);
  c.Start(1);
  c.Start(2);
  CHECK(c.core(2).voters().size() == 1);
  REQUIRE(c.RunUntil([&] { return c.Leader() == 1 && c.Settled(); }, Seconds(10)));
  CHECK(c.VoterIds() == Ids{1, 2});
  NoViolations(c);
}

}  // namespace
}  // namespace quorate::raft
