#include <algorithm>
#include <utility>

#include "metadata/image_state.h"
#include "quorate/metadata.h"

namespace quorate {

using metadata::Extent;
using metadata::Holdings;
using metadata::ImageState;
using metadata::PartitionState;
using metadata::SharedString;
using metadata::Slot;

bool PartitionInfo::HasReplica(NodeId broker) const {
  return std::find(replicas.begin(), replicas.end(), broker) != replicas.end();
}

bool PartitionInfo::InIsr(NodeId broker) const { return std::find(isr.begin(), isr.end(), broker) != isr.end(); }

const std::shared_ptr<const MetadataImage>& MetadataImage::Empty() {
  static const auto* const empty = new std::shared_ptr<const MetadataImage>(
      std::make_shared<const MetadataImage>(std::make_unique<const ImageState>(), MetadataProvenance()));
  return *empty;
}

MetadataImage::MetadataImage(std::unique_ptr<const ImageState> state, MetadataProvenance provenance)
    : state_(std::move(state)), provenance_(provenance) {}

MetadataImage::~MetadataImage() = default;

MetadataDigest MetadataImage::digest() const { return state_->digest; }

int16_t MetadataImage::FeatureLevel(absl::string_view feature) const {
  const int16_t* level = state_->features.Find(feature);
  return level == nullptr ? int16_t{0} : *level;
}

size_t MetadataImage::broker_count() const { return state_->brokers.size(); }
size_t MetadataImage::topic_count() const { return state_->topic_by_id.size(); }
size_t MetadataImage::partition_count() const { return state_->partition_count; }
size_t MetadataImage::leaderless_count() const { return state_->leaderless.size(); }

const BrokerInfo* MetadataImage::FindBroker(NodeId id) const {
  const auto* broker = state_->brokers.Find(id);
  return broker == nullptr ? nullptr : broker->get();
}

std::optional<TopicInfo> MetadataImage::FindTopic(absl::string_view name) const {
  const Slot* slot = state_->topic_by_name.Find(name);
  if (slot == nullptr) return std::nullopt;
  return state_->InfoOf(*slot);
}

std::optional<TopicInfo> MetadataImage::FindTopic(const TopicId& id) const {
  std::optional<Slot> slot = state_->FindTopicSlot(id);
  if (!slot) return std::nullopt;
  return state_->InfoOf(*slot);
}

std::optional<PartitionInfo> MetadataImage::FindPartition(const TopicId& topic, int32_t partition) const {
  std::optional<Slot> slot = state_->FindTopicSlot(topic);
  if (!slot) return std::nullopt;
  const metadata::TopicState& state = state_->topics[*slot];
  if (partition < 0 || partition >= state.partition_count) return std::nullopt;
  return state_->partitions[state.SlotOf(partition)].Unpack();
}

std::optional<TopicInfo> MetadataImage::FindCollidingTopic(absl::string_view name) const {
  const std::string key = metadata::CollisionKey(name);
  if (key.empty()) return std::nullopt;
  const Slot* slot = state_->topic_by_collision.Find(absl::string_view(key));
  if (slot == nullptr) return std::nullopt;
  return state_->InfoOf(*slot);
}

void MetadataImage::ForEachFeature(FeatureVisitor visit) const {
  state_->features.ForEach([&](const std::string& name, int16_t level) { return visit(name, level); });
}

void MetadataImage::ForEachBroker(BrokerVisitor visit) const {
  state_->brokers.ForEach([&](NodeId, const std::shared_ptr<const BrokerInfo>& broker) { return visit(*broker); });
}

void MetadataImage::ForEachTopic(TopicVisitor visit) const {
  state_->topic_by_name.ForEach([&](const SharedString&, Slot slot) { return visit(state_->InfoOf(slot)); });
}

void MetadataImage::ForEachTopicFrom(absl::string_view first, TopicVisitor visit) const {
  state_->topic_by_name.ForEachFrom(first, [&](const SharedString&, Slot slot) { return visit(state_->InfoOf(slot)); });
}

void MetadataImage::ForEachPartition(const TopicId& topic, PartitionVisitor visit) const {
  std::optional<Slot> slot = state_->FindTopicSlot(topic);
  if (!slot) return;
  const metadata::TopicState& state = state_->topics[*slot];
  for (int32_t p = 0; p < state.partition_count; ++p) {
    if (!visit({topic, p}, state_->partitions[state.SlotOf(p)].Unpack())) return;
  }
}

size_t MetadataImage::ReplicaCount(NodeId broker) const {
  const Holdings* held = state_->holdings.Find(broker);
  return held == nullptr ? 0 : held->replicates.size();
}

size_t MetadataImage::IsrCount(NodeId broker) const {
  const Holdings* held = state_->holdings.Find(broker);
  return held == nullptr ? 0 : held->in_isr;
}

size_t MetadataImage::LeaderCount(NodeId broker) const {
  const Holdings* held = state_->holdings.Find(broker);
  return held == nullptr ? 0 : held->leads;
}

namespace {

// Visits the partitions in `slots` that `wanted` picks; stops after `count` of them.
template <typename Wanted>
void VisitSlots(const ImageState& state, const metadata::SlotSet& slots, size_t count, Wanted wanted,
                MetadataImage::PartitionVisitor visit) {
  if (count == 0) return;
  slots.ForEach([&](Slot slot) {
    const PartitionState& partition = state.partitions[slot];
    if (!wanted(partition)) return true;
    return visit(state.IdOf(partition), partition.Unpack()) && --count > 0;
  });
}

}  // namespace

void MetadataImage::ForEachReplicaOf(NodeId broker, PartitionVisitor visit) const {
  const Holdings* held = state_->holdings.Find(broker);
  if (held == nullptr) return;
  VisitSlots(
      *state_, held->replicates, held->replicates.size(), [](const PartitionState&) { return true; }, visit);
}

void MetadataImage::ForEachIsrOf(NodeId broker, PartitionVisitor visit) const {
  const Holdings* held = state_->holdings.Find(broker);
  if (held == nullptr) return;
  VisitSlots(
      *state_, held->replicates, held->in_isr, [broker](const PartitionState& p) { return p.InIsr(broker); }, visit);
}

void MetadataImage::ForEachLedBy(NodeId broker, PartitionVisitor visit) const {
  const Holdings* held = state_->holdings.Find(broker);
  if (held == nullptr) return;
  VisitSlots(
      *state_, held->replicates, held->leads, [broker](const PartitionState& p) { return p.leader() == broker; },
      visit);
}

void MetadataImage::ForEachLeaderless(PartitionVisitor visit) const {
  VisitSlots(
      *state_, state_->leaderless, state_->leaderless.size(), [](const PartitionState&) { return true; }, visit);
}

}  // namespace quorate
