// File: quorate/admin_client.h
//
// Asks a running cluster, and changes it: what the `quorate` program does, as a library. Any node will do as
// a server: a broker, or a controller that isn't active, passes the request on to the active controller.
//
//   AdminClientOptions options;
//   options.servers = {{"", "localhost", 9092}};
//   auto admin = quorate::AdminClient::Create(options);
//   NewTopic topic{.name = "email.send", .partitions = 1, .replication_factor = 3};
//   auto results = (*admin)->CreateTopics({topic}, false);
//
// Calls block, at most for `timeout`; they try the next server when one can't be reached, and again
// while there is no leader. All are thread-safe. A call's error is about the whole call; what
// happened to each topic is in its result.
#ifndef QUORATE_ADMIN_CLIENT_H_
#define QUORATE_ADMIN_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/quorum_node.h"
#include "quorate/transport.h"
#include "quorate/types.h"

namespace quorate {

struct NewTopic {
  std::string name;
  int32_t partitions = -1;          // -1: the cluster's default (num.partitions)
  int16_t replication_factor = -1;  // -1: the cluster's default (default.replication.factor)
  // Instead of both: the brokers of each partition, the preferred leader first.
  std::vector<std::vector<NodeId>> assignments;
};

struct TopicResult {
  std::string name;
  absl::Status status;  // KafkaErrorOf(status) has Kafka's number
  Uuid topic_id;
  int32_t partitions = 0;
  int16_t replication_factor = 0;
};

struct PartitionDescription {
  int32_t partition = 0;
  NodeId leader = kNoNode;  // kNoNode: nobody leads it
  int32_t leader_epoch = 0;
  int32_t partition_epoch = 0;
  std::vector<NodeId> replicas;  // the preferred leader first
  std::vector<NodeId> isr;
};

struct TopicDescription {
  std::string name;
  Uuid topic_id;
  absl::Status status;  // UNKNOWN_TOPIC_OR_PARTITION (3) for a name that doesn't exist
  int16_t replication_factor = 0;
  std::vector<PartitionDescription> partitions;
};

struct BrokerDescription {
  NodeId id;
  int64_t epoch = 0;
  bool fenced = true;
  bool in_controlled_shutdown = false;
  std::string rack;
  std::vector<Endpoint> endpoints;
};

struct ClusterDescription {
  ClusterId cluster_id;
  NodeId controller = kNoNode;  // the active one
  std::vector<BrokerDescription> brokers;
};

struct AdminClientOptions {
  std::vector<Endpoint> servers;  // tried in turn
  absl::Duration timeout = absl::Seconds(30);
  // null: NewGrpcRpcClient()
  std::unique_ptr<RpcClient> rpc;
};

class AdminClient {
 public:
  static absl::StatusOr<std::unique_ptr<AdminClient>> Create(AdminClientOptions options);
  virtual ~AdminClient() = default;

  virtual absl::StatusOr<std::vector<TopicResult>> CreateTopics(std::vector<NewTopic> topics, bool validate_only) = 0;
  virtual absl::StatusOr<std::vector<TopicResult>> DeleteTopics(std::vector<std::string> names) = 0;
  // All topics when `names` is nullopt.
  virtual absl::StatusOr<std::vector<TopicDescription>> DescribeTopics(
      std::optional<std::vector<std::string>> names) = 0;
  virtual absl::StatusOr<std::vector<std::string>> ListTopics() = 0;
  virtual absl::StatusOr<ClusterDescription> DescribeCluster() = 0;
  virtual absl::StatusOr<QuorumDescription> DescribeQuorum() = 0;
};

}  // namespace quorate

#endif  // QUORATE_ADMIN_CLIENT_H_
