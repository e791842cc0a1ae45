// Snapshots on whole nodes under virtual time: when they are taken, and what a crash, a bad disk or a bad host makes of
// them.
#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "quorate/status.h"
#include "quorum/snapshot_support.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

TEST_CASE("snapshots follow the bytes committed, and the log is trimmed to the one before", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 1000);
  cluster.segment_bytes = 8192;
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 10);
  CHECK(SnapshotOf(cluster, 1) == LogPosition());
  std::set<LogPosition> seen;
  for (int round = 0; round < 20; ++round) {
    ProposeOnes(cluster, 1, 10);
    cluster.executor().RunFor(absl::Milliseconds(10));
    const LogPosition newest = SnapshotOf(cluster, 1);
    if (newest.end == Offset()) continue;
    const LogPosition before = seen.empty() ? LogPosition() : *seen.rbegin();
    if (newest != before) CHECK(LogStartOf(cluster, 1) == before.end);
    seen.insert(newest);
    CHECK(SnapshotFiles(cluster, 1).size() == std::min<size_t>(seen.size(), 2));  // the present one and the one before
  }
  CHECK(seen.size() > 3);

  cluster.Crash(1);
  REQUIRE(cluster.Start(1).ok());
  CHECK(cluster.Await([&] { return cluster.At(1).machine->sum == 210; }));
  REQUIRE(cluster.At(1).machine->loads.size() == 1);
  CHECK(cluster.At(1).machine->loads[0] == *seen.rbegin());
}

TEST_CASE("snapshots follow time, if anything was committed", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 0, absl::Seconds(60));
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 3);
  cluster.executor().RunFor(absl::Seconds(55));
  CHECK(SnapshotOf(cluster, 1) == LogPosition());
  cluster.executor().RunFor(absl::Seconds(10));
  const LogPosition first = SnapshotOf(cluster, 1);
  CHECK(first.end == cluster.At(1).node->Describe().high_watermark);
  cluster.executor().RunFor(absl::Minutes(10));
  CHECK(cluster.At(1).machine->captures == 1);
  ProposeOnes(cluster, 1, 1);
  cluster.executor().RunFor(absl::Seconds(1));
  CHECK(SnapshotOf(cluster, 1).end == first.end + 1);
}

TEST_CASE("a snapshot on request stands for what was applied; a second one without news is the first",
          "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  ProposeOnes(cluster, leader, 5);
  for (int id = 1; id <= 3; ++id) {
    REQUIRE(cluster.Read(id).ok());
    const absl::StatusOr<LogPosition> taken = cluster.TakeSnapshot(id);
    INFO(taken.status());
    REQUIRE(taken.ok());
    CHECK(taken->end == cluster.At(id).node->Describe().applied_end);
    CHECK(taken->epoch == cluster.At(id).node->Describe().epoch);
    CHECK(SnapshotOf(cluster, id) == *taken);
    CHECK(cluster.TakeSnapshot(id).value() == *taken);
    CHECK(SnapshotFiles(cluster, id).size() == 1);
  }
  // The same state gives the same bytes on every node, which is what lets a transfer go on from another sender (M-23).
  for (int id = 2; id <= 3; ++id) {
    CHECK(cluster.At(id).files.Contents(SnapshotFiles(cluster, id)[0]) ==
          cluster.At(1).files.Contents(SnapshotFiles(cluster, 1)[0]));
  }
}

TEST_CASE("a node that took a snapshot of nothing says so", "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  REQUIRE(cluster.Start(1).ok());  // no quorum: nothing was ever applied
  CHECK(cluster.TakeSnapshot(1).value() == LogPosition());
  CHECK(SnapshotFiles(cluster, 1).empty());
}

TEST_CASE("who asks for a snapshot of a state machine that takes none is told at once", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 100);
  cluster.StartAll();
  cluster.At(1).machine->takes_snapshots = false;
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 20);
  const absl::Status refused = cluster.TakeSnapshot(1).status();
  CHECK(ReasonOf(refused) == Reason::kRefused);
  CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  CHECK(cluster.At(1).fault.ok());
  CHECK(LogStartOf(cluster, 1) == Offset());
}

TEST_CASE("a host that fails or throws in a snapshot costs that snapshot, and it is tried again (F-H07)",
          "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 500);
  cluster.StartAll();
  Adder& machine = *cluster.At(1).machine;
  SECTION("capture fails") { machine.captures_fail = 3; }
  SECTION("capture throws") { machine.captures_throw = 3; }
  SECTION("a record fails") { machine.sources_fail = 3; }
  SECTION("a record throws") { machine.sources_throw = 3; }
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 20);
  cluster.executor().RunFor(absl::Milliseconds(500));
  CHECK(machine.captures == 1);  // no storm of attempts
  CHECK(SnapshotOf(cluster, 1) == LogPosition());
  CHECK(LogStartOf(cluster, 1) == Offset());
  CHECK(SnapshotFiles(cluster, 1).empty());
  CHECK(cluster.Await([&] { return SnapshotOf(cluster, 1).end > Offset(); }));
  CHECK(machine.captures == 4);
  CHECK(cluster.At(1).fault.ok());
  ProposeOnes(cluster, 1, 1);
}

TEST_CASE("a node that stopped itself, or is about to stop, doesn't look for its next snapshot all the time",
          "[quorum][snapshot]") {
  const auto tasks = [](QuorumCluster& cluster, absl::Duration span) {
    return cluster.executor().RunUntil(cluster.executor().clock()->Now() + span, /*max_tasks=*/20'000);
  };
  SECTION("stopped") {
    QuorumCluster cluster(1);
    SnapshotEvery(cluster, 0, absl::Seconds(60));
    cluster.StartAll();
    REQUIRE(cluster.AwaitLeader() == 1);
    ProposeOnes(cluster, 1, 3);
    cluster.At(1).machine->fails_at = "1";
    (void)cluster.Propose(1, {"1"});
    REQUIRE(cluster.Await([&] { return !cluster.At(1).fault.ok(); }));
    CHECK(tasks(cluster, absl::Minutes(2)) < 20'000);
  }
  SECTION("about to") {
    QuorumCluster cluster(3);
    SnapshotEvery(cluster, 0, absl::Milliseconds(200));
    cluster.StartAll();
    const int leader = cluster.AwaitLeader();
    ProposeOnes(cluster, leader, 1);
    REQUIRE(cluster.TakeSnapshot(leader).ok());
    ProposeOnes(cluster, leader, 1);
    cluster.Isolate(leader, true);
    bool answered = false;
    cluster.At(leader).node->Propose({{"1"}, {}}, [&](const absl::StatusOr<Proposed>&) { answered = true; });
    cluster.At(leader).node->ShutdownAsync(absl::Seconds(5), [](const absl::Status&) {});
    CHECK(tasks(cluster, absl::Milliseconds(400)) < 20'000);
    CHECK_FALSE(answered);
    cluster.executor().RunFor(absl::Seconds(5));
    CHECK(answered);
  }
}

TEST_CASE("a request for a snapshot that fails hears why", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 2);
  cluster.At(1).machine->sources_throw = 1;
  const absl::Status failed = cluster.TakeSnapshot(1).status();
  CHECK(absl::StrContains(failed.message(), "asked to throw"));
  CHECK(cluster.TakeSnapshot(1).ok());  // not kept waiting by the failure before
}

TEST_CASE("a full disk costs the snapshot, not the log (F-D11)", "[quorum][snapshot]") {
  // Every call on a snapshot's file fails once, one after the other.
  for (uint64_t n = 1;; ++n) {
    INFO("call " << n << " on snapshot files");
    REQUIRE(n < 1000);
    QuorumCluster cluster(1);
    SnapshotEvery(cluster, 0);
    cluster.StartAll();
    REQUIRE(cluster.AwaitLeader() == 1);
    ProposeOnes(cluster, 1, 5);
    REQUIRE(cluster.TakeSnapshot(1).ok());
    ProposeOnes(cluster, 1, 5);
    uint64_t calls = 0;
    cluster.At(1).files.SetHook([&](const testing::FileCallInfo& info) -> absl::Status {
      if (!absl::StrContains(info.path, ".checkpoint") || ++calls != n) return absl::OkStatus();
      return MakeError(Reason::kStorage, Outcome::kUnknown, "no space left on device");
    });
    const LogPosition before = SnapshotOf(cluster, 1);
    const absl::StatusOr<LogPosition> taken = cluster.TakeSnapshot(1);
    cluster.At(1).files.SetHook(nullptr);
    if (calls < n) {
      CHECK(taken.ok());
      break;
    }
    if (!taken.ok()) {
      CHECK(SnapshotOf(cluster, 1) == before);
      CHECK(LogStartOf(cluster, 1) == Offset());
    }
    CHECK(cluster.At(1).fault.ok());
    ProposeOnes(cluster, 1, 1);
    REQUIRE(cluster.TakeSnapshot(1).ok());
    cluster.Crash(1);
    REQUIRE(cluster.Start(1).ok());
    CHECK(cluster.Await([&] { return cluster.At(1).machine->sum == 11; }));
  }
}

// Writes, takes snapshots, writes on; stops when the node does. Returns how many ones were acknowledged.
int WorkWithSnapshots(QuorumCluster& cluster) {
  int acknowledged = 0;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 3; ++i) {
      if (!cluster.Propose(1, {"1"}, absl::Seconds(1)).ok()) return acknowledged;
      ++acknowledged;
    }
    if (!cluster.TakeSnapshot(1).ok() && cluster.At(1).files.crashed()) return acknowledged;
  }
  return acknowledged;
}

TEST_CASE("a crash at any call of taking snapshots loses nothing (F-P01, F-P02, R-03)", "[quorum][snapshot]") {
  for (const auto moment : {testing::CrashMoment::kBefore, testing::CrashMoment::kAfter}) {
    for (uint64_t n = 1;; ++n) {
      INFO("crash " << (moment == testing::CrashMoment::kBefore ? "before" : "after") << " call " << n);
      REQUIRE(n < 2000);
      QuorumCluster cluster(1, n);
      SnapshotEvery(cluster, 0);
      cluster.segment_bytes = 8192;
      cluster.StartAll();
      REQUIRE(cluster.AwaitLeader() == 1);
      cluster.At(1).files.CrashAtCall(n, moment);
      const int acknowledged = WorkWithSnapshots(cluster);
      const bool crashed = cluster.At(1).files.crashed();
      cluster.Crash(1);
      const absl::Status started = cluster.Start(1);
      INFO(started);
      REQUIRE(started.ok());
      REQUIRE(cluster.AwaitLeader() == 1);
      REQUIRE(cluster.Read(1).ok());
      const int64_t sum = cluster.At(1).machine->sum;
      CHECK(sum >= acknowledged);
      CHECK(sum <= acknowledged + 1);
      REQUIRE(cluster.Propose(1, {"1"}).ok());
      REQUIRE(cluster.TakeSnapshot(1).ok());
      if (!crashed) break;
    }
  }
}

TEST_CASE("a node that is shut down in the middle of a snapshot leaves none, and answers (F-H06, I-24)",
          "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 0);
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 5);
  std::optional<absl::StatusOr<LogPosition>> answer;
  cluster.At(1).node->TakeSnapshot([&](absl::StatusOr<LogPosition> r) {
    REQUIRE_FALSE(answer.has_value());
    answer = std::move(r);
  });
  const int steps = GENERATE(0, 1, 2, 3, 4);
  for (int i = 0; i < steps; ++i) cluster.executor().RunOne();
  cluster.At(1).node.reset();
  REQUIRE(answer.has_value());
  if (!answer->ok()) CHECK(ReasonOf(answer->status()) == Reason::kShuttingDown);
  cluster.Crash(1);
  REQUIRE(cluster.Start(1).ok());
  CHECK(cluster.Await([&] { return cluster.At(1).machine->sum == 5; }));
}

}  // namespace
}  // namespace quorate::quorum
