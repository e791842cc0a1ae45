// How whole nodes go on from a snapshot: their own after a restart, damaged ones, and the leader's.

#include "absl/strings/match.h"
#include "quorate/status.h"
#include "quorum/snapshot_support.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

// A node with two snapshots, the log from the first on, and ten records behind the second.
void MakeTwoSnapshots(QuorumCluster& cluster) {
  SnapshotEvery(cluster, 0);
  cluster.segment_bytes = 8192;
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 20);
  REQUIRE(cluster.TakeSnapshot(1).ok());
  ProposeOnes(cluster, 1, 20);
  REQUIRE(cluster.TakeSnapshot(1).ok());
  ProposeOnes(cluster, 1, 10);
  REQUIRE(cluster.Await([&] { return LogStartOf(cluster, 1) > Offset(); }));
  cluster.executor().RunFor(absl::Seconds(2));
  cluster.Crash(1);
  REQUIRE(SnapshotFiles(cluster, 1).size() == 2);
}

TEST_CASE("a newest snapshot that is damaged anywhere is given up for the one before (F-D03)", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  MakeTwoSnapshots(cluster);
  const testing::SimDisk disk = cluster.At(1).files.SaveDisk();
  const std::string newest = SnapshotFiles(cluster, 1).back();
  const std::string whole = cluster.At(1).files.Contents(newest);
  const auto check = [&](const std::string& damaged) {
    cluster.At(1).files.LoadDisk(disk);
    cluster.At(1).files.SetContents(newest, damaged);
    const absl::Status started = cluster.Start(1);
    INFO(started);
    REQUIRE(started.ok());
    REQUIRE(cluster.Await([&] { return cluster.At(1).machine->sum == 50; }));
    REQUIRE(cluster.At(1).machine->loads.size() == 1);
    CHECK(SnapshotFiles(cluster, 1).size() == 1);  // it doesn't stand in the way of the next
    REQUIRE(cluster.AwaitLeader() == 1);
    CHECK(cluster.TakeSnapshot(1).ok());
    cluster.Crash(1);
  };
  for (size_t byte = 0; byte < whole.size(); byte += 7) {
    INFO("byte " << byte << " of " << whole.size());
    std::string damaged = whole;
    damaged[byte] ^= 0x10;
    check(damaged);
  }
  for (const size_t size : {size_t{0}, size_t{1}, whole.size() / 2, whole.size() - 1}) {
    INFO("cut to " << size);
    check(whole.substr(0, size));
  }
  check(whole + '\0');
  check(whole + whole);
}

TEST_CASE("without a good snapshot before the log's start a node refuses, with file and remedy (P7)",
          "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  MakeTwoSnapshots(cluster);
  const std::vector<std::string> files = SnapshotFiles(cluster, 1);
  std::vector<std::string> damaged;
  SECTION("both are damaged") {
    for (const std::string& file : files) {
      cluster.At(1).files.FlipBit(file, 200);
      damaged.push_back(file);
    }
  }
  SECTION("the older is gone, the newer is damaged") {
    cluster.At(1).files.FlipBit(files[1], 200);
    damaged.push_back(files[1]);
    REQUIRE(cluster.At(1).files.Remove(files[0]).ok());
    REQUIRE(cluster.At(1).files.SyncDirectory("/data").ok());
  }
  SECTION("all are gone") {
    for (const std::string& file : files) REQUIRE(cluster.At(1).files.Remove(file).ok());
    REQUIRE(cluster.At(1).files.SyncDirectory("/data").ok());
  }
  for (int attempt = 0; attempt < 2; ++attempt) {
    const absl::Status refused = cluster.Start(1);
    INFO(refused);
    CHECK(ReasonOf(refused) == Reason::kCorruption);
    for (const std::string& file : damaged) CHECK(absl::StrContains(refused.message(), file));
    CHECK(absl::StrContains(refused.message(), "format a new one"));
    cluster.Crash(1);  // and nothing was removed meanwhile
  }
}

TEST_CASE("a state machine that can't load its snapshot halts the node (F-H01)", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 0);
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  ProposeOnes(cluster, 1, 5);
  REQUIRE(cluster.TakeSnapshot(1).ok());
  cluster.Crash(1);
  REQUIRE(cluster.Start(1).ok());
  const bool throws = GENERATE(false, true);
  cluster.At(1).machine->load_fails = !throws;
  cluster.At(1).machine->load_throws = throws;
  CHECK(cluster.Await([&] { return !cluster.At(1).fault.ok(); }));
  CHECK(absl::StrContains(cluster.At(1).fault.message(), throws ? "asked to throw" : "asked to fail"));
  CHECK(cluster.At(1).machine->applied.empty());  // never half a state with more on top
  CHECK(cluster.At(1).node->Describe().role == ReplicaRole::kHalted);
}

// Stops `id`, lets the others go on until their log no longer reaches back to where it was, and starts it again.
int LeaveBehind(QuorumCluster& cluster, int leader) {
  const int id = leader == 1 ? 2 : 1;
  cluster.Crash(id);
  const Offset end = cluster.At(leader).node->Describe().log_end;
  for (int round = 0; round < 3; ++round) {
    ProposeOnes(cluster, leader, 10);
    REQUIRE(cluster.TakeSnapshot(leader).ok());
  }
  REQUIRE(cluster.Await([&] { return LogStartOf(cluster, leader) > end; }));
  return id;
}

TEST_CASE("a follower whose log ends before the leader's begins goes on from a snapshot (M-22, M-24, I-23)",
          "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  SnapshotEvery(cluster, 0);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  ProposeOnes(cluster, leader, 5);
  const int late = LeaveBehind(cluster, leader);
  REQUIRE(cluster.Start(late).ok());
  REQUIRE(cluster.Await([&] { return cluster.At(late).machine->sum == 35; }));
  const QuorumDescription now = cluster.At(late).node->Describe();
  CHECK(now.log_start > Offset());
  CHECK(now.snapshot.end == now.log_start);
  CHECK(cluster.At(late).machine->applied == cluster.At(leader).machine->applied);
  CHECK(SnapshotFiles(cluster, late).size() == 1);
  // It is a full member again: with it and without the third one there is a quorum.
  cluster.Crash(6 - leader - late);
  ProposeOnes(cluster, leader, 3);
  CHECK(cluster.Await([&] { return cluster.At(late).machine->sum == 38; }));
  cluster.Crash(late);
  REQUIRE(cluster.Start(late).ok());
  CHECK(cluster.Await([&] { return cluster.At(late).machine->sum == 38; }));
}

TEST_CASE("a crash at any call of receiving and installing leaves the old state or the new (M-22, M-23, R-03)",
          "[quorum][snapshot]") {
  for (uint64_t n = 1;; ++n) {
    INFO("crash at call " << n);
    REQUIRE(n < 2000);
    QuorumCluster cluster(3, n);
    SnapshotEvery(cluster, 0);
    cluster.StartAll();
    const int leader = cluster.AwaitLeader();
    ProposeOnes(cluster, leader, 5);
    const int late = LeaveBehind(cluster, leader);
    QuorumCluster::Member& member = cluster.At(late);
    member.files.CrashAtCall(n, n % 2 == 0 ? testing::CrashMoment::kBefore : testing::CrashMoment::kAfter);
    if (cluster.Start(late).ok()) {
      cluster.Await([&] { return member.files.crashed() || member.machine->sum == 35; });
    }
    const bool crashed = member.files.crashed();
    cluster.Crash(late);
    const absl::Status started = cluster.Start(late);
    INFO(started);
    REQUIRE(started.ok());
    REQUIRE(cluster.Await([&] { return member.machine->sum == 35; }));
    CHECK(member.fault.ok());
    if (!crashed) break;
  }
}

TEST_CASE("a proposal in the log of a node that goes on from a snapshot ends as unknown (M-31)", "[quorum][snapshot]") {
  QuorumCluster cluster(3);
  SnapshotEvery(cluster, 0);
  cluster.StartAll();
  const int old_leader = cluster.AwaitLeader();
  ProposeOnes(cluster, old_leader, 5);
  cluster.Isolate(old_leader, true);
  std::optional<absl::StatusOr<Proposed>> lost;
  cluster.At(old_leader).node->Propose({{"1000"}, std::nullopt, absl::Seconds(100)}, [&](absl::StatusOr<Proposed> r) {
    lost = std::move(r);
  });
  std::optional<absl::StatusOr<Offset>> read;
  cluster.At(old_leader).node->ReadBarrier(absl::Seconds(100), [&](absl::StatusOr<Offset> r) { read = std::move(r); });
  REQUIRE(cluster.Await([&] { return cluster.Leader() != old_leader && cluster.Leader() != 0; }));
  const int leader = cluster.Leader();
  for (int round = 0; round < 3; ++round) {
    ProposeOnes(cluster, leader, 10);
    REQUIRE(cluster.TakeSnapshot(leader).ok());
  }
  cluster.Isolate(old_leader, false);
  REQUIRE(cluster.Await([&] { return cluster.At(old_leader).machine->sum == 35; }));
  REQUIRE(lost.has_value());
  CHECK(OutcomeOf(lost->status()) == Outcome::kUnknown);
  REQUIRE(cluster.Await([&] { return read.has_value(); }));
  CHECK(read->ok());
  CHECK_FALSE(cluster.At(old_leader).machine->loads.empty());
}

std::vector<int> VotersOf(QuorumCluster& cluster, int id) {
  std::vector<int> ids;
  for (const ReplicaStatus& voter : cluster.At(id).node->Describe().voters) ids.push_back(voter.key.id.value());
  return ids;
}

TEST_CASE("snapshots carry the voter set as of their end (M-40, M-22)", "[quorum][snapshot]") {
  QuorumCluster cluster(1);
  SnapshotEvery(cluster, 0);
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  for (int id = 2; id <= 3; ++id) {
    REQUIRE(cluster.AddMember() == id);
    REQUIRE(cluster.Start(id).ok());
    REQUIRE(cluster.AddVoter(cluster.AwaitLeader(), id).ok());
  }
  // The records that say who votes are trimmed away: from here on only the snapshot knows.
  for (int round = 0; round < 3; ++round) {
    for (int id = 1; id <= 3; ++id) {
      REQUIRE(cluster.Propose(cluster.AwaitLeader(), {"1"}).ok());
      REQUIRE(cluster.Read(id).ok());
      REQUIRE(cluster.TakeSnapshot(id).ok());
    }
  }
  cluster.executor().RunFor(absl::Seconds(1));
  cluster.CrashAll();
  for (int id = 1; id <= 3; ++id) REQUIRE(cluster.Start(id).ok());
  const int leader = cluster.AwaitLeader();
  REQUIRE(leader != 0);
  CHECK(VotersOf(cluster, leader) == std::vector<int>{1, 2, 3});
  // And a newcomer learns it from there.
  const int late = cluster.AddMember();
  REQUIRE(cluster.Start(late).ok());
  REQUIRE(cluster.Await([&] { return cluster.At(late).machine->sum == 9; }));
  CHECK_FALSE(cluster.At(late).machine->loads.empty());
  CHECK(VotersOf(cluster, late) == std::vector<int>{1, 2, 3});
}

TEST_CASE("snapshots under load: all nodes, many rounds, with restarts", "[quorum][snapshot]") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    QuorumCluster cluster(3, seed);
    SnapshotEvery(cluster, 600);
    cluster.segment_bytes = 8192;
    cluster.StartAll();
    int64_t acknowledged = 0;
    for (int round = 0; round < 12; ++round) {
      const int leader = cluster.AwaitLeader();
      REQUIRE(leader != 0);
      for (int i = 0; i < 15; ++i) {
        REQUIRE(cluster.Propose(leader, {"1", "2"}).ok());
        acknowledged += 3;
      }
      const int victim = static_cast<int>((seed + static_cast<uint64_t>(round)) % 3) + 1;
      cluster.Crash(victim);
      REQUIRE(cluster.AwaitLeader() != 0);
      REQUIRE(cluster.Start(victim).ok());
    }
    for (int id = 1; id <= 3; ++id) {
      CHECK(cluster.Await([&] { return cluster.At(id).machine->sum == acknowledged; }));
      CHECK(LogStartOf(cluster, id) > Offset());
      CHECK(SnapshotFiles(cluster, id).size() <= 2);
    }
  }
}

}  // namespace
}  // namespace quorate::quorum
