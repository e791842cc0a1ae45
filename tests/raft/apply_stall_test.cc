// A replica whose state machine is stuck (F-H02): who leads instead, and that leadership doesn't go back and forth.
#include "quorate/status.h"
#include "raft/running_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;

struct Running : RunningCluster {
  using RunningCluster::RunningCluster;
  void Stall(int id, bool stalled = true) {
    Do(id, [&](Core& core, Instant now) { core.ApplyStalled(now, stalled); });
  }
  bool LeaderIs(int id, absl::Duration within = Seconds(2)) {
    return RunUntil([&] { return Leader() == id; }, within);
  }
};

TEST_CASE("F-H02: a leader that is stuck hands over, and takes leadership no more while it is") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    Running c(options);
    const int stuck = c.Leader();
    for (int i = 0; i < 10; ++i) REQUIRE(c.Propose(stuck, "x").ok());
    const Offset end = c.core(stuck).log_end().end;
    const Instant begun = c.now();
    c.Stall(stuck);
    REQUIRE(c.RunUntil([&] { return c.Leader() != stuck && c.Leader() != 0; }, Seconds(5)));
    CHECK(c.now() - begun < 2 * options.timeouts.fetch + Milliseconds(50));
    CHECK(c.committed() >= end);
    const Epoch epoch = c.core(c.Leader()).epoch();
    c.RunFor(Seconds(5));
    CHECK(c.core(c.Leader()).epoch() == epoch);  // nobody stands against the new one
    // The new one is lost: the third leads, and never the one that is stuck.
    const int second = c.Leader();
    c.Crash(second);
    REQUIRE(c.RunUntil([&] { return c.Leader() != 0 && c.Leader() != second; }, Seconds(10)));
    CHECK(c.Leader() != stuck);
    c.Start(second);
    REQUIRE(c.RunUntil([&] { return c.Settled(); }, Seconds(10)));
    CHECK(c.violations().empty());
  }
}

TEST_CASE(
    "F-H02: a stuck follower votes and stores, isn't named nor transferred to, and counts as one that can't lead") {
  Running c;
  const int leader = c.Leader();
  const int stuck = c.Follower();
  const int well = c.Follower(1);
  c.Stall(stuck);
  c.RunFor(Milliseconds(10));
  REQUIRE(c.Propose(leader, "x").ok());
  c.RunFor(Milliseconds(10));
  CHECK(c.core(stuck).durable_end() == c.core(leader).log_end().end);
  const uint64_t refused = c.Transfer(leader, stuck);
  CHECK(ReasonOf(*c.TransferResult(refused)) == Reason::kInvalidArgument);
  const uint64_t best = c.Transfer(leader, std::nullopt);
  REQUIRE(c.RunUntil([&] { return c.TransferResult(best).has_value(); }, Seconds(5)));
  CHECK(c.Leader() == well);
  REQUIRE(c.RunUntil([&] { return c.Settled(); }, Seconds(5)));
  // One of the two others can lead: neither it nor the leader... but both at a time.
  const uint64_t stop = c.Change(well, c.RemoveOf(leader), Seconds(5), /*dry_run=*/true);
  CHECK(c.ChangeResult(stop)->ok());
  c.Stall(leader);
  c.RunFor(Milliseconds(50));
  const uint64_t last = c.Change(well, c.RemoveOf(well), Seconds(5), /*dry_run=*/true);
  CHECK(ReasonOf(*c.ChangeResult(last)) == Reason::kUnsafeChange);
  // Its vote counts as always: the last one that can lead is elected with it after a crash of the other.
  c.Crash(leader);
  c.Do(well, [](Core& core, Instant now) { core.Resign(now, false); });
  CHECK(c.LeaderIs(well, Seconds(10)));
  CHECK(c.violations().empty());
}

TEST_CASE("F-H02: when every voter is stuck the leader leads on, until one of them goes on") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    Running c(options);
    // One record gets them all stuck, at about the same time; in any order.
    const int first = c.Leader();
    const Epoch epoch = c.core(first).epoch();
    const int a = c.Follower();
    const int b = c.Follower(1);
    if (seed % 2 == 0) c.Stall(first);
    c.Stall(a);
    c.RunFor(Milliseconds(static_cast<int64_t>(seed)));
    c.Stall(b);
    if (seed % 2 != 0) c.Stall(first);
    c.RunFor(Seconds(5));
    const int leader = c.Leader();
    CHECK(leader == first);
    CHECK(c.core(first).epoch() == epoch);
    CHECK(c.Propose(leader, "on").ok());
    const int freed = leader == a ? b : a;
    c.Stall(freed, false);
    CHECK(c.LeaderIs(freed, Seconds(5)));
    c.RunFor(Seconds(5));
    CHECK(c.Leader() == freed);
    CHECK(c.violations().empty());
  }
}

TEST_CASE("F-H02: a voter that has nothing yet isn't made the leader for being the only one that isn't stuck") {
  Running c;
  const int stuck = c.Leader();
  const int other = c.Follower();
  const int behind = c.Follower(1);
  c.HoldDisk(behind, true);
  for (int i = 0; i < 5; ++i) REQUIRE(c.Propose(stuck, "x").ok());
  c.RunFor(Milliseconds(50));
  c.Stall(other);
  c.RunFor(Milliseconds(20));
  c.Stall(stuck);
  for (int i = 0; i < 20; ++i) {
    c.RunFor(Milliseconds(200));
    CHECK(c.Leader() == stuck);  // still the only one that can commit anything
    (void)c.Propose(stuck, "on");
  }
  c.HoldDisk(behind, false);
  CHECK(c.LeaderIs(behind, Seconds(5)));
  CHECK(c.violations().empty());
}

TEST_CASE("F-H02: a sole voter that is stuck leads, and is elected") {
  ClusterOptions options;
  options.voters = 1;
  Running c(options);
  c.Stall(1);
  c.RunFor(Seconds(5));
  CHECK(c.Leader() == 1);
  c.Do(1, [](Core& core, Instant now) { core.Resign(now, false); });
  CHECK(c.LeaderIs(1, Seconds(5)));
}

TEST_CASE("F-H02: who was stuck without a leader stands again when it goes on") {
  Running c;
  const int leader = c.Leader();
  const int a = c.Follower();
  const int b = c.Follower(1);
  c.Stall(a);
  c.Stall(b);
  c.RunFor(Milliseconds(20));
  c.Crash(leader);
  c.RunFor(Seconds(5));
  CHECK(c.Leader() == 0);
  c.Stall(b, false);
  CHECK(c.LeaderIs(b, Seconds(5)));
  CHECK(c.violations().empty());
}

TEST_CASE("F-H02: a candidate that gets stuck gives up") {
  Running c;
  const int leader = c.Leader();
  const int a = c.Follower();
  c.Crash(c.Follower(1));
  c.Crash(leader);
  REQUIRE(c.RunUntil([&] { return c.core(a).role() == ReplicaRole::kProspective; }, Seconds(5)));
  c.Stall(a);
  CHECK(c.core(a).role() == ReplicaRole::kUnattached);
  c.RunFor(Seconds(5));
  CHECK(c.core(a).role() == ReplicaRole::kUnattached);
  c.Stall(a, false);
  CHECK(c.RunUntil([&] { return c.core(a).role() == ReplicaRole::kProspective; }, Seconds(5)));
}

}  // namespace
}  // namespace quorate::raft
