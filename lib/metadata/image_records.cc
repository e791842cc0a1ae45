#include "metadata/image_records.h"

#include <string>

namespace quorate::metadata {

void ForEachRecord(const MetadataImage& image, absl::FunctionRef<bool(const Record&)> visit) {
  bool more = true;
  // A reader has to know the metadata.version before anything that depends on it.
  if (const int16_t level = image.FeatureLevel(kMetadataVersionFeature); level != 0) {
    more = visit(FeatureLevelRecord{std::string(kMetadataVersionFeature), level});
  }
  if (!more) return;
  image.ForEachFeature([&](absl::string_view name, int16_t level) {
    if (name != kMetadataVersionFeature) more = visit(FeatureLevelRecord{std::string(name), level});
    return more;
  });
  if (!more) return;
  image.ForEachBroker([&](const BrokerInfo& broker) { return more = visit(RegisterBrokerRecord{broker}); });
  if (!more) return;
  image.ForEachTopic([&](const TopicInfo& topic) {
    more = visit(TopicRecord{topic.id, std::string(topic.name)});
    if (!more) return false;
    image.ForEachPartition(topic.id, [&](const PartitionId& id, const PartitionInfo& info) {
      return more = visit(PartitionRecord{id, info});
    });
    return more;
  });
}

}  // namespace quorate::metadata
