#include "metadata/image_builder.h"

#include <algorithm>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::metadata {
namespace {

absl::Status Contradiction(absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kUnknown,
                   absl::StrCat("The metadata log contradicts itself: ", what, "."));
}

}  // namespace

PartitionInfo Changed(PartitionInfo partition, const PartitionChangeRecord& change) {
  if (change.replicas) partition.replicas = *change.replicas;
  if (change.isr) partition.isr = *change.isr;
  if (change.recovery) partition.recovery = *change.recovery;
  if (change.leader) {
    partition.leader = *change.leader;
    ++partition.leader_epoch;
  }
  ++partition.partition_epoch;
  return partition;
}

ImageBuilder::ImageBuilder(MetadataImagePtr base, Delta delta)
    : base_(std::move(base)), keeps_delta_(delta == Delta::kKept), state_(base_->state()) {}

absl::Status ImageBuilder::Replay(const Record& record) {
  return std::visit([this](const auto& r) { return Apply(r); }, record);
}

absl::StatusOr<BrokerInfo> ImageBuilder::Registration(NodeId broker, BrokerEpoch epoch) const {
  const auto* registered = state_.brokers.Find(broker);
  if (registered == nullptr) {
    return Contradiction(absl::StrCat("broker ", broker.value(), " is changed and isn't registered"));
  }
  if ((*registered)->epoch != epoch) {
    return Contradiction(absl::StrCat("broker ", broker.value(), " is changed in its epoch ", epoch.value(),
                                      " and is registered in epoch ", (*registered)->epoch.value()));
  }
  return **registered;
}

// The same epoch again amends a registration (new endpoints of the same incarnation); a smaller one would
// bring back a former life (fault F-B01).
absl::Status ImageBuilder::Apply(const RegisterBrokerRecord& record) {
  const auto* registered = state_.brokers.Find(record.broker.id);
  if (registered != nullptr && record.broker.epoch < (*registered)->epoch) {
    return Contradiction(absl::StrCat("broker ", record.broker.id.value(), " is registered in epoch ",
                                      record.broker.epoch.value(), " after epoch ", (*registered)->epoch.value()));
  }
  brokers_.insert(record.broker.id);
  state_.PutBroker(record.broker);
  return absl::OkStatus();
}

absl::Status ImageBuilder::Apply(const UnregisterBrokerRecord& record) {
  absl::StatusOr<BrokerInfo> broker = Registration(record.broker, record.epoch);
  if (!broker.ok()) return broker.status();
  brokers_.insert(record.broker);
  state_.EraseBroker(record.broker);
  return absl::OkStatus();
}

absl::Status ImageBuilder::Apply(const BrokerRegistrationChangeRecord& record) {
  absl::StatusOr<BrokerInfo> broker = Registration(record.broker, record.epoch);
  if (!broker.ok()) return broker.status();
  if (record.fenced) broker->fenced = *record.fenced;
  if (record.in_controlled_shutdown) broker->in_controlled_shutdown = *record.in_controlled_shutdown;
  brokers_.insert(record.broker);
  state_.PutBroker(*std::move(broker));
  return absl::OkStatus();
}

absl::Status ImageBuilder::Apply(const TopicRecord& record) {
  absl::Status status = state_.AddTopic(record.id, record.name);
  if (status.ok() && keeps_delta_) created_.push_back({record.id, record.name});
  return status;
}

// A topic that was also created since the base leaves no trace in the delta.
absl::Status ImageBuilder::Apply(const RemoveTopicRecord& record) {
  std::optional<Slot> slot = state_.FindTopicSlot(record.id);
  if (slot && keeps_delta_) {
    auto created = std::find_if(created_.begin(), created_.end(), [&](const auto& t) { return t.id == record.id; });
    if (created != created_.end()) {
      created_.erase(created);
    } else {
      deleted_.push_back({record.id, std::string(state_.InfoOf(*slot).name)});
    }
  }
  return state_.RemoveTopic(record.id);
}

absl::Status ImageBuilder::Apply(const PartitionRecord& record) {
  if (keeps_delta_) partitions_.push_back(record.id);
  return state_.AddPartition(record.id, record.info);
}

absl::Status ImageBuilder::Apply(const PartitionChangeRecord& record) {
  std::optional<Slot> topic = state_.FindTopicSlot(record.id.topic);
  if (!topic || record.id.partition < 0 || record.id.partition >= state_.topics[*topic].partition_count) {
    return Contradiction(absl::StrCat("partition ", record.id.partition, " of topic ", record.id.topic.ToString(),
                                      " is changed and doesn't exist"));
  }
  const PartitionState& current = state_.partitions[state_.topics[*topic].SlotOf(record.id.partition)];
  if (keeps_delta_) partitions_.push_back(record.id);
  return state_.ChangePartition(record.id, Changed(current.Unpack(), record));
}

absl::Status ImageBuilder::Apply(const FeatureLevelRecord& record) {
  if (record.name.empty() || record.level < 0) return Contradiction("a feature without a name or a valid level is set");
  features_changed_ = true;
  state_.SetFeature(record.name, record.level);
  return absl::OkStatus();
}

absl::Status ImageBuilder::Apply(const NoOpRecord&) { return absl::OkStatus(); }

BuiltImage ImageBuilder::Build(MetadataProvenance provenance) && {
  MetadataDelta delta;
  delta.base = base_;
  delta.everything = !keeps_delta_;
  delta.topics_created = std::move(created_);
  delta.topics_deleted = std::move(deleted_);
  std::erase_if(partitions_, [this](const PartitionId& id) { return !state_.topic_by_id.Contains(id.topic); });
  std::sort(partitions_.begin(), partitions_.end());
  partitions_.erase(std::unique(partitions_.begin(), partitions_.end()), partitions_.end());
  delta.partitions = std::move(partitions_);
  if (keeps_delta_) delta.brokers.assign(brokers_.begin(), brokers_.end());
  delta.features_changed = keeps_delta_ && features_changed_;
  auto image = std::make_shared<const MetadataImage>(std::make_unique<const ImageState>(std::move(state_)), provenance);
  return {std::move(image), std::move(delta)};
}

}  // namespace quorate::metadata
