#include "controller/topics.h"

#include <string>
#include <vector>

#include "controller/cluster.h"
#include "controller/errors.h"
#include "controller/topic_name.h"
#include "quorate/limits.h"

namespace quorate::controller {
namespace {

using Topic = CreateTopicsRequest::Topic;

TEST_CASE("which names are allowed") {
  for (const char* name : {"a", "email.send", "A-Z_09", "...", "__consumer_offsets"}) CHECK(CheckTopicName(name).ok());
  CHECK(CheckTopicName(std::string(249, 'x')).ok());
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a b"),
                                  std::string("\xc3\xa4"), std::string("a\0b", 3), std::string(250, 'x')}) {
    INFO(name);
    CHECK(KafkaErrorOf(CheckTopicName(name)) == kInvalidTopicException);
  }
}

TEST_CASE("a topic gets replicas, ISR, leader and epochs") {
  Cluster cluster;
  cluster.Start({1, 2, 3});
  auto created = cluster.Create({"email.send", 4, 3});
  REQUIRE(created.status.ok());
  CHECK(created.partitions == 4);
  CHECK(created.replication_factor == 3);
  CHECK(cluster.image()->FindTopic("email.send")->id == created.id);
  for (int p = 0; p < 4; ++p) {
    const PartitionInfo info = cluster.At({created.id, p});
    CHECK(info.replicas.size() == 3);
    CHECK(info.isr == info.replicas);
    CHECK(info.leader == info.replicas.front());
    CHECK(info.leader_epoch == 0);
    CHECK(info.partition_epoch == 0);
  }
  auto defaults = cluster.Create({"defaults"});
  REQUIRE(defaults.status.ok());
  CHECK(defaults.partitions == 1);
  CHECK(defaults.replication_factor == 1);
  auto manual = cluster.Create({"manual", -1, -1, {{1, Nodes({3, 1})}, {0, Nodes({2, 3})}}});
  REQUIRE(manual.status.ok());
  CHECK(cluster.At({manual.id, 0}).replicas == Nodes({2, 3}));
  CHECK(cluster.At({manual.id, 1}).leader == NodeId(3));
}

TEST_CASE("a fenced replica is no ISR member, and never leads") {
  Cluster cluster;
  cluster.Start({1, 2, 3});
  cluster.Fence(2);
  auto created = cluster.Create({"t", 6, 3});
  REQUIRE(created.status.ok());
  for (int p = 0; p < 6; ++p) {
    const PartitionInfo info = cluster.At({created.id, p});
    CHECK(info.HasReplica(NodeId(2)));
    CHECK_FALSE(info.InIsr(NodeId(2)));
    CHECK(info.isr.size() == 2);
    CHECK(info.leader != NodeId(2));
  }
}

TEST_CASE("what is refused, with Kafka's error") {
  Cluster cluster;
  cluster.Start({1, 2, 3});
  cluster.Register(4);  // stays fenced
  REQUIRE(cluster.Create({"taken.name", 1, 1}).status.ok());
  struct Case {
    const char* name;
    Topic topic;
    int16_t error;
  };
  const Case cases[] = {
      {"empty name", {""}, kInvalidTopicException},
      {"bad character", {"a/b"}, kInvalidTopicException},
      {"collision", {"taken_name"}, kInvalidTopicException},
      {"exists", {"taken.name"}, kTopicAlreadyExists},
      {"exists, with a bad partition count", {"taken.name", 0, 1}, kTopicAlreadyExists},
      {"internal name", {"__cluster_metadata"}, kInvalidRequest},
      {"assignments and partitions", {"t", 1, -1, {{0, Nodes({1})}}}, kInvalidRequest},
      {"assignments and a replication factor", {"t", -1, 1, {{0, Nodes({1})}}}, kInvalidRequest},
      {"partition twice", {"t", -1, -1, {{0, Nodes({1})}, {0, Nodes({2})}}}, kInvalidReplicaAssignment},
      {"partition missing", {"t", -1, -1, {{0, Nodes({1})}, {2, Nodes({2})}}}, kInvalidReplicaAssignment},
      {"not from 0", {"t", -1, -1, {{1, Nodes({1})}}}, kInvalidReplicaAssignment},
      {"negative partition", {"t", -1, -1, {{-1, Nodes({1})}}}, kInvalidReplicaAssignment},
      {"no replica", {"t", -1, -1, {{0, {}}}}, kInvalidReplicaAssignment},
      {"unknown broker", {"t", -1, -1, {{0, Nodes({1, 9})}}}, kInvalidReplicaAssignment},
      {"fenced broker", {"t", -1, -1, {{0, Nodes({1, 4})}}}, kInvalidReplicaAssignment},
      {"broker twice", {"t", -1, -1, {{0, Nodes({1, 1})}}}, kInvalidReplicaAssignment},
      {"uneven assignment", {"t", -1, -1, {{0, Nodes({1, 2})}, {1, Nodes({1})}}}, kInvalidReplicaAssignment},
      {"replication factor 0", {"t", 1, 0}, kInvalidReplicationFactor},
      {"replication factor -2", {"t", 1, -2}, kInvalidReplicationFactor},
      {"replication factor before partitions", {"t", 0, 0}, kInvalidReplicationFactor},
      {"replication factor over the brokers", {"t", 1, 5}, kInvalidReplicationFactor},
      {"replication factor over the limit", {"t", 1, 33}, kInvalidReplicationFactor},
      {"replication factor of 2^31-1", {"t", 1, INT32_MAX}, kInvalidReplicationFactor},
      {"no partitions", {"t", 0, 1}, kInvalidPartitions},
      {"partitions -2", {"t", -2, 1}, kInvalidPartitions},
      {"partitions over the limit", {"t", limits::kPartitionsPerTopicMax + 1, 1}, kInvalidPartitions},
      {"2^31-1 partitions", {"t", INT32_MAX, 1}, kInvalidPartitions},
  };
  const size_t logged = cluster.log().size();
  for (const Case& c : cases) {
    INFO(c.name);
    auto refused = cluster.Create(c.topic);
    CHECK(refused.name == c.topic.name);
    CHECK(KafkaErrorOf(refused.status) == c.error);
    CHECK(OutcomeOf(refused.status) == Outcome::kNotApplied);
  }
  CHECK(cluster.log().size() == logged);
}

TEST_CASE("topics of one request succeed and fail one by one, and see each other") {
  Cluster cluster;
  cluster.Start({1});
  auto response = cluster.Take(cluster.controller().CreateTopics(
      {{{"good", 1, 1}, {"bad name", 1, 1}, {"twice", 1, 1}, {"a.b", 1, 1}, {"a_b", 1, 1}, {"twice", 1, 1}}, false},
      cluster.ctx()));
  REQUIRE(response.ok());
  std::vector<int> errors;
  for (const auto& topic : response->topics) errors.push_back(topic.status.ok() ? 0 : KafkaErrorOf(topic.status));
  CHECK(errors ==
        std::vector<int>{0, kInvalidTopicException, kInvalidRequest, 0, kInvalidTopicException, kInvalidRequest});
  CHECK(cluster.image()->topic_count() == 2);
}

TEST_CASE("validate only answers and writes nothing") {
  Cluster cluster;
  cluster.Start({1, 2});
  auto decision = cluster.controller().CreateTopics({{{"t", 3, 2}, {"u", 1, 3}}, true}, cluster.ctx());
  REQUIRE(decision.ok());
  CHECK(decision->records.empty());
  CHECK(decision->response.topics[0].status.ok());
  CHECK(decision->response.topics[0].partitions == 3);
  CHECK(decision->response.topics[0].id.is_zero());
  CHECK(KafkaErrorOf(decision->response.topics[1].status) == kInvalidReplicationFactor);
  CHECK_FALSE(cluster.controller().uncommitted()->FindTopic("t"));
}

TEST_CASE("one request is bounded at 10,000 records") {
  Cluster cluster;
  cluster.Start({1});
  auto over = cluster.controller().CreateTopics({{{"t", 10'000, 1}}, false}, cluster.ctx());
  REQUIRE_FALSE(over.ok());
  CHECK(KafkaErrorOf(over.status()) == kPolicyViolation);
  CHECK(over.status().message() == "Unable to perform excessively large batch operation.");
  auto together = cluster.controller().CreateTopics({{{"t", 5000, 1}, {"u", 4999, 1}}, false}, cluster.ctx());
  CHECK(KafkaErrorOf(together.status()) == kPolicyViolation);
  auto fits = cluster.controller().CreateTopics({{{"t", 5000, 1}, {"u", 4998, 1}}, false}, cluster.ctx());
  REQUIRE(fits.ok());
  CHECK(fits->records.size() == 10'000);
  CHECK(fits->atomic);
}

TEST_CASE("deleting by name and by id") {
  Cluster cluster;
  cluster.Start({1, 2});
  const TopicId a = cluster.Create({"a", 2, 2}).id;
  const TopicId b = cluster.Create({"b", 1, 1}).id;
  cluster.Create({"c", 1, 1});
  using Ref = DeleteTopicsRequest::Topic;
  const TopicId unknown(Uuid(1, 12345));
  auto response = cluster.Take(cluster.controller().DeleteTopics(
      {{Ref{"a", {}}, Ref{{}, b}, Ref{"nope", {}}, Ref{{}, unknown}, Ref{{}, {}}, Ref{"c", b}, Ref{{}, a}}},
      cluster.ctx()));
  REQUIRE(response.ok());
  std::vector<int> errors;
  for (const auto& topic : response->topics) errors.push_back(topic.status.ok() ? 0 : KafkaErrorOf(topic.status));
  CHECK(errors == std::vector<int>{0, 0, kUnknownTopicOrPartition, kUnknownTopicId, kInvalidRequest, kInvalidRequest,
                                   kInvalidRequest});
  CHECK(response->topics[1].name == "b");
  CHECK(cluster.image()->topic_count() == 1);
  CHECK(cluster.image()->partition_count() == 1);
  auto again = cluster.Create({"a", 1, 1});
  REQUIRE(again.status.ok());
  CHECK(again.id != a);
}

TEST_CASE("deleting can be forbidden") {
  ControllerConfig config = TestConfig();
  config.delete_topic_enable = false;
  Cluster cluster(config);
  auto refused = cluster.controller().DeleteTopics({{DeleteTopicsRequest::Topic{"a", {}}}}, cluster.ctx());
  CHECK(KafkaErrorOf(refused.status()) == kTopicDeletionDisabled);
}

}  // namespace
}  // namespace quorate::controller
