// File: node/admin_codec.h
//
// The admin service's messages (proto/quorate/v1/admin.proto), to bytes and back. Servers and the admin client
// both use it, so that what one writes the other reads. Decoders of requests check counts and lengths (limits.h).
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_ADMIN_CODEC_H_
#define QUORATE_NODE_ADMIN_CODEC_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "controller/requests.h"
#include "quorate/admin_client.h"
#include "quorate/metadata.h"
#include "quorate/quorum_node.h"

namespace quorate::node {

// ---- Requests --------------------------------------------------------------------------------------
// Serialized requests are marked as forwarded by the forwarder; IsForwarded looks.

std::string EncodeCreateTopics(const std::vector<NewTopic>& topics, bool validate_only);
absl::StatusOr<controller::CreateTopicsRequest> DecodeCreateTopics(absl::string_view bytes, bool* forwarded);

std::string EncodeDeleteTopics(const std::vector<std::string>& names);
absl::StatusOr<controller::DeleteTopicsRequest> DecodeDeleteTopics(absl::string_view bytes, bool* forwarded);

struct DescribeTopicsCall {
  std::optional<std::vector<std::string>> names;  // nullopt: all, after `after`
  std::string after;
};
std::string EncodeDescribeTopics(const DescribeTopicsCall& call);
absl::StatusOr<DescribeTopicsCall> DecodeDescribeTopics(absl::string_view bytes);

// ListTopics, DescribeCluster: requests without a field.
absl::Status CheckListTopics(absl::string_view bytes);
absl::Status CheckDescribeCluster(absl::string_view bytes);
absl::Status DecodeDescribeQuorum(absl::string_view bytes, bool* forwarded);

struct AddControllerCall {
  Voter voter;  // its key and endpoints
  bool dry_run = false;
};
std::string EncodeAddController(const AddControllerCall& call);
absl::StatusOr<AddControllerCall> DecodeAddController(absl::string_view bytes, bool* forwarded);

struct RemoveControllerCall {
  ReplicaKey key;
  bool dry_run = false;
};
std::string EncodeRemoveController(const RemoveControllerCall& call);
absl::StatusOr<RemoveControllerCall> DecodeRemoveController(absl::string_view bytes, bool* forwarded);

struct TransferLeadershipCall {
  std::optional<NodeId> to;
};
std::string EncodeTransferLeadership(const TransferLeadershipCall& call);
absl::StatusOr<TransferLeadershipCall> DecodeTransferLeadership(absl::string_view bytes, bool* forwarded);

// ---- Answers ---------------------------------------------------------------------------------------

std::string EncodeCreated(const controller::CreateTopicsResponse& response);
// `asked`: names as in the request, which an answer for an unknown topic repeats.
std::string EncodeDeleted(const controller::DeleteTopicsResponse& response, const std::vector<std::string>& asked);
absl::StatusOr<std::vector<TopicResult>> DecodeTopicResults(absl::string_view bytes);  // of either

std::string EncodeTopicNames(const MetadataImage& image, bool stale);
absl::StatusOr<TopicList> DecodeTopicNames(absl::string_view bytes);

// As many topics as fit into one answer.
std::string EncodeTopics(const MetadataImage& image, const DescribeTopicsCall& call, bool stale);
struct TopicsPage {
  std::vector<TopicDescription> topics;
  std::string continue_after;  // empty: complete
};
absl::StatusOr<TopicsPage> DecodeTopics(absl::string_view bytes);

std::string EncodeCluster(const MetadataImage& image, const ClusterId& cluster, NodeId controller, bool stale);
absl::StatusOr<ClusterDescription> DecodeCluster(absl::string_view bytes);

std::string EncodeQuorum(const QuorumDescription& quorum);
absl::StatusOr<QuorumDescription> DecodeQuorum(absl::string_view bytes);

// Of the three changes of the quorum: they have no answer but their status.
absl::Status DecodeNothing(absl::string_view bytes);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_CODEC_H_
