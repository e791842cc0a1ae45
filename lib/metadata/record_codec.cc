#include "metadata/record_codec.h"

#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "metadata/partition_state.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/v1/records.pb.h"

namespace quorate::metadata {
namespace {

absl::Status Malformed(absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kUnknown,
                   absl::StrCat("A metadata record can't be read: ", what, "."));
}

void Put(const Uuid& from, v1::UuidValue* to) {
  to->set_high(from.high());
  to->set_low(from.low());
}
Uuid Take(const v1::UuidValue& from) { return Uuid(from.high(), from.low()); }

template <typename Repeated>
void PutReplicas(const ReplicaList& from, Repeated* to) {
  to->Reserve(static_cast<int>(from.size()));
  for (NodeId id : from) to->Add(id.value());
}
template <typename Repeated>
absl::Status TakeReplicas(const Repeated& from, ReplicaList* to) {
  if (from.size() > static_cast<int>(limits::kReplicasMax)) {
    return Malformed(absl::StrCat(from.size(), " replicas, where at most ", limits::kReplicasMax, " are allowed"));
  }
  for (int32_t id : from) {
    if (id < 0) return Malformed(absl::StrCat("replica ", id, ", where a node id is 0 or more"));
    to->push_back(NodeId(id));
  }
  return absl::OkStatus();
}

absl::Status TakeNode(int32_t from, NodeId* to) {
  if (from < 0) return Malformed(absl::StrCat("broker id ", from, ", where a node id is 0 or more"));
  *to = NodeId(from);
  return absl::OkStatus();
}
absl::Status TakeLeader(int32_t from, NodeId* to) {
  if (from < -1) return Malformed(absl::StrCat("leader ", from, ", where a node id or -1 is allowed"));
  *to = NodeId(from);
  return absl::OkStatus();
}
absl::Status TakeLevel(int32_t from, int16_t* to) {
  if (from < 0 || from > std::numeric_limits<int16_t>::max()) {
    return Malformed(absl::StrCat("feature level ", from, ", where 0 to 32767 is allowed"));
  }
  *to = static_cast<int16_t>(from);
  return absl::OkStatus();
}
absl::Status TakeRecovery(int32_t from, LeaderRecoveryState* to) {
  if (from != 0 && from != 1)
    return Malformed(absl::StrCat("leader recovery state ", from, ", where 0 or 1 is allowed"));
  *to = static_cast<LeaderRecoveryState>(from);
  return absl::OkStatus();
}

// One pair of functions for each type of record.

void ToProto(const RegisterBrokerRecord& record, v1::Record* out) {
  const BrokerInfo& broker = record.broker;
  v1::RegisterBrokerRecord* to = out->mutable_register_broker();
  to->set_broker_id(broker.id.value());
  to->set_broker_epoch(broker.epoch.value());
  Put(broker.incarnation.value(), to->mutable_incarnation());
  for (const BrokerEndpoint& endpoint : broker.endpoints) {
    v1::BrokerEndpoint* e = to->add_endpoints();
    e->set_listener(endpoint.address.listener);
    e->set_host(endpoint.address.host);
    e->set_port(endpoint.address.port);
    e->set_security_protocol(static_cast<int32_t>(endpoint.security));
  }
  for (const FeatureRange& feature : broker.features) {
    v1::FeatureRange* f = to->add_features();
    f->set_name(feature.name);
    f->set_min(feature.min);
    f->set_max(feature.max);
  }
  for (const DirectoryId& directory : broker.log_dirs) Put(directory.value(), to->add_log_dirs());
  if (broker.rack) to->set_rack(*broker.rack);
  to->set_fenced(broker.fenced);
  to->set_in_controlled_shutdown(broker.in_controlled_shutdown);
}

absl::StatusOr<Record> FromProto(const v1::RegisterBrokerRecord& from) {
  RegisterBrokerRecord record;
  BrokerInfo& broker = record.broker;
  if (absl::Status s = TakeNode(from.broker_id(), &broker.id); !s.ok()) return s;
  broker.epoch = BrokerEpoch(from.broker_epoch());
  broker.incarnation = IncarnationId(Take(from.incarnation()));
  for (const v1::BrokerEndpoint& e : from.endpoints()) {
    if (e.port() > std::numeric_limits<uint16_t>::max()) return Malformed(absl::StrCat("port ", e.port()));
    if (e.security_protocol() < 0 || e.security_protocol() > 3) {
      return Malformed(absl::StrCat("security protocol ", e.security_protocol(), ", where 0 to 3 is allowed"));
    }
    broker.endpoints.push_back({{e.listener(), e.host(), static_cast<uint16_t>(e.port())},
                                static_cast<SecurityProtocol>(e.security_protocol())});
  }
  for (const v1::FeatureRange& f : from.features()) {
    FeatureRange range{f.name()};
    if (absl::Status s = TakeLevel(f.min(), &range.min); !s.ok()) return s;
    if (absl::Status s = TakeLevel(f.max(), &range.max); !s.ok()) return s;
    broker.features.push_back(std::move(range));
  }
  for (const v1::UuidValue& directory : from.log_dirs()) broker.log_dirs.emplace_back(Take(directory));
  if (from.has_rack()) broker.rack = from.rack();
  broker.fenced = from.fenced();
  broker.in_controlled_shutdown = from.in_controlled_shutdown();
  return record;
}

void ToProto(const UnregisterBrokerRecord& record, v1::Record* out) {
  out->mutable_unregister_broker()->set_broker_id(record.broker.value());
  out->mutable_unregister_broker()->set_broker_epoch(record.epoch.value());
}

absl::StatusOr<Record> FromProto(const v1::UnregisterBrokerRecord& from) {
  UnregisterBrokerRecord record;
  if (absl::Status s = TakeNode(from.broker_id(), &record.broker); !s.ok()) return s;
  record.epoch = BrokerEpoch(from.broker_epoch());
  return record;
}

void ToProto(const BrokerRegistrationChangeRecord& record, v1::Record* out) {
  v1::BrokerRegistrationChangeRecord* to = out->mutable_broker_registration_change();
  to->set_broker_id(record.broker.value());
  to->set_broker_epoch(record.epoch.value());
  if (record.fenced) to->set_fenced(*record.fenced);
  if (record.in_controlled_shutdown) to->set_in_controlled_shutdown(*record.in_controlled_shutdown);
}

absl::StatusOr<Record> FromProto(const v1::BrokerRegistrationChangeRecord& from) {
  BrokerRegistrationChangeRecord record;
  if (absl::Status s = TakeNode(from.broker_id(), &record.broker); !s.ok()) return s;
  record.epoch = BrokerEpoch(from.broker_epoch());
  if (from.has_fenced()) record.fenced = from.fenced();
  if (from.has_in_controlled_shutdown()) record.in_controlled_shutdown = from.in_controlled_shutdown();
  return record;
}

void ToProto(const TopicRecord& record, v1::Record* out) {
  Put(record.id.value(), out->mutable_topic()->mutable_topic_id());
  out->mutable_topic()->set_name(record.name);
}

absl::StatusOr<Record> FromProto(const v1::TopicRecord& from) {
  if (from.name().size() > limits::kTopicNameBytesMax) {
    return Malformed(absl::StrCat("a topic name of ", from.name().size(), " bytes"));
  }
  return TopicRecord{TopicId(Take(from.topic_id())), from.name()};
}

void ToProto(const RemoveTopicRecord& record, v1::Record* out) {
  Put(record.id.value(), out->mutable_remove_topic()->mutable_topic_id());
}

absl::StatusOr<Record> FromProto(const v1::RemoveTopicRecord& from) {
  return RemoveTopicRecord{TopicId(Take(from.topic_id()))};
}

void ToProto(const PartitionRecord& record, v1::Record* out) {
  v1::PartitionRecord* to = out->mutable_partition();
  Put(record.id.topic.value(), to->mutable_topic_id());
  to->set_partition(record.id.partition);
  PutReplicas(record.info.replicas, to->mutable_replicas());
  PutReplicas(record.info.isr, to->mutable_isr());
  to->set_leader(record.info.leader.value());
  to->set_leader_epoch(record.info.leader_epoch);
  to->set_partition_epoch(record.info.partition_epoch);
  to->set_leader_recovery_state(static_cast<int32_t>(record.info.recovery));
}

absl::StatusOr<Record> FromProto(const v1::PartitionRecord& from) {
  PartitionRecord record;
  record.id = {TopicId(Take(from.topic_id())), from.partition()};
  if (absl::Status s = TakeReplicas(from.replicas(), &record.info.replicas); !s.ok()) return s;
  if (absl::Status s = TakeReplicas(from.isr(), &record.info.isr); !s.ok()) return s;
  if (absl::Status s = TakeLeader(from.leader(), &record.info.leader); !s.ok()) return s;
  if (absl::Status s = TakeRecovery(from.leader_recovery_state(), &record.info.recovery); !s.ok()) return s;
  record.info.leader_epoch = from.leader_epoch();
  record.info.partition_epoch = from.partition_epoch();
  return record;
}

void ToProto(const PartitionChangeRecord& record, v1::Record* out) {
  v1::PartitionChangeRecord* to = out->mutable_partition_change();
  Put(record.id.topic.value(), to->mutable_topic_id());
  to->set_partition(record.id.partition);
  if (record.isr) PutReplicas(*record.isr, to->mutable_isr()->mutable_ids());
  if (record.leader) to->set_leader(record.leader->value());
  if (record.replicas) PutReplicas(*record.replicas, to->mutable_replicas()->mutable_ids());
  if (record.recovery) to->set_leader_recovery_state(static_cast<int32_t>(*record.recovery));
}

absl::StatusOr<Record> FromProto(const v1::PartitionChangeRecord& from) {
  PartitionChangeRecord record;
  record.id = {TopicId(Take(from.topic_id())), from.partition()};
  if (from.has_isr()) {
    if (absl::Status s = TakeReplicas(from.isr().ids(), &record.isr.emplace()); !s.ok()) return s;
  }
  if (from.has_leader()) {
    if (absl::Status s = TakeLeader(from.leader(), &record.leader.emplace()); !s.ok()) return s;
  }
  if (from.has_replicas()) {
    if (absl::Status s = TakeReplicas(from.replicas().ids(), &record.replicas.emplace()); !s.ok()) return s;
  }
  if (from.has_leader_recovery_state()) {
    if (absl::Status s = TakeRecovery(from.leader_recovery_state(), &record.recovery.emplace()); !s.ok()) return s;
  }
  return record;
}

void ToProto(const FeatureLevelRecord& record, v1::Record* out) {
  out->mutable_feature_level()->set_name(record.name);
  out->mutable_feature_level()->set_level(record.level);
}

absl::StatusOr<Record> FromProto(const v1::FeatureLevelRecord& from) {
  FeatureLevelRecord record{from.name()};
  if (absl::Status s = TakeLevel(from.level(), &record.level); !s.ok()) return s;
  return record;
}

void ToProto(const NoOpRecord&, v1::Record* out) { out->mutable_no_op(); }

absl::StatusOr<Record> FromProto(const v1::Record& from) {
  switch (from.value_case()) {
    case v1::Record::kRegisterBroker:
      return FromProto(from.register_broker());
    case v1::Record::kUnregisterBroker:
      return FromProto(from.unregister_broker());
    case v1::Record::kBrokerRegistrationChange:
      return FromProto(from.broker_registration_change());
    case v1::Record::kTopic:
      return FromProto(from.topic());
    case v1::Record::kRemoveTopic:
      return FromProto(from.remove_topic());
    case v1::Record::kPartition:
      return FromProto(from.partition());
    case v1::Record::kPartitionChange:
      return FromProto(from.partition_change());
    case v1::Record::kFeatureLevel:
      return FromProto(from.feature_level());
    case v1::Record::kNoOp:
      return NoOpRecord{};
    case v1::Record::VALUE_NOT_SET:
      break;
  }
  return Malformed("its type is none that this version knows");
}

}  // namespace

absl::string_view RecordName(const Record& record) {
  static constexpr absl::string_view kNames[] = {
      "RegisterBrokerRecord",  "UnregisterBrokerRecord", "BrokerRegistrationChangeRecord",
      "TopicRecord",           "RemoveTopicRecord",      "PartitionRecord",
      "PartitionChangeRecord", "FeatureLevelRecord",     "NoOpRecord"};
  static_assert(std::size(kNames) == std::variant_size_v<Record>);
  return kNames[record.index()];
}

std::string EncodeRecord(const Record& record) {
  v1::Record message;
  std::visit([&message](const auto& r) { ToProto(r, &message); }, record);
  std::string bytes(1, static_cast<char>(kRecordFrameVersion));
  message.AppendToString(&bytes);
  return bytes;
}

absl::StatusOr<Record> DecodeRecord(absl::string_view bytes) {
  if (bytes.empty()) return Malformed("it is empty");
  const uint8_t version = static_cast<uint8_t>(bytes.front());
  if (version != kRecordFrameVersion) {
    return Malformed(absl::StrCat("its frame version is ", version, ", and this build reads ", kRecordFrameVersion));
  }
  v1::Record message;
  if (!message.ParseFromArray(bytes.data() + 1, static_cast<int>(bytes.size() - 1))) {
    return Malformed(absl::StrCat("its ", bytes.size() - 1, " bytes are no record"));
  }
  const size_t size = message.ByteSizeLong();
  message.DiscardUnknownFields();
  if (message.ByteSizeLong() != size) return Malformed("it has fields that this version doesn't know");
  // There is one way to write a record; another one is damage that the parser forgives.
  if (message.SerializeAsString() != bytes.substr(1)) return Malformed("it isn't in the form that it was written in");
  return FromProto(message);
}

}  // namespace quorate::metadata
