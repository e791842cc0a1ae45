// Messages to bytes and back, bounds, pages; and deltas that are merged.
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
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

Voter SomeVoter(int32_t id) {
  return {{NodeId(id), DirectoryId(Uuid(5, 1000 + static_cast<uint64_t>(id)))},
          {{"CONTROLLER", "host", 9093}, {"CONTROLLER2", "::1", 9094}},
          0,
          1};
}

TEST_CASE("Requests to change the quorum survive the wire") {
  bool forwarded = true;
  const auto add = DecodeAddController(EncodeAddController({SomeVoter(4), true}), &forwarded);
  REQUIRE(add.ok());
  CHECK(add->voter == SomeVoter(4));
  CHECK(add->dry_run);
  CHECK_FALSE(forwarded);
  const auto removal = DecodeRemoveController(EncodeRemoveController({SomeVoter(4).key, false}), &forwarded);
  REQUIRE(removal.ok());
  CHECK(removal->key == SomeVoter(4).key);
  CHECK_FALSE(removal->dry_run);
  const auto transfer = DecodeTransferLeadership(EncodeTransferLeadership({NodeId(0)}), &forwarded);
  REQUIRE(transfer.ok());
  CHECK(transfer->to == NodeId(0));
  const auto to_the_best = DecodeTransferLeadership(EncodeTransferLeadership({}), &forwarded);
  REQUIRE(to_the_best.ok());
  CHECK_FALSE(to_the_best->to.has_value());
  // The forwarder's mark is a field behind them.
  const auto passed_on =
      DecodeRemoveController(EncodeRemoveController({SomeVoter(4).key, true}) + "\x78\x01", &forwarded);
  REQUIRE(passed_on.ok());
  CHECK(forwarded);
  CHECK(passed_on->dry_run);
}

TEST_CASE("F-X04: a request to add or remove a controller that makes no sense is refused before it travels") {
  bool forwarded = false;
  const auto add = [&](absl::FunctionRef<void(Voter&)> spoil) {
    Voter voter = SomeVoter(4);
    spoil(voter);
    return std::string(DecodeAddController(EncodeAddController({voter, false}), &forwarded).status().message());
  };
  using absl::StrContains;
  CHECK(add([](Voter&) {}).empty());
  CHECK(StrContains(add([](Voter& v) { v.key.id = NodeId(-2); }), "0 or more, not -2"));
  CHECK(StrContains(add([](Voter& v) { v.key.directory = DirectoryId(); }), "directory id of controller 4"));
  CHECK(StrContains(add([](Voter& v) { v.key.directory = DirectoryId(Uuid(0, 7)); }), "directory id of controller 4"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints.clear(); }), "needs from 1 to 16 endpoints, not 0"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints.resize(17, v.endpoints[0]); }), "not 17"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints[1].listener = "CONTROLLER"; }), "two endpoints for the listener"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints[0].host = ""; }), "host name of 1 to 255"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints[0].host = std::string(256, 'h'); }), "host name of 1 to 255"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints[0].listener = ""; }), "listener's name of 1 to 64"));
  CHECK(StrContains(add([](Voter& v) { v.endpoints[0].port = 0; }), "port from 1 to 65535"));
  CHECK_FALSE(DecodeRemoveController(EncodeRemoveController({{NodeId(1), DirectoryId()}, false}), &forwarded).ok());
  CHECK_FALSE(DecodeTransferLeadership(EncodeTransferLeadership({NodeId(-1)}), &forwarded).ok());
  CHECK_FALSE(DecodeAddController("\xff", &forwarded).ok());
}

TEST_CASE("A quorum that changes is described with the change, the committed set and the snapshot") {
  QuorumDescription quorum;
  quorum.cluster_id = ClusterId(Uuid(1, 2));
  quorum.self = SomeVoter(1).key;
  quorum.disk_age = absl::Milliseconds(1234);
  quorum.apply_age = absl::Seconds(40);
  quorum.apply_stalled = true;
  CHECK(DecodeQuorum(EncodeQuorum(quorum))->disk_age == quorum.disk_age);
  CHECK(DecodeQuorum(EncodeQuorum(quorum))->apply_age == quorum.apply_age);
  CHECK(DecodeQuorum(EncodeQuorum(quorum))->apply_stalled);
  CHECK_FALSE(DecodeQuorum(EncodeQuorum(quorum))->committed_voters.has_value());
  CHECK_FALSE(DecodeQuorum(EncodeQuorum(quorum))->voter_change.has_value());
  quorum.committed_voters = {SomeVoter(1), SomeVoter(2)};
  quorum.snapshot = {Epoch(4), Offset(900)};
  using Kind = VoterChange::Kind;
  using Phase = PendingVoterChange::Phase;
  for (const Kind kind : {Kind::kAdd, Kind::kRemove, Kind::kUpdate}) {
    for (const Phase phase : {Phase::kProbing, Phase::kCatchingUp, Phase::kCommitting}) {
      quorum.voter_change =
          PendingVoterChange{{kind, SomeVoter(3), kind == Kind::kAdd}, phase, Offset(5), Offset(6), Offset(7)};
      const auto seen = DecodeQuorum(EncodeQuorum(quorum));
      REQUIRE(seen.ok());
      CHECK(seen->voter_change == quorum.voter_change);
      CHECK(seen->committed_voters == quorum.committed_voters);
      CHECK(seen->snapshot == quorum.snapshot);
    }
  }
}

TEST_CASE("Whether an answer is stale reaches who asked") {
  const MetadataImagePtr image = ImageWith(1, 1);
  for (const bool stale : {false, true}) {
    CHECK(DecodeTopicNames(EncodeTopicNames(*image, stale))->stale == stale);
    CHECK(DecodeTopics(EncodeTopics(*image, {}, stale))->topics[0].stale == stale);
    CHECK(DecodeCluster(EncodeCluster(*image, ClusterId(Uuid(1, 2)), NodeId(1), stale))->stale == stale);
  }
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
