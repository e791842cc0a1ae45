// What a leader's own snapshots do to a follower that is loading one.
#include "quorate/status.h"
#include "quorum/snapshot_support.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

constexpr uint64_t kLogBytes = 2000;

// Writes one record each 50 ms - so that the policy wants a snapshot every 1.2 s or so - until it holds.
bool WriteUntil(QuorumCluster& cluster, absl::FunctionRef<bool()> condition, absl::Duration limit) {
  const Instant end = cluster.executor().clock()->Now() + limit;
  while (cluster.executor().clock()->Now() < end && !condition()) {
    if (const int leader = cluster.Leader(); leader != 0) {
      cluster.At(leader).node->Propose({{"1"}, {}}, [](const absl::StatusOr<Proposed>&) {});
    }
    cluster.executor().RunFor(absl::Milliseconds(50));
  }
  return condition();
}

// Three voters whose state takes some five seconds to be sent, of which one has missed all of it. Returns that one.
int StartWithLateFollower(QuorumCluster& cluster) {
  cluster.adjust = [](QuorumOptions& options) {
    options.snapshots.log_bytes = kLogBytes;
    options.snapshots.interval = absl::ZeroDuration();
    options.snapshots.send_bytes_per_second = 2000;
  };
  cluster.segment_bytes = 8192;
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int late = leader % 3 + 1;
  cluster.Crash(late);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(cluster.Propose(leader, std::vector<std::string>(1000, "1")).ok());
    cluster.executor().RunFor(absl::Milliseconds(100));
  }
  REQUIRE(LogStartOf(cluster, leader) > Offset());
  REQUIRE(cluster.Start(late).ok());
  return late;
}

TEST_CASE("a follower whose download takes longer than two of the leader's snapshots comes in under writes (F-N16)",
          "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  const int late = StartWithLateFollower(cluster);
  const int leader = cluster.Leader();
  REQUIRE(WriteUntil(
      cluster, [&] { return !cluster.At(late).machine->loads.empty(); }, absl::Seconds(60)));
  // The leader goes on as its policy says, and the log behind the one that was loaded is there.
  REQUIRE(WriteUntil(
      cluster, [&] { return cluster.At(late).machine->sum + 5 >= cluster.At(leader).machine->sum; }, absl::Seconds(5)));
  CHECK(cluster.At(late).machine->loads.size() == 1);
  const LogPosition served = SnapshotOf(cluster, leader);
  CHECK(WriteUntil(
      cluster, [&] { return SnapshotOf(cluster, leader).end > served.end; }, absl::Seconds(10)));
}

TEST_CASE("a follower that loads for ever delays the leader's snapshots, but not for ever (I-25)",
          "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  const int late = StartWithLateFollower(cluster);
  const int leader = cluster.Leader();
  // It begins again whenever it is about to be done.
  cluster.At(late).files.SetHook([](const testing::FileCallInfo& info) -> absl::Status {
    if (info.call != testing::FileCall::kRename) return absl::OkStatus();
    return MakeError(Reason::kStorage, Outcome::kUnknown, "no space left on device");
  });
  REQUIRE(WriteUntil(
      cluster, [&] { return cluster.At(late).node->Describe().leader == NodeId(leader); }, absl::Seconds(5)));
  uint64_t longest = 0;
  LogPosition newest = SnapshotOf(cluster, leader);
  int taken = 0;
  WriteUntil(
      cluster,
      [&] {
        const LogPosition now = SnapshotOf(cluster, leader);
        if (now.end > newest.end) {
          ++taken;
          longest = std::max(longest, static_cast<uint64_t>(now.end - newest.end));
          newest = now;
        }
        return false;
      },
      absl::Seconds(60));
  CHECK(taken >= 3);
  CHECK(taken <= 10);
  // A batch of one record has some 53 bytes.
  CHECK(longest * 53 <= 8 * kLogBytes + 1000);
  CHECK(cluster.At(late).machine->loads.empty());
}

TEST_CASE("who asks for a snapshot gets one, whoever is loading another", "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  const int late = StartWithLateFollower(cluster);
  const int leader = cluster.Leader();
  WriteUntil(
      cluster, [&] { return false; }, absl::Seconds(2));
  REQUIRE(cluster.At(late).machine->loads.empty());
  const LogPosition before = SnapshotOf(cluster, leader);
  const absl::StatusOr<LogPosition> taken = cluster.TakeSnapshot(leader);
  REQUIRE(taken.ok());
  CHECK(taken->end > before.end);
  CHECK(WriteUntil(
      cluster, [&] { return !cluster.At(late).machine->loads.empty(); }, absl::Seconds(30)));
}

}  // namespace
}  // namespace quorate::quorum
