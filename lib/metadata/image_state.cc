#include "metadata/image_state.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "metadata/digest.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::metadata {
namespace {

absl::Status Contradiction(absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kUnknown,
                   absl::StrCat("The metadata log contradicts itself: ", what, "."));
}

absl::Status TooMany(absl::string_view what, size_t limit) {
  return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                   absl::StrCat("There is no room for another ", what, ": ", limit, " is the limit."));
}

}  // namespace

std::string CollisionKey(absl::string_view name) {
  if (name.find_first_of("._") == absl::string_view::npos) return {};
  std::string key(name);
  std::replace(key.begin(), key.end(), '.', '_');
  return key;
}

Slot TopicState::SlotOf(int32_t partition) const {
  if (more.empty() || partition < more.front().first) return home + static_cast<Slot>(partition);
  auto after = std::upper_bound(more.begin(), more.end(), partition,
                                [](int32_t p, const Extent& extent) { return p < extent.first; });
  const Extent& extent = *(after - 1);
  return extent.slot + static_cast<Slot>(partition - extent.first);
}

std::optional<Slot> ImageState::FindTopicSlot(const TopicId& id) const {
  const Slot* slot = topic_by_id.Find(id);
  return slot == nullptr ? std::nullopt : std::optional<Slot>(*slot);
}

TopicInfo ImageState::InfoOf(Slot topic) const {
  const TopicState& state = topics[topic];
  return {state.id, state.name.view(), state.partition_count};
}

PartitionId ImageState::IdOf(const PartitionState& partition) const {
  return {topics[partition.topic()].id, partition.partition()};
}

void ImageState::SetFeature(absl::string_view name, int16_t level) {
  std::string key(name);
  if (const int16_t* old = features.Find(key)) TakeFrom(digest, HashFeature(key, *old));
  if (level == 0) {
    features.Erase(key);
    return;
  }
  AddTo(digest, HashFeature(key, level));
  features.Set(key, level);
}

void ImageState::PutBroker(BrokerInfo broker) {
  EraseBroker(broker.id);
  AddTo(digest, HashBroker(broker));
  const NodeId id = broker.id;
  brokers.Set(id, std::make_shared<const BrokerInfo>(std::move(broker)));
}

void ImageState::EraseBroker(NodeId id) {
  if (const auto* old = brokers.Find(id)) {
    TakeFrom(digest, HashBroker(**old));
    brokers.Erase(id);
  }
}

absl::Status ImageState::AddTopic(const TopicId& id, absl::string_view name) {
  if (id.is_zero() || name.empty()) return Contradiction("a topic without an id or name is created");
  if (topic_by_id.Contains(id)) {
    return Contradiction(absl::StrCat("topic ", name, " is created with the id ", id.ToString(), ", which is in use"));
  }
  if (topic_by_name.Contains(name)) return Contradiction(absl::StrCat("topic ", name, " is created a second time"));
  Slot slot = static_cast<Slot>(topics.size());
  if (!free_topics.empty()) {
    slot = free_topics.First();
    free_topics.Erase(slot);
  } else {
    if (slot >= limits::kTopicsMax) return TooMany("topic", limits::kTopicsMax);
    topics.PushBack({});
  }
  const SharedString shared(name);
  TopicState& topic = topics.Mutable(slot);
  topic.id = id;
  topic.name = shared;
  topic_by_id.Set(id, slot);
  topic_by_name.Set(shared, slot);
  if (std::string key = CollisionKey(name); !key.empty()) {
    SharedString shared_key = key == name ? shared : SharedString(key);
    if (!topic_by_collision.Contains(key)) topic_by_collision.Set(shared_key, slot);
  }
  AddTo(digest, HashTopic(id, name));
  return absl::OkStatus();
}

absl::Status ImageState::RemoveTopic(const TopicId& id) {
  std::optional<Slot> slot = FindTopicSlot(id);
  if (!slot) return Contradiction(absl::StrCat("topic ", id.ToString(), " is deleted and doesn't exist"));
  const TopicState topic = topics[*slot];
  for (int32_t p = 0; p < topic.partition_count; ++p) {
    const Slot place = topic.SlotOf(p);
    const PartitionState partition = partitions[place];
    Discount(place, partition);
    Leave(place, partition);
    partitions.Mutable(place) = PartitionState();
    free_partitions.Insert(place);
  }
  partition_count -= static_cast<size_t>(topic.partition_count);
  topic_by_id.Erase(id);
  topic_by_name.Erase(topic.name.view());
  if (std::string key = CollisionKey(topic.name.view()); !key.empty()) {
    const Slot* holder = topic_by_collision.Find(key);
    if (holder != nullptr && *holder == *slot) topic_by_collision.Erase(key);
  }
  TakeFrom(digest, HashTopic(id, topic.name.view()));
  topics.Mutable(*slot) = TopicState();
  free_topics.Insert(*slot);
  return absl::OkStatus();
}

// The slot right behind the topic's last one if that is free, so that the topic stays in one piece; else
// the lowest free one, which starts a new extent.
absl::StatusOr<Slot> ImageState::TakePartitionSlot(TopicState& topic) {
  const Slot end = static_cast<Slot>(partitions.size());
  Slot slot = free_partitions.empty() ? end : free_partitions.First();
  bool extends = false;
  if (topic.partition_count > 0) {
    const Slot next = topic.SlotOf(topic.partition_count - 1) + 1;
    if (next == end || free_partitions.Contains(next)) {
      slot = next;
      extends = true;
    }
  }
  if (slot >= limits::kPartitionsMax) return TooMany("partition", limits::kPartitionsMax);
  if (slot == end) {
    partitions.PushBack({});
  } else {
    free_partitions.Erase(slot);
  }
  if (topic.partition_count == 0) {
    topic.home = slot;
  } else if (!extends) {
    topic.more.push_back({topic.partition_count, slot});
  }
  ++topic.partition_count;
  return slot;
}

absl::Status ImageState::AddPartition(const PartitionId& id, const PartitionInfo& info) {
  std::optional<Slot> topic_slot = FindTopicSlot(id.topic);
  if (!topic_slot) {
    return Contradiction(absl::StrCat("partition ", id.partition, " is created in topic ", id.topic.ToString(),
                                      ", which doesn't exist"));
  }
  if (id.partition != topics[*topic_slot].partition_count) {
    return Contradiction(absl::StrCat("partition ", id.partition, " of topic ", id.topic.ToString(),
                                      " is created where partition ", topics[*topic_slot].partition_count,
                                      " would be next"));
  }
  absl::StatusOr<PartitionState> packed = PartitionState::Pack(*topic_slot, id.partition, info);
  if (!packed.ok()) return packed.status();
  absl::StatusOr<Slot> slot = TakePartitionSlot(topics.Mutable(*topic_slot));
  if (!slot.ok()) return slot.status();
  partitions.Mutable(*slot) = *packed;
  Join(*slot, *packed);
  Count(*slot, *packed);
  ++partition_count;
  return absl::OkStatus();
}

absl::Status ImageState::ChangePartition(const PartitionId& id, const PartitionInfo& info) {
  std::optional<Slot> topic_slot = FindTopicSlot(id.topic);
  if (!topic_slot || id.partition < 0 || id.partition >= topics[*topic_slot].partition_count) {
    return Contradiction(
        absl::StrCat("partition ", id.partition, " of topic ", id.topic.ToString(), " is changed and doesn't exist"));
  }
  absl::StatusOr<PartitionState> packed = PartitionState::Pack(*topic_slot, id.partition, info);
  if (!packed.ok()) return packed.status();
  const Slot slot = topics[*topic_slot].SlotOf(id.partition);
  const PartitionState old = partitions[slot];
  Discount(slot, old);
  if (!old.SameReplicas(*packed)) {
    Leave(slot, old);
    Join(slot, *packed);
  }
  partitions.Mutable(slot) = *packed;
  Count(slot, *packed);
  return absl::OkStatus();
}

void ImageState::Join(Slot slot, const PartitionState& partition) {
  for (size_t i = 0; i < partition.replica_count(); ++i) holdings.Mutable(partition.replica(i)).replicates.Insert(slot);
}

void ImageState::Leave(Slot slot, const PartitionState& partition) {
  for (size_t i = 0; i < partition.replica_count(); ++i) {
    Holdings& held = holdings.Mutable(partition.replica(i));
    held.replicates.Erase(slot);
    if (held.replicates.empty()) holdings.Erase(partition.replica(i));
  }
}

void ImageState::Count(Slot slot, const PartitionState& partition) {
  for (size_t i = 0; i < partition.replica_count(); ++i) {
    if (!partition.in_isr(i)) continue;
    Holdings& held = holdings.Mutable(partition.replica(i));
    ++held.in_isr;
    if (partition.leader() == partition.replica(i)) ++held.leads;
  }
  if (partition.leader() == kNoNode) leaderless.Insert(slot);
  AddTo(digest, HashPartition(IdOf(partition), partition));
}

void ImageState::Discount(Slot slot, const PartitionState& partition) {
  for (size_t i = 0; i < partition.replica_count(); ++i) {
    if (!partition.in_isr(i)) continue;
    Holdings& held = holdings.Mutable(partition.replica(i));
    --held.in_isr;
    if (partition.leader() == partition.replica(i)) --held.leads;
  }
  if (partition.leader() == kNoNode) leaderless.Erase(slot);
  TakeFrom(digest, HashPartition(IdOf(partition), partition));
}

}  // namespace quorate::metadata
