// Two million partitions from a snapshot into a node, and over the image that it has: the strand is never kept for long
// (real threads; what is measured is each turn's own processor time, so that a busy machine doesn't count).
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "metadata/image_builder.h"
#include "metadata/image_snapshot.h"
#include "node/image_slot.h"
#include "node/metadata_applier.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"
#include "quorum/engine.h"
#include "quorum/snapshot_file.h"
#include "raft/observer.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::node {
namespace {

const ClusterId kCluster(Uuid(1, 2));
constexpr int kTopics = 20;
constexpr int kPartitions = 100'000;
constexpr int kBrokers = 100;

absl::Duration ThreadTime() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return absl::DurationFromTimespec(now);
}

struct LongestTurn final : raft::Observer {
  void OnStep(const raft::Core&, const raft::Effects&) override {}
  void OnTurn(bool begins) override {
    if (begins) {
      began = ThreadTime();
    } else {
      longest = std::max(longest, ThreadTime() - began);
    }
  }
  absl::Duration began;
  absl::Duration longest;
};

MetadataImagePtr TwoMillion(LogPosition position) {
  metadata::ImageBuilder builder(MetadataImage::Empty(), metadata::ImageBuilder::Delta::kNone);
  for (int t = 1; t <= kTopics; ++t) {
    const TopicId topic(Uuid(static_cast<uint64_t>(t) * 0x9e3779b97f4a7c15, static_cast<uint64_t>(t)));
    bool ok = builder.Replay(metadata::TopicRecord{topic, absl::StrCat("service.topic-", t)}).ok();
    for (int p = 0; p < kPartitions; ++p) {
      PartitionInfo info;
      for (int i : {0, 37, 71}) info.replicas.push_back(NodeId((t * 7 + p * 13 + i) % kBrokers));
      info.isr = info.replicas;
      info.leader = info.replicas[0];
      ok = ok && builder.Replay(metadata::PartitionRecord{{topic, p}, info}).ok();
    }
    REQUIRE(ok);
  }
  return std::move(builder).Build({position.end, position.epoch}).image;
}

TEST_CASE("Two million partitions are loaded without keeping the strand for 5 ms", "[scale]") {
  const ReplicaKey self{NodeId(1), DirectoryId(Uuid(3, 4))};
  const LogPosition position{Epoch(1), Offset(2'000'100)};
  std::unique_ptr<SnapshotStore> snapshots = NewMemorySnapshotStore();
  REQUIRE(snapshots->Open().ok());
  MetadataDigest digest;
  {
    const MetadataImagePtr image = TwoMillion(position);
    digest = image->digest();
    auto file = snapshots->Create(position);
    REQUIRE(file.ok());
    quorum::SnapshotFileWriter writer(*std::move(file), {position, 0, {kNoOffset, {}, {}}}, kCluster);
    metadata::ImageSnapshotSource source(image);
    bool ok = true;
    for (auto record = source.Next(); ok && record.ok() && record->has_value(); record = source.Next()) {
      ok = writer.Add(**record).ok();
    }
    REQUIRE(ok);
    REQUIRE(writer.Finish().ok());
  }
  auto again = quorum::SnapshotFileReader::Open(*snapshots->OpenReader(position), position, kCluster, "a copy",
                                                std::make_shared<std::atomic<bool>>(false));
  REQUIRE(again.ok());
  std::unique_ptr<Executor> executor = ThreadExecutorFactory()->MakeSerial("memory");
  std::unique_ptr<InProcessNetwork> network = InProcessNetwork::Create(executor.get(), SystemClock());
  QuorumOptions options;
  options.cluster_id = kCluster;
  options.self = self;
  options.initial_voters = {{self, {{"CONTROLLER", "node-1", 9093}}, 0, 1}};
  options.snapshots.log_bytes = 0;
  options.snapshots.interval = absl::ZeroDuration();
  LongestTurn turns;
  QuorumDependencies dependencies;
  dependencies.log = NewMemoryLogStore(executor.get());
  dependencies.election_state = NewMemoryElectionStateStore(executor.get());
  dependencies.snapshots = std::move(snapshots);
  dependencies.transport = network->MakeTransport({"CONTROLLER", "node-1", 9093});
  dependencies.clock = SystemClock();
  dependencies.random = SystemRandom();
  dependencies.executors = ThreadExecutorFactory();
  dependencies.log_sink = NullLogSink();
  dependencies.observer = &turns;
  ImageSlot slot;
  std::atomic<int> loaded{0};
  std::atomic<bool> halted{false};
  MetadataApplier applier(
      &slot, {[&](const MetadataImagePtr&, const MetadataDelta& delta) { loaded += delta.everything ? 1 : 0; },
              [](const Leadership&) {}, [&](const absl::Status&) { halted = true; }});
  auto engine = std::make_unique<quorum::Engine>(options, std::move(dependencies), &applier);
  applier.Attach(engine.get());
  const absl::Status started = engine->Start();
  INFO(started.ToString());
  REQUIRE(started.ok());
  REQUIRE(testing::WaitUntil([&] { return loaded == 1 || halted; }, absl::Minutes(2)));
  REQUIRE_FALSE(halted);
  CHECK(slot.Load()->digest() == digest);
  CHECK(slot.Load()->provenance().end >= position.end);  // it may lead by now, and have written so
  // What was captured is written elsewhere, too.
  std::atomic<bool> taken{false};
  engine->TakeSnapshot([&](const absl::StatusOr<LogPosition>&) { taken = true; });
  REQUIRE(testing::WaitUntil([&] { return taken.load(); }, absl::Minutes(2)));
  // And once more, over an image of that size, which has to be taken apart.
  engine->RunOnStrandAndWait([&] { (void)applier.Load({position, 0, *std::move(again)}); });
  REQUIRE(testing::WaitUntil([&] { return loaded == 2 || halted; }, absl::Minutes(2)));
  REQUIRE_FALSE(halted);
  CHECK(slot.Load()->digest() == digest);
  engine->Close();
  INFO("longest turn: " << absl::FormatDuration(turns.longest));
  CHECK(turns.longest < absl::Milliseconds(5));
  engine.reset();
}

}  // namespace
}  // namespace quorate::node
