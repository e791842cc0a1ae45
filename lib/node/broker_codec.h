// File: node/broker_codec.h
//
// What brokers and the active controller say to each other (proto/quorate/v1/broker.proto), to bytes and back. The
// broker room's structs are one side, the controller room's the other; neither knows protobuf.
//
// Decoders check everything that can be checked without knowing the cluster: presence, ranges, lengths, counts
// (limits.h). kInvalidArgument says what is wrong.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_BROKER_CODEC_H_
#define QUORATE_NODE_BROKER_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "broker/controller_channel.h"
#include "controller/requests.h"

namespace quorate::node {

std::string EncodeRegistration(const broker::Registration& registration);
absl::StatusOr<controller::BrokerRegistrationRequest> DecodeRegistration(absl::string_view bytes);
std::string EncodeRegistered(const controller::BrokerRegistrationResponse& response);
absl::StatusOr<BrokerEpoch> DecodeRegistered(absl::string_view bytes);

std::string EncodeHeartbeat(const broker::Heartbeat& heartbeat);
absl::StatusOr<controller::BrokerHeartbeatRequest> DecodeHeartbeat(absl::string_view bytes);
std::string EncodeHeartbeatReply(const controller::BrokerHeartbeatResponse& response);
absl::StatusOr<broker::HeartbeatReply> DecodeHeartbeatReply(absl::string_view bytes);

std::string EncodeIsrChanges(const broker::IsrChangeRequest& request);
absl::StatusOr<controller::AlterPartitionRequest> DecodeIsrChanges(absl::string_view bytes);
std::string EncodeIsrOutcomes(const controller::AlterPartitionResponse& response);
absl::StatusOr<broker::IsrChangeReply> DecodeIsrOutcomes(absl::string_view bytes);

}  // namespace quorate::node

#endif  // QUORATE_NODE_BROKER_CODEC_H_
