// The active controller on a quorum of one whose log refuses what it is handed: what callers hear, and that nothing
// goes round in circles.
#include "node/active_controller.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/xoshiro.h"
#include "metadata/image_builder.h"
#include "metadata/image_records.h"
#include "node/image_slot.h"
#include "node/metadata_applier.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/transport_adapters.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

const ClusterId kCluster(Uuid(1, 2));

struct CountingSink : LogSink {
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel level, absl::string_view, absl::string_view) override {
    if (level >= LogLevel::kWarning) ++warnings;
  }
  int warnings = 0;
};

// An engine that leads, and a controller that is told of its leadership by the test, on top of an image of the test.
struct Harness {
  explicit Harness(size_t pending_bytes_max) {
    QuorumOptions options;
    options.cluster_id = kCluster;
    options.self = {NodeId(1), DirectoryId(Uuid(3, 4))};
    options.initial_voters = {{options.self, {{"CONTROLLER", "node-1", 9093}}, 0, 1}};
    options.pending_bytes_max = pending_bytes_max;
    QuorumDependencies dependencies;
    dependencies.log = NewMemoryLogStore(&executor);
    dependencies.election_state = NewMemoryElectionStateStore(&executor);
    dependencies.transport = network->MakeTransport({"CONTROLLER", "node-1", 9093});
    dependencies.clock = &clock;
    dependencies.random = &random;
    dependencies.executors = &executors;
    dependencies.log_sink = NullLogSink();
    engine = std::make_unique<quorum::Engine>(options, std::move(dependencies), &applier);
    applier.Attach(engine.get());
    active.Attach(engine.get());
    REQUIRE(engine->Start().ok());
    REQUIRE(executor.RunUntilTrue([&] { return leadership.is_self; }, absl::Seconds(10)));
  }
  ~Harness() {
    engine->Close();
    engine.reset();
    executor.RunUntilIdle();
  }

  // Claims on top of `records`, as if they had been committed.
  void Claim(const std::vector<metadata::Record>& records) {
    metadata::ImageBuilder builder(slot.Load());
    for (const metadata::Record& record : records) REQUIRE(builder.Replay(record).ok());
    const MetadataImagePtr image = std::move(builder).Build(slot.Load()->provenance()).image;
    slot.Store(image);
    engine->RunOnStrand([this, image] { active.OnLeadership(leadership, image); });
  }

  testing::ManualClock clock;
  testing::ManualExecutor executor{&clock};
  testing::ManualExecutorFactory executors{&executor};
  Xoshiro random{7};
  std::unique_ptr<InProcessNetwork> network = InProcessNetwork::Create(&executor, &clock);
  std::shared_ptr<CountingSink> log = std::make_shared<CountingSink>();
  ImageSlot slot;
  Leadership leadership;
  ActiveController active{NodeId(1), {.cluster_id = kCluster}, absl::ZeroDuration(), &clock, &random, log};
  MetadataApplier applier{&slot,
                          {[this](const MetadataImagePtr& image, MetadataDelta) { active.OnCommitted(image); },
                           [this](const Leadership& now) { leadership = now; }, [](const absl::Status&) {}}};
  std::unique_ptr<quorum::Engine> engine;
};

BrokerInfo Broker(int32_t id) {
  BrokerInfo broker;
  broker.id = NodeId(id);
  broker.incarnation = IncarnationId(Uuid(9, static_cast<uint64_t>(id)));
  broker.epoch = BrokerEpoch(0);
  broker.endpoints = {{{"PLAINTEXT", "host", 9092}, SecurityProtocol::kPlaintext}};
  broker.features = {{std::string(kMetadataVersionFeature), kMetadataVersionMin, kMetadataVersionMax}};
  broker.fenced = false;
  return broker;
}

const metadata::FeatureLevelRecord kVersion{std::string(kMetadataVersionFeature), kMetadataVersionMax};

TEST_CASE("A session's end that the log refuses to take is tried again after a pause, not at once for ever") {
  Harness harness(1);
  harness.Claim({kVersion, metadata::RegisterBrokerRecord{Broker(1)}});
  harness.executor.RunFor(absl::Seconds(8));
  CHECK(harness.log->warnings == 0);
  harness.executor.RunUntil(harness.clock.Now() + absl::Seconds(2), 10'000);
  CHECK(harness.log->warnings >= 1);
  CHECK(harness.log->warnings <= 20);
}

TEST_CASE("I-19, F-B08: what was decided and not committed is gone with the leadership, and nothing else") {
  std::vector<absl::Status> answers;  // outlives the harness, whose end completes what is open
  Harness harness(64u << 20);
  harness.Claim({kVersion, metadata::RegisterBrokerRecord{Broker(1)}});
  const auto create = [&](const std::string& name) {
    harness.active.Submit<controller::CreateTopicsRequest, controller::CreateTopicsResponse>(
        &controller::Controller::CreateTopics, {.topics = {{.name = name, .partitions = 3, .replication_factor = 1}}},
        [&answers](const absl::StatusOr<controller::CreateTopicsResponse>& r) {
          answers.push_back(r.ok() ? r->topics[0].status : r.status());
        });
  };
  create("kept");
  harness.executor.RunUntilIdle();
  REQUIRE(answers.size() == 1);
  REQUIRE(answers[0].ok());
  const MetadataImagePtr committed = harness.slot.Load();
  // Nothing becomes durable before the executor runs.
  create("lost");
  create("lost-as-well");
  REQUIRE(harness.active.uncommitted()->FindTopic("lost").has_value());
  REQUIRE(harness.active.uncommitted()->digest() != committed->digest());

  Leadership other = harness.leadership;
  other.epoch = Epoch(other.epoch.value() + 1);
  other.leader = NodeId(2);
  other.is_self = false;
  harness.engine->RunOnStrand([&] { harness.active.OnLeadership(other, harness.slot.Load()); });
  CHECK(harness.active.uncommitted() == nullptr);
  CHECK(harness.slot.Load()->digest() == committed->digest());
  // The committed prefix, replayed from its beginning, is what the next term begins with.
  metadata::ImageBuilder builder(MetadataImage::Empty());
  metadata::ForEachRecord(*committed, [&](const metadata::Record& record) { return builder.Replay(record).ok(); });
  const MetadataImagePtr replayed = std::move(builder).Build(committed->provenance()).image;
  harness.engine->RunOnStrand([&] { harness.active.OnLeadership(harness.leadership, harness.slot.Load()); });
  REQUIRE(harness.active.uncommitted() != nullptr);
  CHECK(harness.active.uncommitted()->digest() == replayed->digest());
  CHECK_FALSE(harness.active.uncommitted()->FindTopic("lost").has_value());
  CHECK(answers.size() == 1);  // their records are in the log: their fate is open until the log says
}

TEST_CASE("M-23: a snapshot that is loaded under an active controller ends its term") {
  Harness harness(64u << 20);
  harness.Claim({kVersion, metadata::RegisterBrokerRecord{Broker(1)}});
  REQUIRE(harness.active.active());
  harness.engine->RunOnStrand([&] { harness.active.OnLoaded(MetadataImage::Empty()); });
  CHECK_FALSE(harness.active.active());
  harness.executor.RunFor(absl::Seconds(5));
  CHECK_FALSE(harness.active.active());  // until it is elected anew
}

TEST_CASE("Only so many answers wait for the commit of what they rest on (I-25)") {
  Harness harness(64u << 20);
  harness.Claim({kVersion, metadata::RegisterBrokerRecord{Broker(1)}});
  const auto created = [](const absl::StatusOr<controller::CreateTopicsResponse>&) {};
  harness.active.Submit<controller::CreateTopicsRequest, controller::CreateTopicsResponse>(
      &controller::Controller::CreateTopics, {.topics = {{.name = "orders", .partitions = 1, .replication_factor = 1}}},
      created);
  // Nothing becomes durable before the executor runs.
  controller::BrokerHeartbeatRequest lives;
  lives.broker = NodeId(1);
  lives.epoch = BrokerEpoch(0);
  lives.current_metadata_offset = Offset(0);
  std::vector<absl::Status> answers;
  for (size_t i = 0; i <= limits::kPendingReadsMax; ++i) {
    harness.active.Submit<controller::BrokerHeartbeatRequest, controller::BrokerHeartbeatResponse>(
        &controller::Controller::Heartbeat, lives,
        [&](const absl::StatusOr<controller::BrokerHeartbeatResponse>& r) { answers.push_back(r.status()); });
  }
  REQUIRE(answers.size() == 1);
  CHECK(ReasonOf(answers[0]) == Reason::kOverloaded);
  CHECK(OutcomeOf(answers[0]) == Outcome::kNotApplied);
  harness.executor.RunUntilIdle();
  CHECK(answers.size() == limits::kPendingReadsMax + 1);
  CHECK(answers.back().ok());
}

TEST_CASE("A change in several batches of which only the first was taken is reported as unknown, not as not applied") {
  const TopicId topic(Uuid(0x4000, 5));
  std::vector<metadata::Record> records = {kVersion, metadata::RegisterBrokerRecord{Broker(1)},
                                           metadata::TopicRecord{topic, "wide"}};
  for (int32_t p = 0; p < static_cast<int32_t>(limits::kRecordsPerOperationMax) + 1000; ++p) {
    PartitionInfo info;
    info.replicas = info.isr = {NodeId(1)};
    info.leader = NodeId(1);
    records.push_back(metadata::PartitionRecord{{topic, p}, info});
  }
  // Where the limit must be depends on how records are encoded.
  bool was_split = false;
  for (size_t limit = 100'000; limit < 2'000'000 && !was_split; limit += 5'000) {
    Harness harness(limit);
    harness.Claim(records);
    const Offset before = harness.engine->NextOffset();
    controller::BrokerHeartbeatRequest leaves;
    leaves.broker = NodeId(1);
    leaves.epoch = BrokerEpoch(0);
    leaves.current_metadata_offset = before;
    leaves.want_fence = true;
    std::optional<absl::Status> answer;
    harness.active.Submit<controller::BrokerHeartbeatRequest, controller::BrokerHeartbeatResponse>(
        &controller::Controller::Heartbeat, leaves,
        [&](absl::StatusOr<controller::BrokerHeartbeatResponse> r) { answer = r.status(); });
    harness.executor.RunUntilIdle();
    REQUIRE(answer.has_value());
    INFO(answer->ToString());
    was_split = harness.engine->NextOffset() > before && !answer->ok();
    if (!was_split) continue;
    CHECK(ReasonOf(*answer) == Reason::kOverloaded);
    CHECK(OutcomeOf(*answer) == Outcome::kUnknown);
  }
  CHECK(was_split);
}

}  // namespace
}  // namespace quorate::node
