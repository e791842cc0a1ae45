// File: broker/controller_channel.h
//
// What a broker says to the active controller (KIP-631), as an interface: the broker room decides when to speak
// and what an answer means; who the active controller is, how it is reached, and that a request waits for a
// leader while there is none, is the business of who implements this (the node room).
//
// A call's error is about the whole request: KafkaErrorOf(status) has the controller's number when it refused.
//
// Implementations are thread-safe. `done` runs exactly once, on any thread, also inside the call.
#ifndef QUORATE_BROKER_CONTROLLER_CHANNEL_H_
#define QUORATE_BROKER_CONTROLLER_CHANNEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/metadata.h"
#include "quorate/types.h"

namespace quorate::broker {

struct Registration {
  NodeId broker = kNoNode;
  ClusterId cluster_id;
  IncarnationId incarnation;
  std::vector<BrokerEndpoint> endpoints;
  std::vector<FeatureRange> features;
  std::vector<DirectoryId> log_dirs;
  std::optional<std::string> rack;
};

struct Heartbeat {
  NodeId broker = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;
  Offset metadata_end;  // the broker has applied everything below it
  bool want_fence = false;
  bool want_shutdown = false;
};
struct HeartbeatReply {
  bool is_caught_up = false;
  bool is_fenced = true;
  bool should_shut_down = false;
};

struct IsrChange {
  struct Member {
    NodeId broker = kNoNode;
    BrokerEpoch epoch = kNoBrokerEpoch;
  };
  PartitionId id;
  int32_t leader_epoch = 0;     // as the proposer knows them: the controller refuses what is based on
  int32_t partition_epoch = 0;  // an older or a newer state (F-B05)
  LeaderRecoveryState recovery = LeaderRecoveryState::kRecovered;
  std::vector<Member> isr;
};
struct IsrChangeRequest {
  NodeId broker = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;
  std::vector<IsrChange> changes;
};
struct IsrChangeReply {
  struct Outcome {
    PartitionId id;
    int16_t kafka_error = 0;  // 0: the ISR is as proposed
    std::string message;
  };
  std::vector<Outcome> outcomes;  // one for each change, in order
};

template <typename T>
using ChannelDone = absl::AnyInvocable<void(absl::StatusOr<T>) &&>;

class ControllerChannel {
 public:
  virtual ~ControllerChannel() = default;
  virtual void Register(Registration registration, absl::Duration timeout, ChannelDone<BrokerEpoch> done) = 0;
  virtual void SendHeartbeat(Heartbeat heartbeat, absl::Duration timeout, ChannelDone<HeartbeatReply> done) = 0;
  virtual void AlterPartition(IsrChangeRequest request, absl::Duration timeout, ChannelDone<IsrChangeReply> done) = 0;
};

}  // namespace quorate::broker

#endif  // QUORATE_BROKER_CONTROLLER_CHANNEL_H_
