// File: controller/requests.h
//
// What the controller is asked and what it answers, as plain values. Field for field they are Kafka's
// requests of the same names (BrokerRegistration, BrokerHeartbeat, UnregisterBroker, AlterPartition,
// CreateTopics, DeleteTopics); the node maps them from and to its messages.
#ifndef QUORATE_CONTROLLER_REQUESTS_H_
#define QUORATE_CONTROLLER_REQUESTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "metadata/records.h"
#include "quorate/environment.h"
#include "quorate/metadata.h"
#include "quorate/types.h"

namespace quorate::controller {

// The moment of a request.
struct RequestContext {
  Instant now;
  Offset next_offset;  // the offset that the first record of the decision will get
  absl::Time wall_now;
};

// What the controller decided.
template <typename Response>
struct Decision {
  // For the log, in this order, at consecutive offsets from RequestContext::next_offset on. Empty when
  // nothing is to change.
  std::vector<metadata::Record> records;
  // True: in one batch or not at all. False: in one batch if there are no more than
  // limits::kRecordsPerOperationMax; else in several, because each record leaves a legal image (F-B07).
  bool atomic = true;
  // For the caller, once all these records, and all earlier ones of this controller, are committed.
  Response response;
};

struct BrokerRegistrationRequest {
  NodeId broker = kNoNode;
  ClusterId cluster;
  IncarnationId incarnation;  // new in each start of the process
  std::vector<BrokerEndpoint> endpoints;
  std::vector<FeatureRange> features;  // must name metadata.version
  std::vector<DirectoryId> log_dirs;   // may be empty: a broker without data of its own
  std::optional<std::string> rack;
  // The epoch that ended in a clean shutdown, if the broker can prove one. An answer without eligible
  // leader replicas (KIP-966) doesn't depend on it: every new incarnation leaves the ISRs, and a last
  // member stays.
  BrokerEpoch previous_epoch = kNoBrokerEpoch;
};
struct BrokerRegistrationResponse {
  BrokerEpoch epoch = kNoBrokerEpoch;
};

struct BrokerHeartbeatRequest {
  NodeId broker = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;
  Offset current_metadata_offset = kNoOffset;  // of the last record that the broker has applied
  bool want_fence = false;
  bool want_shut_down = false;
};
struct BrokerHeartbeatResponse {
  bool is_caught_up = false;  // has applied its own registration
  bool is_fenced = true;
  bool should_shut_down = false;
  friend bool operator==(const BrokerHeartbeatResponse&, const BrokerHeartbeatResponse&) = default;
};

struct UnregisterBrokerRequest {
  NodeId broker = kNoNode;
};
struct UnregisterBrokerResponse {};

struct IsrMember {
  NodeId broker = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;  // kNoBrokerEpoch: not checked
};
struct AlterPartitionRequest {
  struct Partition {
    PartitionId id;
    int32_t leader_epoch = -1;
    std::vector<IsrMember> new_isr;
    LeaderRecoveryState recovery = LeaderRecoveryState::kRecovered;
    int32_t partition_epoch = -1;
  };
  NodeId broker = kNoNode;  // who leads the partitions
  BrokerEpoch epoch = kNoBrokerEpoch;
  std::vector<Partition> partitions;
};
struct AlterPartitionResponse {
  struct Partition {
    PartitionId id;
    absl::Status status;
    PartitionInfo info;  // as it is now; only with an OK status
  };
  Epoch controller_epoch;             // lets the caller tell a stale controller from its own staleness (F-B05)
  std::vector<Partition> partitions;  // one for each of the request, in its order
};

struct CreateTopicsRequest {
  struct Assignment {
    int32_t partition = -1;
    ReplicaList brokers;
  };
  struct Topic {
    std::string name;
    int32_t partitions = -1;                   // -1: the controller's default
    int32_t replication_factor = -1;           // -1: the controller's default
    std::vector<Assignment> assignments = {};  // given: the two above must be -1
  };
  std::vector<Topic> topics;
  bool validate_only = false;
};
struct CreateTopicsResponse {
  struct Topic {
    std::string name;
    absl::Status status;
    TopicId id;  // zero when only validated
    int32_t partitions = -1;
    int32_t replication_factor = -1;
  };
  std::vector<Topic> topics;  // one for each of the request, in its order
};

struct DeleteTopicsRequest {
  struct Topic {  // exactly one of both
    std::optional<std::string> name = {};
    std::optional<TopicId> id = {};
  };
  std::vector<Topic> topics;
};
struct DeleteTopicsResponse {
  struct Topic {
    std::string name;  // empty when asked by an id that is unknown
    TopicId id;        // zero when asked by a name that is unknown
    absl::Status status;
  };
  std::vector<Topic> topics;
};

struct TickResponse {
  std::vector<NodeId> fenced;  // whose sessions ended, in that order
};

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_REQUESTS_H_
