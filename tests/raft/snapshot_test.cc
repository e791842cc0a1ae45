// Snapshots in a whole quorum: followers that fell behind, transfers that are interrupted in every way, and what the
// quorum looks like afterwards. The referee of CoreCluster compares each snapshot with the history (I-18).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

ClusterOptions Options(uint64_t seed = 1) {
  ClusterOptions options;
  options.seed = seed;
  options.snapshot_every = 10;
  options.snapshot_piece = 300;
  options.tail_cache_bytes = 200;
  return options;
}

void Elect(CoreCluster& cluster) {
  cluster.StartAll();
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(5)));
}

// Commits `count` records at the leader, one after the other.
void Write(CoreCluster& cluster, int count) {
  for (int i = 0; i < count; ++i) {
    const int leader = cluster.Leader();
    REQUIRE(leader != 0);
    const absl::StatusOr<Offset> offset = cluster.Propose(leader, absl::StrCat("record ", i));
    REQUIRE(offset.ok());
    REQUIRE(cluster.RunUntil([&] { return cluster.core(leader).high_watermark() > *offset; }, absl::Seconds(5)));
  }
}

int Follower(CoreCluster& cluster, int other = 0) {
  for (int id = 1; id <= 3; ++id) {
    if (id != cluster.Leader() && id != other) return id;
  }
  return 0;
}

void RequireSettled(CoreCluster& cluster) {
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(20)));
  REQUIRE(cluster.violations() == std::vector<std::string>());
}

TEST_CASE("every node takes snapshots and trims its log behind the one before") {
  CoreCluster cluster(Options());
  Elect(cluster);
  Write(cluster, 60);
  RequireSettled(cluster);
  for (int id = 1; id <= 3; ++id) {
    CHECK(cluster.core(id).snapshot().end > Offset(40));
    CHECK(cluster.core(id).log_start().end > Offset(30));
    CHECK(cluster.core(id).log_start().end < cluster.core(id).snapshot().end);
    CHECK(cluster.snapshots(id).size() == 2);
    CHECK(cluster.disk(id).front().base_offset() == cluster.core(id).log_start().end);
  }
  CHECK(cluster.installed() == 0);
}

TEST_CASE("a follower that fell behind further than the log reaches loads the snapshot and goes on") {
  CoreCluster cluster(Options());
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 60);
  cluster.Start(behind);
  RequireSettled(cluster);
  CHECK(cluster.installed() == 1);
  CHECK(cluster.core(behind).log_start().end > Offset(30));
  CHECK(cluster.core(behind).voters() == cluster.core(cluster.Leader()).voters());
  // It counts again: with it alone the quorum goes on.
  cluster.Crash(Follower(cluster, behind));
  Write(cluster, 5);
  RequireSettled(cluster);
}

TEST_CASE("a follower that is only a little behind still finds its log") {
  CoreCluster cluster(Options());
  Elect(cluster);
  Write(cluster, 25);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 8);
  cluster.Start(behind);
  RequireSettled(cluster);
  CHECK(cluster.installed() == 0);
}

TEST_CASE("a whole quorum restarts from snapshots and logs") {
  CoreCluster cluster(Options());
  Elect(cluster);
  Write(cluster, 60);
  RequireSettled(cluster);
  const Offset committed = cluster.committed();
  for (int id = 1; id <= 3; ++id) cluster.Crash(id);
  cluster.StartAll();
  RequireSettled(cluster);
  CHECK(cluster.committed() > committed);
  Write(cluster, 20);
  RequireSettled(cluster);
}

TEST_CASE("M-22, M-03: a node that has nothing but a snapshot can lead") {
  ClusterOptions options = Options();
  options.snapshot_every = 0;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 20);
  for (int id = 1; id <= 3; ++id) {
    if (!cluster.alive(id)) continue;
    cluster.TakeSnapshot(id);
    cluster.RunFor(absl::Milliseconds(50));
    Write(cluster, 1);
    cluster.TakeSnapshot(id);
    cluster.RunFor(absl::Milliseconds(50));
  }
  cluster.Start(behind);
  RequireSettled(cluster);
  REQUIRE(cluster.installed() == 1);
  cluster.Crash(Follower(cluster, behind));
  cluster.Do(cluster.Leader(), [](Core& core, Instant now) { core.Resign(now, /*shutting_down=*/true); });
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() == behind; }, absl::Seconds(10)));
  Write(cluster, 3);
  CHECK(cluster.violations() == std::vector<std::string>());
}

TEST_CASE("M-23: a transfer that is interrupted again and again resumes where it was") {
  ClusterOptions options = Options();
  options.snapshot_piece = 100;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 200);
  uint64_t most = 0;
  int resumed = 0;
  for (int i = 0; i < 10; ++i) {
    const uint64_t before = cluster.partial_bytes(behind);
    cluster.ForgetSent();
    cluster.record_sent = true;
    cluster.Start(behind);
    // Until something new was received.
    cluster.RunUntil([&] { return cluster.partial_bytes(behind) > before + 200; }, absl::Seconds(3));
    for (const Message& message : cluster.sent()) {
      const auto* ask = std::get_if<SnapshotRequest>(&message.body);
      if (ask == nullptr) continue;
      CHECK(ask->position == before);  // the first question of this life
      resumed += before > 0 ? 1 : 0;
      break;
    }
    cluster.record_sent = false;
    most = std::max(most, cluster.partial_bytes(behind));
    cluster.Crash(behind);
  }
  CHECK(resumed > 5);
  CHECK(most > 600);
  cluster.Start(behind);
  RequireSettled(cluster);
  CHECK(cluster.installed() == 1);
}

TEST_CASE("F-N16: the leader changes in the middle of a transfer, and the next one has the same file") {
  ClusterOptions options = Options();
  options.snapshot_piece = 100;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 100);
  RequireSettled(cluster);
  cluster.Start(behind);
  REQUIRE(cluster.RunUntil([&] { return cluster.partial_bytes(behind) > 500; }, absl::Seconds(5)));
  const uint64_t before = cluster.partial_bytes(behind);
  const int old = cluster.Leader();
  cluster.Do(old, [](Core& core, Instant now) { core.Resign(now, /*shutting_down=*/false); });
  cluster.record_sent = true;
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Leader() != old; }, absl::Seconds(5)));
  RequireSettled(cluster);
  CHECK(cluster.installed() == 1);
  for (const Message& message : cluster.sent()) {
    const auto* ask = std::get_if<SnapshotRequest>(&message.body);
    if (ask != nullptr) CHECK(ask->position >= before);
  }
}

TEST_CASE("F-N16: the leader dies in the middle of a transfer; the follower notices, and what it has is of use") {
  ClusterOptions options = Options();
  options.voters = 5;
  options.snapshot_piece = 100;
  options.announce_crashes = false;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = cluster.Leader() == 1 ? 2 : 1;
  cluster.Crash(behind);
  Write(cluster, 100);
  RequireSettled(cluster);
  cluster.Start(behind);
  REQUIRE(cluster.RunUntil([&] { return cluster.partial_bytes(behind) > 500; }, absl::Seconds(5)));
  const int old = cluster.Leader();
  cluster.Crash(old);
  RequireSettled(cluster);
  CHECK(cluster.installed() == 1);
  cluster.Start(old);
  RequireSettled(cluster);
}

TEST_CASE("C-11: snapshots that are replaced while they are loaded don't keep a follower out") {
  ClusterOptions options = Options();
  options.snapshot_piece = 400;
  options.snapshot_every = 5;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 100);
  cluster.Start(behind);
  Write(cluster, 100);  // the log goes on moving away
  RequireSettled(cluster);
  CHECK(cluster.installed() >= 1);
}

TEST_CASE("F-D03, F-D11: writes that fail and files that don't verify cost time, nothing else") {
  ClusterOptions options = Options(5);
  options.snapshot_fault_permille = 150;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 100);
  cluster.Start(behind);
  RequireSettled(cluster);
  CHECK(cluster.installed() == 1);
}

TEST_CASE("C-12: a conflicting log that is longer than the snapshot gives way to it") {
  CoreCluster cluster(Options());
  Elect(cluster);
  Write(cluster, 5);
  const int cut = cluster.Leader();
  cluster.Isolate(cut);
  for (int i = 0; i < 200; ++i) (void)cluster.Propose(cut, "never committed");
  cluster.RunFor(absl::Milliseconds(50));
  const Offset end = cluster.core(cut).log_end().end;
  REQUIRE(end > Offset(200));
  cluster.Crash(cut);
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0; }, absl::Seconds(10)));
  Write(cluster, 60);
  REQUIRE(cluster.core(cluster.Leader()).log_end().end < end);
  cluster.HealLinks();
  cluster.Start(cut);
  RequireSettled(cluster);
  CHECK(cluster.installed() == 1);
}

TEST_CASE("an observer with an empty disk, and one whose disk was replaced, come in through a snapshot") {
  ClusterOptions options = Options();
  options.observers = 1;
  CoreCluster cluster(options);
  Elect(cluster);
  cluster.Crash(4);
  Write(cluster, 60);
  for (int i = 0; i < 2; ++i) {
    cluster.Wipe(4);
    cluster.Start(4);
    RequireSettled(cluster);
    CHECK(cluster.installed() == i + 1);
    if (i == 0) cluster.Crash(4);
  }
  CHECK(cluster.core(4).voters().size() == 3);
}

TEST_CASE("a rate limit slows a transfer down, not the quorum") {
  ClusterOptions options = Options();
  options.snapshot_bytes_per_second = 2'000;
  CoreCluster cluster(options);
  Elect(cluster);
  const int behind = Follower(cluster);
  cluster.Crash(behind);
  Write(cluster, 100);
  const uint64_t bytes = cluster.snapshots(cluster.Leader()).back().info.bytes;
  const Epoch epoch = cluster.core(cluster.Leader()).epoch();
  cluster.Start(behind);
  const Instant begin = cluster.now();
  Write(cluster, 4);  // with the other follower, at once
  CHECK(cluster.now() - begin < absl::Milliseconds(100));
  REQUIRE(cluster.RunUntil([&] { return cluster.installed() == 1; }, absl::Seconds(30)));
  CHECK(cluster.now() - begin > absl::Seconds(bytes) / 2'000 - absl::Milliseconds(100));
  RequireSettled(cluster);
  CHECK(cluster.core(cluster.Leader()).epoch() == epoch);
}

TEST_CASE("a crash at any moment of a transfer or an installation leaves a usable node") {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    ClusterOptions options = Options(seed);
    options.disk_max = absl::Milliseconds(5);
    CoreCluster cluster(options);
    Elect(cluster);
    const int behind = Follower(cluster);
    cluster.Crash(behind);
    Write(cluster, 50);
    cluster.Start(behind);
    cluster.RunFor(absl::Microseconds(300 * seed));
    cluster.Crash(behind);
    cluster.Start(behind);
    INFO("seed " << seed);
    RequireSettled(cluster);
    REQUIRE(cluster.installed() >= 1);
  }
}

}  // namespace
}  // namespace quorate::raft
