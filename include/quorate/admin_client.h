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
#include <functional>
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
#include "quorate/voter_change.h"

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

// `stale`, here and below: the node that answered can't reach a majority of the controllers, and shows what it knew
// when it last could. What is asked of the active controller (DescribeQuorum, every change) is never stale.
struct TopicList {
  std::vector<std::string> names;
  bool stale = false;
};

struct TopicDescription {
  std::string name;
  Uuid topic_id;
  absl::Status status;  // UNKNOWN_TOPIC_OR_PARTITION (3) for a name that doesn't exist
  int16_t replication_factor = 0;
  std::vector<PartitionDescription> partitions;
  bool stale = false;
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
  bool stale = false;
};

// Of a change of the quorum.
struct QuorumChangeOptions {
  // Positive and finite. An addition takes as long as the newcomer needs to catch up; a few seconds do for the others.
  absl::Duration timeout = absl::Seconds(60);
  // Only say whether it could be done now: OK, or the refusal that it would get. Nothing is changed, nothing awaited.
  bool dry_run = false;
  // Called about twice a second, on the calling thread, with what the leader works on while it does: what is being
  // waited for, and how far the newcomer has got.
  std::function<void(const PendingVoterChange&)> on_progress = nullptr;
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
  virtual absl::StatusOr<TopicList> ListTopics() = 0;
  virtual absl::StatusOr<ClusterDescription> DescribeCluster() = 0;
  virtual absl::StatusOr<QuorumDescription> DescribeQuorum() = 0;

  // ---- The quorum itself (KIP-853; docs/membership.md). Decided by its leader, and repeated through a change of it:
  // a change that is made already is OK. While another change is under way, or the leader is too new to decide, they
  // wait. An error is one of the reasons of docs/status.md, with the leader's sentence.
  // Makes `voter` (key and controller endpoints, the default one first; its node must run and be an observer) a voter,
  // once its endpoints answer and it has caught up. kVoterExists, kVoterRemoved, kNotCaughtUp, kUnreachable,
  // kWrongReplica, kUnsupportedVersion.
  virtual absl::Status AddController(const Voter& voter, const QuorumChangeOptions& options) = 0;
  // Takes a voter out; the directory id says which life of the node is meant. kVoterNotFound, kUnsafeChange.
  virtual absl::Status RemoveController(const ReplicaKey& key, const QuorumChangeOptions& options) = 0;
  // Hands leadership to `to`, or to the voter that is best prepared. OK: another node is known to lead, or `to` does
  // already. kVoterNotFound, kNotCaughtUp, kDeadlineExceeded. options.dry_run must be false.
  virtual absl::Status TransferLeadership(std::optional<NodeId> to, const QuorumChangeOptions& options) = 0;
};

}  // namespace quorate

#endif  // QUORATE_ADMIN_CLIENT_H_
