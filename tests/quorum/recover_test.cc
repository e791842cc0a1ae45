// How log and snapshots are put together at a start, and what an engine does before and after its sink has loaded one.

#include "quorum/recover.h"

#include <atomic>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/transport_adapters.h"
#include "quorum/engine.h"
#include "quorum/options.h"
#include "quorum/snapshot_file.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

const ClusterId kCluster{Uuid(1, 2)};
const Voter kSelf{{NodeId(1), DirectoryId(Uuid(5, 1))}, {{"CONTROLLER", "node-1", 9093}}, 0, 1};

LogPosition Position(int32_t epoch, int64_t end) { return {Epoch(epoch), Offset(end)}; }

// A node's stores before its start.
class Disk {
 public:
  Disk()
      : log(NewMemoryLogStore(&executor)),
        election_state(NewMemoryElectionStateStore(&executor)),
        snapshots(NewMemorySnapshotStore()) {
    REQUIRE(log->Open([](const Batch&) { return absl::OkStatus(); }).ok());
  }

  // `count` batches of one record each, in `epoch`.
  void Append(int32_t epoch, int count) {
    for (int i = 0; i < count; ++i) {
      const std::vector<absl::string_view> records = {"x"};
      absl::StatusOr<Batch> batch =
          Batch::Make({end, Epoch(epoch), BatchKind::kData, kCluster.value().low(), 0}, records);
      REQUIRE(batch.ok());
      log->Append({*batch}, [](const absl::StatusOr<Offset>& appended) { REQUIRE(appended.ok()); });
      end = batch->end_offset();
    }
    executor.RunUntilIdle();
  }
  void TrimTo(LogPosition start) {
    log->TrimPrefix(start, [](const absl::Status& trimmed) { REQUIRE(trimmed.ok()); });
    executor.RunUntilIdle();
  }
  void ResetTo(LogPosition start) {
    log->ResetTo(start, [](const absl::Status& reset) { REQUIRE(reset.ok()); });
    executor.RunUntilIdle();
  }
  void AddSnapshot(LogPosition position, raft::RecoveredState::VotersAt voters = {kNoOffset, {}, {}}) {
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = snapshots->Create(position);
    REQUIRE(writer.ok());
    SnapshotFileWriter file(*std::move(writer), {position, 123, std::move(voters)}, kCluster);
    REQUIRE(file.Add("state").ok());
    REQUIRE(file.Finish().ok());
  }
  // A file that is no snapshot.
  void AddRubbish(LogPosition position) {
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = snapshots->Create(position);
    REQUIRE(writer.ok());
    REQUIRE((*writer)->Append("this is no snapshot at all").ok());
    REQUIRE((*writer)->Finish().ok());
  }
  absl::StatusOr<RecoveredStores> Recover() {
    return RecoverStores(kCluster, log.get(), election_state.get(), snapshots.get(), NullLogSink().get());
  }

  testing::ManualClock clock;
  testing::ManualExecutor executor{&clock};
  std::unique_ptr<LogStore> log;
  std::unique_ptr<ElectionStateStore> election_state;
  std::unique_ptr<SnapshotStore> snapshots;
  Offset end;
};

TEST_CASE("a snapshot within the log leaves the log as it is", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 5);
  disk.Append(3, 5);
  disk.AddSnapshot(Position(1, 4));
  disk.AddSnapshot(Position(3, 8));
  const absl::StatusOr<RecoveredStores> found = disk.Recover();
  INFO(found.status());
  REQUIRE(found.ok());
  CHECK_FALSE(found->reset_log_to.has_value());
  CHECK(found->state.snapshot->info.id == Position(3, 8));
  CHECK(found->state.log.end == Position(3, 10));
  CHECK(found->snapshots == std::vector<LogPosition>{Position(1, 4), Position(3, 8)});
}

TEST_CASE("a snapshot that the log doesn't lead to: the log goes on from the snapshot (M-22)", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 5);
  disk.Append(3, 5);
  LogPosition snapshot;
  SECTION("it is ahead of the log") { snapshot = Position(3, 11); }
  SECTION("it is far ahead, in a later epoch") { snapshot = Position(7, 400); }
  SECTION("the log has another epoch there: what it holds was never committed") { snapshot = Position(4, 8); }
  SECTION("the same at the log's end") { snapshot = Position(4, 10); }
  SECTION("the same where the log's epoch changes") { snapshot = Position(2, 5); }
  disk.AddSnapshot(snapshot);
  const absl::StatusOr<RecoveredStores> found = disk.Recover();
  INFO(found.status());
  REQUIRE(found.ok());
  REQUIRE(found->reset_log_to.has_value());
  CHECK(*found->reset_log_to == snapshot);
  CHECK(found->state.log.start == snapshot);
  CHECK(found->state.log.end == snapshot);
  CHECK(found->state.epochs.empty());
  CHECK(found->state.voters.empty());
  CHECK(found->state.snapshot->info.id == snapshot);
}

TEST_CASE("at the edges of the log a snapshot fits", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 5);
  disk.Append(3, 5);
  disk.TrimTo(Position(1, 5));
  const LogPosition snapshot = GENERATE(Position(1, 5), Position(3, 6), Position(3, 10));
  disk.AddSnapshot(snapshot);
  const absl::StatusOr<RecoveredStores> found = disk.Recover();
  INFO(found.status());
  REQUIRE(found.ok());
  CHECK_FALSE(found->reset_log_to.has_value());
}

TEST_CASE("a log that begins behind every good snapshot is refused (P7)", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 10);
  disk.TrimTo(Position(1, 6));
  SECTION("no snapshot") {}
  SECTION("one that ends before") { disk.AddSnapshot(Position(1, 5)); }
  SECTION("a good one that ends before, a bad one that would do") {
    disk.AddSnapshot(Position(1, 5));
    disk.AddRubbish(Position(1, 8));
  }
  const absl::Status refused = disk.Recover().status();
  INFO(refused);
  CHECK(ReasonOf(refused) == Reason::kCorruption);
  CHECK(absl::StrContains(refused.message(), "offset 6"));
}

TEST_CASE("a log that begins behind a snapshot needs a store for snapshots", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 10);
  disk.TrimTo(Position(1, 6));
  const absl::Status refused =
      RecoverStores(kCluster, disk.log.get(), disk.election_state.get(), nullptr, NullLogSink().get()).status();
  CHECK(ReasonOf(refused) == Reason::kCorruption);
  CHECK(absl::StrContains(refused.message(), "keeps no snapshots"));
}

TEST_CASE("bad snapshots are passed over and removed when the log makes up for them (F-D03)", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 10);
  disk.TrimTo(Position(1, 3));
  disk.AddSnapshot(Position(1, 3));
  disk.AddRubbish(Position(1, 7));
  disk.AddRubbish(Position(1, 9));
  const absl::StatusOr<RecoveredStores> found = disk.Recover();
  INFO(found.status());
  REQUIRE(found.ok());
  CHECK(found->state.snapshot->info.id == Position(1, 3));
  CHECK(found->snapshots == std::vector<LogPosition>{Position(1, 3)});
  CHECK(absl::IsNotFound(disk.snapshots->OpenReader(Position(1, 9)).status()));
}

TEST_CASE("a snapshot of another cluster is none", "[quorum][recover]") {
  Disk disk;
  disk.AddSnapshot(Position(1, 7));
  const absl::StatusOr<RecoveredStores> found = RecoverStores(
      ClusterId(Uuid(8, 9)), disk.log.get(), disk.election_state.get(), disk.snapshots.get(), NullLogSink().get());
  REQUIRE(found.ok());
  CHECK_FALSE(found->state.snapshot.has_value());
}

TEST_CASE("what was half received is taken up, unless it is of no use any more (M-23)", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 10);
  disk.AddSnapshot(Position(1, 8));
  const bool useful = GENERATE(true, false);
  const SnapshotInfo partial{useful ? Position(2, 50) : Position(1, 8), 1000, 77};
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = disk.snapshots->Receive(partial);
  REQUIRE(writer.ok());
  REQUIRE((*writer)->Append("first bytes").ok());
  writer->reset();
  const absl::StatusOr<RecoveredStores> found = disk.Recover();
  INFO(found.status());
  REQUIRE(found.ok());
  CHECK(found->state.partial_snapshot.has_value() == useful);
  if (useful) CHECK(found->state.partial_snapshot_bytes == 11);
}

TEST_CASE("voters travel in a snapshot, and nothing else passes for them (M-40)", "[quorum][recover]") {
  const raft::RecoveredState::VotersAt voters{Offset(3), {kSelf}, {{NodeId(4), DirectoryId(Uuid(5, 4))}}};
  const absl::StatusOr<raft::RecoveredState::VotersAt> back = DecodeVotersAt(EncodeVotersAt(voters));
  REQUIRE(back.ok());
  CHECK(back->offset == voters.offset);
  CHECK(back->voters == voters.voters);
  CHECK(back->removed == voters.removed);
  CHECK(DecodeVotersAt(EncodeVotersAt({kNoOffset, {}, {}}))->offset == kNoOffset);
  const std::string whole = EncodeVotersAt(voters);
  for (size_t size = 1; size < whole.size(); ++size) {
    INFO("cut to " << size);
    CHECK(ReasonOf(DecodeVotersAt(whole.substr(0, size)).status()) == Reason::kCorruption);
  }
  CHECK_FALSE(DecodeVotersAt(whole + 'x').ok());
  CHECK_FALSE(DecodeVotersAt(std::string(8, '\xff') + whole.substr(8)).ok());  // offset -1

  // A voter set from behind the snapshot's end is none that it can have (M-40).
  Disk disk;
  disk.AddSnapshot(Position(1, 3), voters);
  const absl::StatusOr<RecoveredStores> found = disk.Recover();
  REQUIRE(found.ok());
  CHECK_FALSE(found->state.snapshot.has_value());
}

// Loads when the test says so.
class HeldSink final : public CommitSink {
 public:
  void Commit(CommittedChunk chunk) override {
    chunks.push_back(chunk.batches.front().base_offset());
    engine->Applied(chunk.end());
  }
  absl::Status Load(SnapshotToLoad snapshot) override {
    loads.push_back(std::move(snapshot));
    return absl::OkStatus();
  }
  void LeadershipChanged(const Leadership& leadership) override { leads = leadership.is_self; }
  void Halted(const absl::Status&) override {}

  Engine* engine = nullptr;
  std::vector<SnapshotToLoad> loads;
  std::vector<Offset> chunks;
  bool leads = false;
};

class DeafSink final : public CommitSink {
 public:
  void Commit(CommittedChunk) override {}
  void LeadershipChanged(const Leadership&) override {}
  void Halted(const absl::Status& cause) override { halted = cause; }
  absl::Status halted;
};

std::unique_ptr<Engine> MakeEngine(Disk& disk, testing::ManualExecutorFactory& executors, Random* random,
                                   InProcessNetwork* network, CommitSink* sink) {
  QuorumOptions options;
  options.cluster_id = kCluster;
  options.self = kSelf.key;
  options.initial_voters = {kSelf};
  QuorumDependencies dependencies;
  dependencies.log = std::move(disk.log);
  dependencies.election_state = std::move(disk.election_state);
  dependencies.snapshots = std::move(disk.snapshots);
  dependencies.transport = network->MakeTransport(kSelf.endpoints.front());
  dependencies.clock = &disk.clock;
  dependencies.random = random;
  dependencies.executors = &executors;
  FillDefaults(&dependencies);
  return std::make_unique<Engine>(std::move(options), std::move(dependencies), sink);
}

TEST_CASE("before the snapshot is loaded nothing is applied, read or led (I-23, M-27)", "[quorum][recover]") {
  Disk disk;
  disk.Append(1, 2);
  disk.AddSnapshot(Position(3, 40));
  testing::ManualExecutorFactory executors(&disk.executor);
  Xoshiro random(1);
  auto network = InProcessNetwork::Create(&disk.executor, &disk.clock);
  HeldSink sink;
  auto engine = MakeEngine(disk, executors, &random, network.get(), &sink);
  sink.engine = engine.get();
  REQUIRE(engine->Start().ok());
  disk.executor.RunFor(absl::Seconds(2));
  REQUIRE(sink.loads.size() == 1);
  CHECK(sink.loads[0].position == Position(3, 40));
  CHECK(sink.loads[0].append_time_ms == 123);
  const QuorumDescription before = engine->Describe();
  CHECK(before.log_start == Offset(40));
  CHECK(before.high_watermark > Offset(40));
  CHECK(before.applied_end == Offset());
  CHECK(sink.chunks.empty());
  CHECK_FALSE(sink.leads);
  std::optional<absl::StatusOr<Offset>> read;
  engine->ReadBarrier(absl::Seconds(60), [&](absl::StatusOr<Offset> r) { read = std::move(r); });
  std::optional<absl::StatusOr<LogPosition>> taken;  // not of half a state
  engine->TakeSnapshot([&](absl::StatusOr<LogPosition> r) { taken = std::move(r); });
  disk.executor.RunFor(absl::Seconds(10));
  CHECK_FALSE(read.has_value());
  CHECK_FALSE(taken.has_value());

  engine->RunOnStrand([&] { engine->Loaded(Position(3, 40)); });
  disk.executor.RunFor(absl::Seconds(2));
  CHECK(sink.chunks == std::vector<Offset>{Offset(40)});  // the next one begins where the snapshot ends
  CHECK(sink.leads);
  REQUIRE(read.has_value());
  CHECK(read->ok());
  REQUIRE(taken.has_value());
  CHECK(ReasonOf(taken->status()) == Reason::kRefused);  // this sink captures nothing
  sink.loads.clear();
  engine.reset();
  disk.executor.RunUntilIdle();
}

TEST_CASE("a sink that can't load what the log begins with halts the node", "[quorum][recover]") {
  Disk disk;
  disk.AddSnapshot(Position(3, 40));
  testing::ManualExecutorFactory executors(&disk.executor);
  Xoshiro random(1);
  auto network = InProcessNetwork::Create(&disk.executor, &disk.clock);
  DeafSink sink;
  auto engine = MakeEngine(disk, executors, &random, network.get(), &sink);
  REQUIRE(engine->Start().ok());
  disk.executor.RunFor(absl::Seconds(2));
  CHECK(absl::StrContains(sink.halted.message(), "nobody here knows how to load"));
  CHECK(engine->Describe().role == ReplicaRole::kHalted);
  engine.reset();
  disk.executor.RunUntilIdle();
}

}  // namespace
}  // namespace quorate::quorum
