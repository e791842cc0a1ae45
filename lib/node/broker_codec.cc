#include "node/broker_codec.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "node/strict_parse.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/broker.pb.h"

namespace quorate::node {
namespace {

constexpr int kLogDirsMax = 64;
constexpr int kFeaturesMax = 64;
constexpr int kUnknownServerError = -1;

absl::Status Invalid(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

void ToWire(const Uuid& uuid, v1::WireId* out) {
  out->set_high(uuid.high());
  out->set_low(uuid.low());
}
Uuid FromWire(const v1::WireId& id) { return Uuid(id.high(), id.low()); }

// 0 stands for "none" on the wire, because it is what an absent number reads as; real epochs are offsets > 0
// (the first record of a log is the quorum's own).
int64_t EpochToWire(BrokerEpoch epoch) { return epoch == kNoBrokerEpoch ? 0 : epoch.value(); }
BrokerEpoch EpochFromWire(int64_t epoch) { return epoch <= 0 ? kNoBrokerEpoch : BrokerEpoch(epoch); }

absl::StatusOr<BrokerEndpoint> EndpointFromWire(const v1::BrokerListener& listener) {
  if (listener.port() > 65535 || listener.host().size() > limits::kHostNameBytesMax ||
      listener.name().size() > limits::kListenerNameBytesMax) {
    return Invalid(absl::StrCat("the listener '", listener.name().substr(0, limits::kListenerNameBytesMax),
                                "' has a name, host or port that is too large"));
  }
  if (listener.security_protocol() < 0 || listener.security_protocol() > 3) {
    return Invalid(absl::StrCat("the security protocol ", listener.security_protocol(), " doesn't exist (0 to 3)"));
  }
  BrokerEndpoint endpoint;
  endpoint.address = Endpoint{listener.name(), listener.host(), static_cast<uint16_t>(listener.port())};
  endpoint.security = static_cast<SecurityProtocol>(listener.security_protocol());
  return endpoint;
}

absl::Status CheckBrokerId(bool is_present, int32_t id) {
  if (!is_present || id < 0) return Invalid("broker_id must be given, and be 0 or more");
  return absl::OkStatus();
}

bool FitsInt16(int32_t value) { return value >= INT16_MIN && value <= INT16_MAX; }

}  // namespace

// ---- Registration ----------------------------------------------------------------------------------

std::string EncodeRegistration(const broker::Registration& registration) {
  v1::RegisterBrokerRequest out;
  out.set_broker_id(registration.broker.value());
  ToWire(registration.cluster_id.value(), out.mutable_cluster_id());
  ToWire(registration.incarnation.value(), out.mutable_incarnation_id());
  for (const BrokerEndpoint& endpoint : registration.endpoints) {
    v1::BrokerListener* listener = out.add_listeners();
    listener->set_name(endpoint.address.listener);
    listener->set_host(endpoint.address.host);
    listener->set_port(endpoint.address.port);
    listener->set_security_protocol(static_cast<int32_t>(endpoint.security));
  }
  for (const FeatureRange& feature : registration.features) {
    v1::SupportedFeature* supported = out.add_features();
    supported->set_name(feature.name);
    supported->set_min(feature.min);
    supported->set_max(feature.max);
  }
  for (const DirectoryId& directory : registration.log_dirs) ToWire(directory.value(), out.add_log_dirs());
  out.set_rack(registration.rack.value_or(""));
  return out.SerializeAsString();
}

absl::StatusOr<controller::BrokerRegistrationRequest> DecodeRegistration(absl::string_view bytes) {
  v1::RegisterBrokerRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (absl::Status bad = CheckBrokerId(in.has_broker_id(), in.broker_id()); !bad.ok()) return bad;
  if (!in.has_cluster_id()) return Invalid("cluster_id must be given");
  if (!in.has_incarnation_id()) return Invalid("incarnation_id must be given");
  if (in.listeners_size() > static_cast<int>(limits::kEndpointsMax) || in.features_size() > kFeaturesMax ||
      in.log_dirs_size() > kLogDirsMax || in.rack().size() > limits::kHostNameBytesMax) {
    return Invalid(absl::StrCat("a broker has at most ", limits::kEndpointsMax, " listeners, ", kFeaturesMax,
                                " features, ", kLogDirsMax, " directories and ", limits::kHostNameBytesMax,
                                " bytes of rack"));
  }
  controller::BrokerRegistrationRequest request;
  request.broker = NodeId(in.broker_id());
  request.cluster = ClusterId(FromWire(in.cluster_id()));
  request.incarnation = IncarnationId(FromWire(in.incarnation_id()));
  for (const v1::BrokerListener& listener : in.listeners()) {
    absl::StatusOr<BrokerEndpoint> endpoint = EndpointFromWire(listener);
    if (!endpoint.ok()) return endpoint.status();
    request.endpoints.push_back(*std::move(endpoint));
  }
  for (const v1::SupportedFeature& feature : in.features()) {
    if (!FitsInt16(feature.min()) || !FitsInt16(feature.max()) || feature.name().size() > limits::kTopicNameBytesMax) {
      return Invalid("a feature's levels must fit into 16 bits, and its name into 249 bytes");
    }
    request.features.push_back(
        {feature.name(), static_cast<int16_t>(feature.min()), static_cast<int16_t>(feature.max())});
  }
  for (const v1::WireId& directory : in.log_dirs()) request.log_dirs.push_back(DirectoryId(FromWire(directory)));
  if (!in.rack().empty()) request.rack = in.rack();
  request.previous_epoch = EpochFromWire(in.previous_broker_epoch());
  return request;
}

std::string EncodeRegistered(const controller::BrokerRegistrationResponse& response) {
  v1::RegisterBrokerResponse out;
  out.set_broker_epoch(response.epoch.value());
  return out.SerializeAsString();
}

absl::StatusOr<BrokerEpoch> DecodeRegistered(absl::string_view bytes) {
  v1::RegisterBrokerResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (!in.has_broker_epoch() || in.broker_epoch() < 0) return Invalid("the controller sent no broker epoch");
  return BrokerEpoch(in.broker_epoch());
}

// ---- Heartbeat -------------------------------------------------------------------------------------

std::string EncodeHeartbeat(const broker::Heartbeat& heartbeat) {
  v1::BrokerHeartbeatRequest out;
  out.set_broker_id(heartbeat.broker.value());
  out.set_broker_epoch(heartbeat.epoch.value());
  out.set_metadata_end(heartbeat.metadata_end.value());
  out.set_want_fence(heartbeat.want_fence);
  out.set_want_shutdown(heartbeat.want_shutdown);
  return out.SerializeAsString();
}

absl::StatusOr<controller::BrokerHeartbeatRequest> DecodeHeartbeat(absl::string_view bytes) {
  v1::BrokerHeartbeatRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (absl::Status bad = CheckBrokerId(in.has_broker_id(), in.broker_id()); !bad.ok()) return bad;
  if (!in.has_broker_epoch() || in.broker_epoch() < 0) return Invalid("broker_epoch must be given, and be 0 or more");
  if (!in.has_metadata_end() || in.metadata_end() < 0) return Invalid("metadata_end must be given, and be 0 or more");
  controller::BrokerHeartbeatRequest request;
  request.broker = NodeId(in.broker_id());
  request.epoch = BrokerEpoch(in.broker_epoch());
  request.current_metadata_offset = Offset(in.metadata_end() - 1);
  request.want_fence = in.want_fence();
  request.want_shut_down = in.want_shutdown();
  return request;
}

std::string EncodeHeartbeatReply(const controller::BrokerHeartbeatResponse& response) {
  v1::BrokerHeartbeatResponse out;
  out.set_is_caught_up(response.is_caught_up);
  out.set_is_fenced(response.is_fenced);
  out.set_should_shut_down(response.should_shut_down);
  return out.SerializeAsString();
}

absl::StatusOr<broker::HeartbeatReply> DecodeHeartbeatReply(absl::string_view bytes) {
  v1::BrokerHeartbeatResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  return broker::HeartbeatReply{in.is_caught_up(), in.is_fenced(), in.should_shut_down()};
}

// ---- ISR changes -----------------------------------------------------------------------------------

std::string EncodeIsrChanges(const broker::IsrChangeRequest& request) {
  v1::AlterPartitionRequest out;
  out.set_broker_id(request.broker.value());
  out.set_broker_epoch(request.epoch.value());
  for (const broker::IsrChange& change : request.changes) {
    v1::PartitionToAlter* partition = out.add_partitions();
    ToWire(change.id.topic.value(), partition->mutable_topic_id());
    partition->set_partition(change.id.partition);
    partition->set_leader_epoch(change.leader_epoch);
    partition->set_partition_epoch(change.partition_epoch);
    partition->set_leader_recovery_state(static_cast<int32_t>(change.recovery));
    for (const broker::IsrChange::Member& member : change.isr) {
      v1::IsrMember* to = partition->add_isr();
      to->set_broker_id(member.broker.value());
      to->set_broker_epoch(EpochToWire(member.epoch));
    }
  }
  return out.SerializeAsString();
}

absl::StatusOr<controller::AlterPartitionRequest> DecodeIsrChanges(absl::string_view bytes) {
  v1::AlterPartitionRequest in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  if (absl::Status bad = CheckBrokerId(in.has_broker_id(), in.broker_id()); !bad.ok()) return bad;
  if (!in.has_broker_epoch() || in.broker_epoch() < 0) return Invalid("broker_epoch must be given, and be 0 or more");
  if (in.partitions_size() > static_cast<int>(limits::kRecordsPerOperationMax)) {
    return Invalid(absl::StrCat("one request changes at most ", limits::kRecordsPerOperationMax, " partitions, not ",
                                in.partitions_size()));
  }
  controller::AlterPartitionRequest request;
  request.broker = NodeId(in.broker_id());
  request.epoch = BrokerEpoch(in.broker_epoch());
  for (const v1::PartitionToAlter& partition : in.partitions()) {
    if (!partition.has_topic_id() || !partition.has_partition() || !partition.has_leader_epoch() ||
        !partition.has_partition_epoch()) {
      return Invalid("each partition needs topic_id, partition, leader_epoch and partition_epoch");
    }
    if (partition.leader_recovery_state() < 0 || partition.leader_recovery_state() > 1) {
      return Invalid(
          absl::StrCat("leader_recovery_state ", partition.leader_recovery_state(), " doesn't exist (0, 1)"));
    }
    controller::AlterPartitionRequest::Partition to;
    to.id = {TopicId(FromWire(partition.topic_id())), partition.partition()};
    to.leader_epoch = partition.leader_epoch();
    to.partition_epoch = partition.partition_epoch();
    to.recovery = static_cast<LeaderRecoveryState>(partition.leader_recovery_state());
    for (const v1::IsrMember& member : partition.isr()) {
      if (absl::Status bad = CheckBrokerId(member.has_broker_id(), member.broker_id()); !bad.ok()) return bad;
      to.new_isr.push_back({NodeId(member.broker_id()), EpochFromWire(member.broker_epoch())});
    }
    request.partitions.push_back(std::move(to));
  }
  return request;
}

std::string EncodeIsrOutcomes(const controller::AlterPartitionResponse& response) {
  v1::AlterPartitionResponse out;
  out.set_controller_epoch(response.controller_epoch.value());
  for (const controller::AlterPartitionResponse::Partition& partition : response.partitions) {
    v1::AlteredPartition* to = out.add_partitions();
    ToWire(partition.id.topic.value(), to->mutable_topic_id());
    to->set_partition(partition.id.partition);
    if (!partition.status.ok()) {
      const int16_t error = KafkaErrorOf(partition.status);
      to->set_kafka_error(error == 0 ? kUnknownServerError : error);
      to->set_message(std::string(partition.status.message()));
      continue;
    }
    to->set_leader(partition.info.leader.value());
    to->set_leader_epoch(partition.info.leader_epoch);
    to->set_partition_epoch(partition.info.partition_epoch);
    for (const NodeId member : partition.info.isr) to->add_isr(member.value());
    to->set_leader_recovery_state(static_cast<int32_t>(partition.info.recovery));
  }
  return out.SerializeAsString();
}

absl::StatusOr<broker::IsrChangeReply> DecodeIsrOutcomes(absl::string_view bytes) {
  v1::AlterPartitionResponse in;
  if (absl::Status parsed = ParseStrictly(bytes, &in); !parsed.ok()) return parsed;
  broker::IsrChangeReply reply;
  for (const v1::AlteredPartition& partition : in.partitions()) {
    if (!FitsInt16(partition.kafka_error())) return Invalid("a Kafka error code must fit into 16 bits");
    reply.outcomes.push_back({{TopicId(FromWire(partition.topic_id())), partition.partition()},
                              static_cast<int16_t>(partition.kafka_error()),
                              partition.message()});
  }
  return reply;
}

}  // namespace quorate::node
