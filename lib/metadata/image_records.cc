#include "metadata/image_records.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace quorate::metadata {

ImageRecords::ImageRecords(const MetadataImage& image) : state_(image.state()) {
  image.ForEachFeature([this](absl::string_view name, int16_t level) {
    features_.push_back({std::string(name), level});
    return true;
  });
  // A reader has to know the metadata.version before anything that depends on it.
  std::stable_partition(features_.begin(), features_.end(),
                        [](const FeatureLevelRecord& feature) { return feature.name == kMetadataVersionFeature; });
  std::reverse(features_.begin(), features_.end());
}

std::optional<Record> ImageRecords::Next() {
  if (!features_.empty()) {
    FeatureLevelRecord feature = std::move(features_.back());
    features_.pop_back();
    return feature;
  }
  if (!brokers_done_) {
    std::optional<Record> broker = NextBroker();
    if (broker.has_value()) return broker;
    brokers_done_ = true;
  }
  return NextTopicOrPartition();
}

std::optional<Record> ImageRecords::NextBroker() {
  const BrokerInfo* next = nullptr;
  const auto take = [&](NodeId id, const std::shared_ptr<const BrokerInfo>& broker) {
    if (id == broker_) return true;
    next = broker.get();
    return false;
  };
  if (broker_.has_value()) {
    state_.brokers.ForEachFrom(*broker_, take);
  } else {
    state_.brokers.ForEach(take);
  }
  if (next == nullptr) return std::nullopt;
  broker_ = next->id;
  return RegisterBrokerRecord{*next};
}

std::optional<Record> ImageRecords::NextTopicOrPartition() {
  if (topic_.has_value()) {
    const TopicState& topic = state_.topics[*topic_];
    if (partition_ < topic.partition_count) {
      const PartitionState& partition = state_.partitions[topic.SlotOf(partition_)];
      return PartitionRecord{{topic.id, partition_++}, partition.Unpack()};
    }
  }
  std::optional<Slot> next;
  const auto take = [&](const SharedString&, Slot slot) {
    if (slot == topic_) return true;
    next = slot;
    return false;
  };
  if (topic_.has_value()) {
    state_.topic_by_name.ForEachFrom(state_.topics[*topic_].name.view(), take);
  } else {
    state_.topic_by_name.ForEach(take);
  }
  if (!next.has_value()) return std::nullopt;
  topic_ = next;
  partition_ = 0;
  const TopicState& topic = state_.topics[*topic_];
  return TopicRecord{topic.id, std::string(topic.name.view())};
}

void ForEachRecord(const MetadataImage& image, absl::FunctionRef<bool(const Record&)> visit) {
  ImageRecords records(image);
  for (std::optional<Record> record = records.Next(); record.has_value(); record = records.Next()) {
    if (!visit(*record)) return;
  }
}

}  // namespace quorate::metadata
