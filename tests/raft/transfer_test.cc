// Handing leadership over, priorities, and the host's word that a leader is dead.
#include "quorate/status.h"
#include "raft/running_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;

struct Running : RunningCluster {
  using RunningCluster::RunningCluster;
  absl::Status Await(uint64_t transfer) {
    REQUIRE(RunUntil([&] { return TransferResult(transfer).has_value(); }, Seconds(20)));
    return *TransferResult(transfer);
  }
};

TEST_CASE("leadership goes to the voter that was named, and waits for no timer") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    Running c(options);
    const int to = c.Follower(static_cast<int>(seed % 2));
    const Instant begun = c.now();
    const uint64_t transfer = c.Transfer(c.Leader(), to);
    REQUIRE(c.RunUntil([&] { return c.core(to).role() == ReplicaRole::kLeader; }, Seconds(1)));
    // Two stores and four messages; disks take 1 ms here and the network 0.1 ms.
    CHECK(c.now() - begun < absl::Microseconds(2500));
    CHECK(c.Propose(to, "first").ok());
    CHECK(c.Await(transfer).ok());
    CHECK(c.violations().empty());
  }
}

TEST_CASE("under writes the old leader stops taking them until the new one has all, and nothing is lost") {
  Running c;
  const int from = c.Leader();
  const int to = c.Follower();
  for (int i = 0; i < 50; ++i) REQUIRE(c.Propose(from, "x").ok());
  const Offset end = c.core(from).log_end().end;
  const uint64_t transfer = c.Transfer(from, to);
  CHECK(c.core(from).transferring());
  const absl::Status refused = c.Propose(from, "late").status();
  CHECK(ReasonOf(refused) == Reason::kLeadershipLost);
  CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  CHECK(IsRetriable(refused));
  CHECK(LeaderHintFrom(refused)->id == NodeId(to));
  const uint64_t read = c.Read(from);
  CHECK(c.Await(transfer).ok());
  CHECK(c.Leader() == to);
  CHECK(c.committed() >= end);
  // M-29: the read went the way of the writes.
  REQUIRE(c.ReadResult(read).has_value());
  CHECK_FALSE(c.ReadResult(read)->ok());
  CHECK(c.violations().empty());
}

TEST_CASE("while a successor that is far behind catches up, writes and reads go on") {
  Running c;
  const int leader = c.Leader();
  const int to = c.Follower();
  c.HoldDisk(to, true);
  for (int i = 0; i < 5; ++i) REQUIRE(c.Propose(leader, "x").ok());
  c.RunFor(Milliseconds(100));
  const uint64_t transfer = c.Transfer(leader, to, Seconds(30));
  for (int i = 0; i < 20; ++i) {
    c.RunFor(Milliseconds(100));
    REQUIRE_FALSE(c.TransferResult(transfer).has_value());
    CHECK(c.Propose(leader, "on").ok());
  }
  const uint64_t read = c.Read(leader);
  c.RunFor(Milliseconds(100));
  CHECK(c.ReadResult(read)->ok());
  c.HoldDisk(to, false);
  CHECK(c.Await(transfer).ok());
  CHECK(c.Leader() == to);
  CHECK(c.violations().empty());
}

TEST_CASE("a successor that was almost there and then stops storing doesn't stop the writes for long") {
  Running c;
  const int leader = c.Leader();
  const int to = c.Follower();
  c.HoldDisk(to, true);
  (void)c.Propose(leader, "x");
  const uint64_t transfer = c.Transfer(leader, to, Seconds(30));
  CHECK(c.core(leader).transferring());
  const Instant begun = c.now();
  CHECK(ReasonOf(c.Await(transfer)) == Reason::kNotCaughtUp);
  CHECK(OutcomeOf(*c.TransferResult(transfer)) == Outcome::kNotApplied);
  CHECK(c.now() - begun < Milliseconds(400));
  CHECK(c.Propose(leader, "on").ok());
  CHECK(c.violations().empty());
}

TEST_CASE("without a name the best voter gets it: the highest priority, then the fullest log") {
  ClusterOptions options;
  options.voters = 5;
  options.priorities = {5, 5, 8, 5, 8};
  Running c(options);
  for (int i = 0; i < 4; ++i) {
    const int from = c.Leader();
    CHECK(c.Await(c.Transfer(from, std::nullopt)).ok());
    CHECK((c.Leader() == 3 || c.Leader() == 5));
    CHECK(c.Leader() != from);
    c.RunFor(Milliseconds(100));
  }
  CHECK(c.violations().empty());
}

TEST_CASE("a transfer to who can't or won't lead is refused, and nothing happens") {
  ClusterOptions options;
  options.observers = 1;
  options.priorities = {10, 10, kPriorityNever};
  Running c(options);
  const int leader = c.Leader();
  CHECK(ReasonOf(c.Await(c.Transfer(leader, 9))) == Reason::kVoterNotFound);
  CHECK(ReasonOf(c.Await(c.Transfer(leader, 4))) == Reason::kVoterNotFound);  // M-12
  CHECK(ReasonOf(c.Await(c.Transfer(leader, 3))) == Reason::kInvalidArgument);
  CHECK(c.Await(c.Transfer(leader, leader)).ok());
  CHECK(ReasonOf(c.Await(c.Transfer(c.Follower(), leader))) == Reason::kNotLeader);
  const int other = leader == 1 ? 2 : 1;
  c.Crash(other);
  c.RunFor(Seconds(1));
  CHECK(ReasonOf(c.Await(c.Transfer(leader, other))) == Reason::kNotCaughtUp);
  CHECK(ReasonOf(c.Await(c.Transfer(leader, std::nullopt))) == Reason::kNotCaughtUp);
  CHECK(c.Leader() == leader);
  CHECK(c.Propose(leader, "on").ok());
}

TEST_CASE("a successor that doesn't catch up, or goes silent: the leader leads on") {
  Running c;
  const int leader = c.Leader();
  const int to = c.Follower();
  c.HoldDisk(to, true);
  (void)c.Propose(leader, "x");
  const uint64_t slow = c.Transfer(leader, to, Milliseconds(100));
  CHECK(ReasonOf(*c.TransferResult(c.Transfer(leader, to))) == Reason::kChangePending);
  CHECK(ReasonOf(c.Await(slow)) == Reason::kDeadlineExceeded);
  CHECK(OutcomeOf(*c.TransferResult(slow)) == Outcome::kNotApplied);
  CHECK(c.Propose(leader, "on").ok());
  c.HoldDisk(to, false);
  c.RunFor(Milliseconds(100));

  (void)c.Propose(leader, "y");
  const uint64_t silent = c.Transfer(leader, to, Seconds(30));
  const Instant begun = c.now();
  c.Pause(to);
  CHECK(ReasonOf(c.Await(silent)) == Reason::kNotCaughtUp);
  CHECK(c.now() - begun < Seconds(1));
  CHECK(c.core(leader).role() == ReplicaRole::kLeader);
  CHECK_FALSE(c.core(leader).transferring());
  CHECK(c.violations().empty());
}

TEST_CASE("a successor that dies at the wrong moment: somebody leads, and the answer says so") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    Running c(options);
    const int leader = c.Leader();
    const int to = c.Follower();
    const uint64_t transfer = c.Transfer(leader, to, Seconds(3));
    c.RunFor(absl::Microseconds(50 * seed));
    c.Crash(to);
    (void)c.Await(transfer);  // exactly one answer (I-24), whichever it is
    REQUIRE(c.RunUntil([&] { return c.Settled(); }, Seconds(10)));
    CHECK(c.violations().empty());
  }
}

TEST_CASE("priority 0 never leads: not by election, not by a goodbye, not by request") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    options.priorities = {10, kPriorityNever, kPriorityNever};
    Running c(options);
    CHECK(c.Leader() == 1);
    c.record_sent = true;
    c.Do(1, [](Core& core, Instant now) { core.Resign(now, false); });
    c.RunFor(Seconds(3));
    CHECK(c.Leader() == 1);  // again, in a later epoch
    for (const Message& m : c.sent()) {
      if (const auto* bye = std::get_if<EndEpochRequest>(&m.body)) CHECK(bye->preferred_successors.empty());
    }
    c.Crash(1);
    c.RunFor(Seconds(5));
    CHECK(c.Leader() == 0);
    c.Start(1);
    REQUIRE(c.RunUntil([&] { return c.Settled(); }, Seconds(10)));
    CHECK(c.violations().empty());
  }
}

TEST_CASE("priority 0: the last voter that may lead can neither be removed nor safely be stopped") {
  ClusterOptions options;
  options.priorities = {10, kPriorityNever, kPriorityNever};
  Running c(options);
  REQUIRE(c.Leader() == 1);
  const auto refused = [&](bool dry_run) { return *c.ChangeResult(c.Change(1, c.RemoveOf(1), Seconds(5), dry_run)); };
  CHECK(ReasonOf(refused(false)) == Reason::kUnsafeChange);
  CHECK(ReasonOf(refused(true)) == Reason::kUnsafeChange);
  const uint64_t other = c.Change(1, c.RemoveOf(2));
  REQUIRE(c.RunUntil([&] { return c.ChangeResult(other).has_value(); }, Seconds(5)));
  CHECK(c.ChangeResult(other)->ok());
  CHECK(c.violations().empty());
}

TEST_CASE("after a crash the voter with the higher priority leads, though both notice at once") {
  int won = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    options.priorities = {10, 9, 10};
    Running c(options);
    if (c.Leader() == 2) continue;  // elected at start, before anybody could compare
    const int leader = c.Leader();
    c.RunFor(Seconds(1));
    c.Crash(leader);
    REQUIRE(c.RunUntil([&] { return c.Leader() != 0 && c.Leader() != leader; }, Seconds(5)));
    won += c.Leader() != 2 ? 1 : 0;
    CHECK(c.Leader() != 2);
    CHECK(c.violations().empty());
  }
  CHECK(won > 10);
}

TEST_CASE("a leader that leaves names who has the log, then who has the priority") {
  ClusterOptions options;
  options.voters = 4;
  options.priorities = {10, 3, 7, kPriorityNever};
  Running c(options);
  if (c.Leader() != 1) CHECK(c.Await(c.Transfer(c.Leader(), 1)).ok());
  REQUIRE(c.RunUntil([&] { return c.Leader() == 1 && c.Settled(); }, Seconds(5)));
  c.record_sent = true;
  c.Do(1, [](Core& core, Instant now) { core.Resign(now, true); });
  c.RunFor(Milliseconds(1));
  bool seen = false;
  for (const Message& m : c.sent()) {
    const auto* bye = std::get_if<EndEpochRequest>(&m.body);
    if (bye == nullptr) continue;
    seen = true;
    CHECK(bye->preferred_successors == std::vector<ReplicaKey>{c.key(3), c.key(2)});
  }
  CHECK(seen);
}

TEST_CASE("the host's word that the leader is dead is as good as a broken connection, and no better") {
  Running c;
  const int leader = c.Leader();
  const Epoch epoch = c.core(leader).epoch();
  c.RunFor(Seconds(1));
  // Wrong: the others still hear it.
  c.Do(c.Follower(), [&](Core& core, Instant now) { core.SuspectLeader(now, NodeId(leader)); });
  c.RunFor(Seconds(3));
  CHECK(c.core(leader).epoch() == epoch);
  CHECK(c.Leader() == leader);
  // About somebody who doesn't lead: nothing.
  c.Do(c.Follower(0), [&](Core& core, Instant now) { core.SuspectLeader(now, NodeId(c.Follower(1))); });
  CHECK(c.core(c.Follower(0)).role() == ReplicaRole::kFollower);
  // Right: nobody waits for silence.
  c.Pause(leader);
  const Instant begun = c.now();
  for (int nth : {0, 1}) {
    c.Do(c.Follower(nth), [&](Core& core, Instant now) { core.SuspectLeader(now, NodeId(leader)); });
  }
  REQUIRE(c.RunUntil([&] { return c.Leader() != leader && c.Leader() != 0; }, Seconds(1)));
  CHECK(c.now() - begun < Milliseconds(50));
  CHECK(c.violations().empty());
}

TEST_CASE("a leader that hangs without a word is replaced within 250 ms, with default timeouts") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    Running c(options);
    c.RunFor(Seconds(2));
    const int leader = c.Leader();
    c.RunFor(Milliseconds(seed));
    c.Pause(leader);
    const Instant begun = c.now();
    int next = 0;
    REQUIRE(c.RunUntil(
        [&] {
          for (int id = 1; id <= 3; ++id) {
            if (id != leader && c.core(id).role() == ReplicaRole::kLeader) next = id;
          }
          return next != 0;
        },
        Seconds(5)));
    INFO("seed " << seed << ": " << absl::FormatDuration(c.now() - begun));
    CHECK(c.now() - begun <= Milliseconds(250));
    CHECK(c.violations().empty());
  }
}

TEST_CASE("on a network that hiccups nobody is replaced needlessly, and a hang is still noticed") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ClusterOptions options;
    options.seed = seed;
    options.delay_max = Milliseconds(60);
    options.drop_permille = 20;
    Running c(options);
    const Epoch epoch = c.core(c.Leader()).epoch();
    c.RunFor(Seconds(30));
    INFO("seed " << seed);
    CHECK(c.core(c.Leader()).epoch() == epoch);
    const int leader = c.Leader();
    c.Pause(leader);
    REQUIRE(c.RunUntil([&] { return c.Leader() != leader && c.core(c.Leader()).epoch() > epoch; }, Seconds(5)));
    CHECK(c.violations().empty());
  }
}

TEST_CASE("what a quiet quorum costs: a follower asks for a sign of life five times in the shortest silence") {
  Running c;
  c.RunFor(Seconds(1));
  c.record_sent = true;
  c.RunFor(Seconds(10));
  int asked = 0;
  for (const Message& m : c.sent()) asked += std::holds_alternative<FetchRequest>(m.body) ? 1 : 0;
  // Two followers, one question per 30 ms and a round trip each.
  CHECK(asked > 600);
  CHECK(asked < 680);
  CHECK(c.sent().size() < 2 * 680);
}

}  // namespace
}  // namespace quorate::raft
