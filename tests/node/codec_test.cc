// Messages to bytes and back, bounds, pages; and deltas that are merged.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "metadata/image_builder.h"
#include "node/admin_codec.h"
#include "node/broker_codec.h"
#include "node/delta_merge.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

TopicId Topic(uint64_t number) { return TopicId(Uuid(1000, number)); }

MetadataImagePtr ImageWith(int topics, int32_t partitions) {
  metadata::ImageBuilder builder(MetadataImage::Empty());
  for (int t = 0; t < topics; ++t) {
    std::string name = std::to_string(t);
    name.insert(0, 3 - name.size(), '0');
    REQUIRE(builder.Replay(metadata::TopicRecord{Topic(static_cast<uint64_t>(t) + 1), "t" + name}).ok());
    for (int32_t p = 0; p < partitions; ++p) {
      metadata::PartitionRecord record;
      record.id = {Topic(static_cast<uint64_t>(t) + 1), p};
      record.info.replicas = {NodeId(1)};
      record.info.isr = {NodeId(1)};
      record.info.leader = NodeId(1);
      REQUIRE(builder.Replay(record).ok());
    }
  }
  return std::move(builder).Build({Offset(1), Epoch(1)}).image;
}

TEST_CASE("A registration, a heartbeat and an ISR change survive the wire") {
  broker::Registration registration;
  registration.broker = NodeId(3);
  registration.cluster_id = ClusterId(Uuid(1, 2));
  registration.incarnation = IncarnationId(Uuid(3, 4));
  registration.endpoints = {{{"PLAINTEXT", "host", 9092}, SecurityProtocol::kPlaintext}};
  registration.features = {{"metadata.version", 25, 25}};
  registration.log_dirs = {DirectoryId(Uuid(5, 6))};
  registration.rack = "r1";
  const auto registered = DecodeRegistration(EncodeRegistration(registration));
  REQUIRE(registered.ok());
  CHECK(registered->broker == registration.broker);
  CHECK(registered->cluster == registration.cluster_id);
  CHECK(registered->incarnation == registration.incarnation);
  CHECK(registered->endpoints == registration.endpoints);
  CHECK(registered->features == registration.features);
  CHECK(registered->log_dirs == registration.log_dirs);
  CHECK(registered->rack == registration.rack);
  CHECK(registered->previous_epoch == kNoBrokerEpoch);

  const auto beat = DecodeHeartbeat(EncodeHeartbeat({NodeId(3), BrokerEpoch(7), Offset(10), true, false}));
  REQUIRE(beat.ok());
  CHECK(beat->current_metadata_offset == Offset(9));
  CHECK(beat->want_fence);
  CHECK_FALSE(beat->want_shut_down);

  broker::IsrChangeRequest change;
  change.broker = NodeId(3);
  change.epoch = BrokerEpoch(7);
  change.changes.push_back({{Topic(1), 4},
                            5,
                            6,
                            LeaderRecoveryState::kRecovered,
                            {{NodeId(3), BrokerEpoch(7)}, {NodeId(4), kNoBrokerEpoch}}});
  const auto altered = DecodeIsrChanges(EncodeIsrChanges(change));
  REQUIRE(altered.ok());
  REQUIRE(altered->partitions.size() == 1);
  CHECK(altered->partitions[0].id == PartitionId{Topic(1), 4});
  CHECK(altered->partitions[0].leader_epoch == 5);
  CHECK(altered->partitions[0].partition_epoch == 6);
  CHECK(altered->partitions[0].new_isr[1].epoch == kNoBrokerEpoch);
}

TEST_CASE("F-X04: missing numbers, oversize lists and cut bytes are refused, never defaulted") {
  CHECK(absl::StrContains(DecodeHeartbeat("").status().message(), "broker_id must be given"));
  CHECK(absl::StrContains(DecodeRegistration("").status().message(), "broker_id must be given"));
  CHECK_FALSE(DecodeIsrChanges("").ok());
  const std::string whole = EncodeHeartbeat({NodeId(3), BrokerEpoch(7), Offset(10), true, true});
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto cut = DecodeHeartbeat(absl::string_view(whole).substr(0, length));
    if (cut.ok()) CHECK_FALSE(cut->want_shut_down);  // a whole message without its last fields
  }
  broker::IsrChangeRequest large;
  large.broker = NodeId(1);
  large.epoch = BrokerEpoch(1);
  large.changes.resize(limits::kRecordsPerOperationMax);
  CHECK(DecodeIsrChanges(EncodeIsrChanges(large)).ok());
  large.changes.resize(limits::kRecordsPerOperationMax + 1);
  CHECK(ReasonOf(DecodeIsrChanges(EncodeIsrChanges(large)).status()) == Reason::kInvalidArgument);
  bool forwarded = false;
  CHECK_FALSE(DecodeDeleteTopics(EncodeDeleteTopics({std::string(5000, 'x')}), &forwarded).ok());
}

TEST_CASE("A description that is too long for one answer comes in pages, each topic once") {
  const MetadataImagePtr image = ImageWith(30, 4000);
  std::vector<std::string> seen;
  DescribeTopicsCall call;
  int pages = 0;
  do {
    const auto page = DecodeTopics(EncodeTopics(*image, call, false));
    REQUIRE(page.ok());
    REQUIRE_FALSE(page->topics.empty());
    for (const TopicDescription& topic : page->topics) {
      seen.push_back(topic.name);
      CHECK(topic.partitions.size() == 4000);
    }
    call.after = page->continue_after;
    ++pages;
  } while (!call.after.empty());
  CHECK(pages == 3);
  CHECK(seen.size() == 30);
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.front() == "t000");
  CHECK(seen.back() == "t029");
}

TEST_CASE("A description of topics that are named twice comes to its end, with each topic once") {
  const MetadataImagePtr image = ImageWith(3, 30'000);
  DescribeTopicsCall call;
  call.names = {"t000", "t001", "t000", "t002"};
  std::vector<std::string> seen;
  for (int page = 0; page < 5; ++page) {
    const auto received = DecodeDescribeTopics(EncodeDescribeTopics(call));
    REQUIRE(received.ok());
    const auto topics = DecodeTopics(EncodeTopics(*image, *received, false));
    REQUIRE(topics.ok());
    for (const TopicDescription& topic : topics->topics) seen.push_back(topic.name);
    call.after = topics->continue_after;
    if (call.after.empty()) break;
  }
  CHECK(seen == std::vector<std::string>{"t000", "t001", "t002"});
}

TEST_CASE("Merged deltas say what changed from end to end") {
  const auto base = MetadataImage::Empty();
  MetadataDelta first;
  first.base = base;
  first.topics_created = {{Topic(1), "one"}, {Topic(2), "two"}};
  first.partitions = {{Topic(1), 0}, {Topic(2), 0}, {Topic(9), 1}};
  first.brokers = {NodeId(1), NodeId(3)};
  MetadataDelta second;
  second.topics_deleted = {{Topic(2), "two"}, {Topic(9), "nine"}};
  second.topics_created = {{Topic(3), "three"}};
  second.partitions = {{Topic(1), 0}, {Topic(3), 0}};
  second.brokers = {NodeId(2), NodeId(3)};
  second.features_changed = true;
  MergeDelta(&first, second);
  CHECK(first.base == base);
  REQUIRE(first.topics_created.size() == 2);
  CHECK(first.topics_created[1].name == "three");
  REQUIRE(first.topics_deleted.size() == 1);
  CHECK(first.topics_deleted[0].name == "nine");
  CHECK(first.partitions == std::vector<PartitionId>{{Topic(1), 0}, {Topic(3), 0}});
  CHECK(first.brokers == std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)});
  CHECK(first.features_changed);

  // F-H02: what waits for a host that hangs is bounded.
  MetadataDelta many;
  for (int32_t p = 0; p <= static_cast<int32_t>(kMergedDeltaEntriesMax); ++p) many.partitions.push_back({Topic(5), p});
  MergeDelta(&first, many);
  CHECK(first.everything);
  CHECK(first.partitions.empty());
  CHECK(first.base == base);
}

}  // namespace
}  // namespace quorate::node
