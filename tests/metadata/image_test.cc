#include <initializer_list>
#include <string>
#include <vector>

#include "metadata/image_builder.h"
#include "metadata/image_check.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::metadata {
namespace {

ReplicaList Nodes(std::initializer_list<int> ids) {
  ReplicaList list;
  for (int id : ids) list.push_back(NodeId(id));
  return list;
}

TopicId Topic(uint64_t n) { return TopicId(Uuid(n, 1000 + n)); }

Record Broker(int id, int64_t epoch, bool fenced = false) {
  BrokerInfo broker;
  broker.id = NodeId(id);
  broker.epoch = BrokerEpoch(epoch);
  broker.incarnation = IncarnationId(Uuid(5, static_cast<uint64_t>(epoch)));
  broker.fenced = fenced;
  return RegisterBrokerRecord{broker};
}

Record Partition(uint64_t topic, int32_t index, std::initializer_list<int> replicas) {
  PartitionInfo info{Nodes(replicas), Nodes(replicas), NodeId(*replicas.begin()), 0, 0};
  return PartitionRecord{{Topic(topic), index}, info};
}

// Replays on `base`; fails the test if a record is refused.
BuiltImage Play(const MetadataImagePtr& base, const std::vector<Record>& records) {
  ImageBuilder builder(base);
  for (const Record& record : records) REQUIRE(builder.Replay(record).ok());
  const Offset end = base->provenance().end + static_cast<int64_t>(records.size());
  return std::move(builder).Build({end, Epoch(1)});
}

std::vector<Record> SmallCluster() {
  return {FeatureLevelRecord{"metadata.version", 1},
          Broker(1, 1),
          Broker(2, 2),
          Broker(3, 3),
          TopicRecord{Topic(1), "email.send"},
          Partition(1, 0, {1, 2, 3}),
          Partition(1, 1, {2, 3, 1}),
          TopicRecord{Topic(2), "audit"},
          Partition(2, 0, {3, 1})};
}

TEST_CASE("an image answers from its records") {
  auto [image, delta] = Play(MetadataImage::Empty(), SmallCluster());
  REQUIRE(CheckImage(*image).ok());
  CHECK(image->provenance() == MetadataProvenance{Offset(9), Epoch(1)});
  CHECK(image->FeatureLevel(kMetadataVersionFeature) == 1);
  CHECK(image->FeatureLevel("group.version") == 0);
  CHECK(image->broker_count() == 3);
  CHECK(image->topic_count() == 2);
  CHECK(image->partition_count() == 3);
  CHECK(image->FindBroker(NodeId(4)) == nullptr);
  CHECK(image->FindBroker(NodeId(2))->epoch == BrokerEpoch(2));
  CHECK(image->FindTopic("email.send")->id == Topic(1));
  CHECK(image->FindTopic(Topic(2))->name == "audit");
  CHECK_FALSE(image->FindTopic("email"));
  CHECK_FALSE(image->FindPartition(Topic(1), 2));
  CHECK_FALSE(image->FindPartition(Topic(1), -1));
  CHECK(image->FindPartition(Topic(1), 1)->leader == NodeId(2));
  CHECK(image->FindCollidingTopic("email_send")->name == "email.send");
  CHECK_FALSE(image->FindCollidingTopic("email-send"));
  CHECK(image->LeaderCount(NodeId(1)) == 1);
  CHECK(image->IsrCount(NodeId(1)) == 3);
  std::vector<std::string> names;
  image->ForEachTopic([&](const TopicInfo& topic) {
    names.emplace_back(topic.name);
    return true;
  });
  CHECK(names == std::vector<std::string>{"audit", "email.send"});
  CHECK(delta.topics_created.size() == 2);
  CHECK(delta.partitions.size() == 3);
  CHECK(delta.brokers == std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)});
  CHECK(delta.features_changed);
}

TEST_CASE("a change leaves the older image as it was, and names what changed") {
  auto [before, ignored] = Play(MetadataImage::Empty(), SmallCluster());
  const MetadataDigest digest = before->digest();
  auto [after, delta] = Play(before, {PartitionChangeRecord{{Topic(1), 0}, Nodes({2, 3}), NodeId(2), {}, {}},
                                      BrokerRegistrationChangeRecord{NodeId(1), BrokerEpoch(1), true, {}},
                                      PartitionChangeRecord{{Topic(1), 1}, Nodes({2, 3}), {}, {}, {}},
                                      PartitionChangeRecord{{Topic(2), 0}, Nodes({3}), {}, {}, {}}});
  REQUIRE(CheckImage(*after).ok());
  CHECK(before->FindPartition(Topic(1), 0)->leader == NodeId(1));
  CHECK(before->FindBroker(NodeId(1))->active());
  CHECK(before->digest() == digest);
  const auto moved = *after->FindPartition(Topic(1), 0);
  CHECK(moved.leader == NodeId(2));
  CHECK(moved.leader_epoch == 1);
  CHECK(moved.partition_epoch == 1);
  const auto shrunk = *after->FindPartition(Topic(1), 1);
  CHECK(shrunk.leader_epoch == 0);
  CHECK(shrunk.partition_epoch == 1);
  CHECK(after->IsrCount(NodeId(1)) == 0);
  CHECK(after->ReplicaCount(NodeId(1)) == 3);
  CHECK(delta.base == before);
  CHECK(delta.topics_created.empty());
  CHECK(delta.partitions.size() == 3);
  CHECK(delta.brokers == std::vector<NodeId>{NodeId(1)});
}

TEST_CASE("a leader that is written again raises the leader epoch, as KRaft's record does") {
  auto [image, delta] = Play(MetadataImage::Empty(), SmallCluster());
  auto [again, ignored] = Play(image, {PartitionChangeRecord{{Topic(1), 0}, {}, NodeId(1), {}, {}}});
  CHECK(again->FindPartition(Topic(1), 0)->leader_epoch == 1);
  CHECK(again->FindPartition(Topic(1), 0)->leader == NodeId(1));
}

TEST_CASE("deleting a topic takes everything of it along, and its space is used again") {
  auto [image, ignored] = Play(MetadataImage::Empty(), SmallCluster());
  const size_t slots = image->state().partitions.size();
  auto [without, delta] = Play(image, {RemoveTopicRecord{Topic(1)}});
  REQUIRE(CheckImage(*without).ok());
  CHECK(without->partition_count() == 1);
  CHECK_FALSE(without->FindTopic("email.send"));
  CHECK_FALSE(without->FindCollidingTopic("email_send"));
  REQUIRE(delta.topics_deleted.size() == 1);
  CHECK(delta.topics_deleted[0].name == "email.send");
  auto [more, created] =
      Play(without, {TopicRecord{Topic(7), "email.send"}, Partition(7, 0, {2, 3}), Partition(7, 1, {3, 2}),
                     Partition(7, 2, {1, 2}), TopicRecord{Topic(8), "passing"}, RemoveTopicRecord{Topic(8)}});
  REQUIRE(CheckImage(*more).ok());
  CHECK(more->state().partitions.size() == slots + 1);
  CHECK(more->FindPartition(Topic(7), 2)->leader == NodeId(1));  // in a second extent
  CHECK(created.topics_created.size() == 1);
  CHECK(created.topics_deleted.empty());
  CHECK_FALSE(image->FindTopic(Topic(7)));
}

TEST_CASE("I-17: the digest depends on the contents, not on the way there") {
  auto [direct, ignored] = Play(MetadataImage::Empty(), SmallCluster());
  std::vector<Record> detour = {TopicRecord{Topic(9), "gone"}, Partition(9, 0, {1}), Partition(9, 1, {1})};
  for (const Record& record : SmallCluster()) detour.push_back(record);
  detour.push_back(RemoveTopicRecord{Topic(9)});
  auto [around, also_ignored] = Play(MetadataImage::Empty(), detour);
  CHECK(around->digest() == direct->digest());
  CHECK_FALSE(around->digest() == MetadataImage::Empty()->digest());

  std::vector<Record> changes = {Broker(1, 20),
                                 Broker(1, 1, true),
                                 FeatureLevelRecord{"metadata.version", 2},
                                 FeatureLevelRecord{"x", 1},
                                 TopicRecord{Topic(4), "n"},
                                 PartitionChangeRecord{{Topic(1), 0}, {}, NodeId(2), {}, {}},
                                 PartitionChangeRecord{{Topic(1), 0}, Nodes({1}), {}, {}, {}},
                                 PartitionChangeRecord{{Topic(1), 0}, {}, {}, Nodes({1, 3, 2}), {}},
                                 RemoveTopicRecord{Topic(2)}};
  for (const Record& change : changes) {
    INFO(RecordName(change));
    auto [other, d] = Play(direct, {change});
    CHECK_FALSE(other->digest() == direct->digest());
  }
}

TEST_CASE("a record that contradicts the image is refused") {
  auto [image, ignored] = Play(MetadataImage::Empty(), SmallCluster());
  struct Case {
    const char* name;
    Record record;
  };
  const PartitionId p{Topic(1), 0};
  const Case cases[] = {
      {"topic name in use", TopicRecord{Topic(5), "audit"}},
      {"topic id in use", TopicRecord{Topic(1), "other"}},
      {"topic without name", TopicRecord{Topic(5), ""}},
      {"topic without id", TopicRecord{TopicId(), "other"}},
      {"removing an unknown topic", RemoveTopicRecord{Topic(5)}},
      {"partition of an unknown topic", Partition(5, 0, {1})},
      {"partition that exists", Partition(1, 1, {1})},
      {"partition with a gap", Partition(1, 3, {1})},
      {"partition without replicas", PartitionRecord{{Topic(1), 2}, PartitionInfo{}}},
      {"partition with a replica twice", PartitionRecord{{Topic(1), 2}, PartitionInfo{Nodes({1, 1}), {}}}},
      {"change of an unknown partition", PartitionChangeRecord{{Topic(1), 2}, {}, NodeId(1), {}, {}}},
      {"change of a negative partition", PartitionChangeRecord{{Topic(1), -1}, {}, NodeId(1), {}, {}}},
      {"ISR with a stranger", PartitionChangeRecord{p, Nodes({1, 4}), {}, {}, {}}},
      {"ISR with a member twice", PartitionChangeRecord{p, Nodes({1, 1}), {}, {}, {}}},
      {"leader that is no replica", PartitionChangeRecord{p, {}, NodeId(4), {}, {}}},
      {"leader outside the ISR", PartitionChangeRecord{p, Nodes({2}), NodeId(1), {}, {}}},
      {"unknown broker", UnregisterBrokerRecord{NodeId(9), BrokerEpoch(1)}},
      {"F-B01: another broker epoch", UnregisterBrokerRecord{NodeId(2), BrokerEpoch(1)}},
      {"F-B01: fencing in another epoch", BrokerRegistrationChangeRecord{NodeId(2), BrokerEpoch(3), true, {}}},
      {"F-B01: a former registration", Broker(2, 1)},
      {"feature without a name", FeatureLevelRecord{"", 1}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    ImageBuilder builder(image);
    absl::Status status = builder.Replay(c.record);
    REQUIRE_FALSE(status.ok());
    CHECK(ReasonOf(status) == Reason::kCorruption);
  }
  CHECK(CheckImage(*image).ok());
}

TEST_CASE("more than four replicas work like few") {
  std::vector<Record> records;
  for (int id = 0; id < 32; ++id) records.push_back(Broker(id, id + 1));
  records.push_back(TopicRecord{Topic(1), "wide"});
  PartitionInfo info;
  for (int id = 31; id >= 0; --id) info.replicas.push_back(NodeId(id));
  info.isr = info.replicas;
  info.leader = NodeId(31);
  records.push_back(PartitionRecord{{Topic(1), 0}, info});
  auto [image, ignored] = Play(MetadataImage::Empty(), records);
  REQUIRE(CheckImage(*image).ok());
  CHECK(*image->FindPartition(Topic(1), 0) == info);
  auto [after, delta] = Play(image, {PartitionChangeRecord{{Topic(1), 0}, Nodes({3, 0}), NodeId(0), {}, {}}});
  REQUIRE(CheckImage(*after).ok());
  CHECK(after->FindPartition(Topic(1), 0)->isr == Nodes({3, 0}));
  CHECK(*image->FindPartition(Topic(1), 0) == info);
}

TEST_CASE("I-22: the validator notices a leader that isn't active and an ISR with a fenced member") {
  auto [image, ignored] = Play(MetadataImage::Empty(), SmallCluster());
  auto [led, d1] = Play(image, {BrokerRegistrationChangeRecord{NodeId(1), BrokerEpoch(1), true, {}}});
  CHECK_FALSE(CheckImage(*led).ok());
  auto [leaderless, d2] = Play(image, {PartitionChangeRecord{{Topic(1), 0}, {}, kNoNode, {}, {}}});
  CHECK_FALSE(CheckImage(*leaderless).ok());
  HistoryChecker history;
  CHECK(history.Observe(image, Play(MetadataImage::Empty(), SmallCluster()).delta).ok());
  MetadataDelta silent;
  auto [changed, d3] = Play(image, {PartitionChangeRecord{{Topic(1), 0}, Nodes({1, 2}), {}, {}, {}}});
  CHECK_FALSE(HistoryChecker(history).Observe(changed, silent).ok());
  CHECK(HistoryChecker(history).Observe(changed, d3).ok());
  auto [same_leader, d4] = Play(image, {PartitionChangeRecord{{Topic(1), 0}, {}, NodeId(1), {}, {}}});
  CHECK_FALSE(HistoryChecker(history).Observe(same_leader, d4).ok());
}

}  // namespace
}  // namespace quorate::metadata
