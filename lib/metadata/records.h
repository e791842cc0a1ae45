// File: metadata/records.h
//
// The records of the metadata log as plain values: what the controller decides and what an image is
// made of. Their meaning is that of KRaft's records of the same names (KIP-500, KIP-631); their bytes
// are our own (record_codec.h), because the log is read by nobody else.
//
// Values; copy freely, from any thread.
#ifndef QUORATE_METADATA_RECORDS_H_
#define QUORATE_METADATA_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

// A broker in its new registration. The broker epoch is the offset of this record.
struct RegisterBrokerRecord {
  BrokerInfo broker;
  friend bool operator==(const RegisterBrokerRecord&, const RegisterBrokerRecord&) = default;
};

// `epoch` must be that of the registration in force, here and below.
struct UnregisterBrokerRecord {
  NodeId broker = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;
  friend bool operator==(const UnregisterBrokerRecord&, const UnregisterBrokerRecord&) = default;
};

// An absent field is unchanged.
struct BrokerRegistrationChangeRecord {
  NodeId broker = kNoNode;
  BrokerEpoch epoch = kNoBrokerEpoch;
  std::optional<bool> fenced;
  std::optional<bool> in_controlled_shutdown;
  friend bool operator==(const BrokerRegistrationChangeRecord&, const BrokerRegistrationChangeRecord&) = default;
};

struct TopicRecord {
  TopicId id;
  std::string name;
  friend bool operator==(const TopicRecord&, const TopicRecord&) = default;
};

// Takes the partitions with it.
struct RemoveTopicRecord {
  TopicId id;
  friend bool operator==(const RemoveTopicRecord&, const RemoveTopicRecord&) = default;
};

// A new partition. Those of a topic come in the order of their indexes, after the TopicRecord.
struct PartitionRecord {
  PartitionId id;
  PartitionInfo info;
  friend bool operator==(const PartitionRecord&, const PartitionRecord&) = default;
};

// An absent field is unchanged. A present `leader` (kNoNode for "none") raises the leader epoch even if
// it is the same one; every such record raises the partition epoch.
struct PartitionChangeRecord {
  PartitionId id;
  std::optional<ReplicaList> isr;
  std::optional<NodeId> leader;
  std::optional<ReplicaList> replicas;
  std::optional<LeaderRecoveryState> recovery;

  [[nodiscard]] bool changes_nothing() const { return !isr && !leader && !replicas && !recovery; }
  friend bool operator==(const PartitionChangeRecord&, const PartitionChangeRecord&) = default;
};

// What `change` makes of a partition.
PartitionInfo Changed(PartitionInfo partition, const PartitionChangeRecord& change);

// Level 0 removes the feature.
struct FeatureLevelRecord {
  std::string name;
  int16_t level = 0;
  friend bool operator==(const FeatureLevelRecord&, const FeatureLevelRecord&) = default;
};

// Moves the log without changing anything (KIP-835).
struct NoOpRecord {
  friend bool operator==(const NoOpRecord&, const NoOpRecord&) = default;
};

using Record = std::variant<RegisterBrokerRecord, UnregisterBrokerRecord, BrokerRegistrationChangeRecord, TopicRecord,
                            RemoveTopicRecord, PartitionRecord, PartitionChangeRecord, FeatureLevelRecord, NoOpRecord>;

// "PartitionChangeRecord", for messages.
absl::string_view RecordName(const Record& record);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_RECORDS_H_
