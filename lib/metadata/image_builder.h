// File: metadata/image_builder.h
//
// From one image to the next: records are replayed on a copy of the base, which shares all with it, and
// Build() makes the new image and says what changed. Dropping the builder instead of building undoes
// everything, at no cost.
//
//   ImageBuilder builder(base);
//   for (const Record& record : records) if (auto s = builder.Replay(record); !s.ok()) return s;
//   auto [image, delta] = builder.Build({end_offset, epoch});
//
// A record that can't be applied to what is there (a partition of a topic that doesn't exist, a change
// with another broker epoch) is kCorruption: the log and this state differ, and going on would make
// nodes disagree silently. The caller stops the node.
//
// Not thread-safe; one owner.
#ifndef QUORATE_METADATA_IMAGE_BUILDER_H_
#define QUORATE_METADATA_IMAGE_BUILDER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "metadata/image_state.h"
#include "metadata/records.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

struct BuiltImage {
  MetadataImagePtr image;
  MetadataDelta delta;
};

class ImageBuilder {
 public:
  // kNone: whoever gets the image compares for himself (MetadataDelta::everything), and nobody has to remember two
  // million partitions.
  enum class Delta { kKept, kNone };
  explicit ImageBuilder(MetadataImagePtr base, Delta delta = Delta::kKept);

  // After an error only the destructor may be called.
  absl::Status Replay(const Record& record);
  // Ends the builder.
  BuiltImage Build(MetadataProvenance provenance) &&;

 private:
  absl::Status Apply(const RegisterBrokerRecord& record);
  absl::Status Apply(const UnregisterBrokerRecord& record);
  absl::Status Apply(const BrokerRegistrationChangeRecord& record);
  absl::Status Apply(const TopicRecord& record);
  absl::Status Apply(const RemoveTopicRecord& record);
  absl::Status Apply(const PartitionRecord& record);
  absl::Status Apply(const PartitionChangeRecord& record);
  absl::Status Apply(const FeatureLevelRecord& record);
  absl::Status Apply(const NoOpRecord& record);
  // The registration that a record refers to, if it is the one in force.
  absl::StatusOr<BrokerInfo> Registration(NodeId broker, BrokerEpoch epoch) const;

  MetadataImagePtr base_;
  const bool keeps_delta_;
  ImageState state_;
  std::vector<MetadataDelta::Topic> created_;
  std::vector<MetadataDelta::Topic> deleted_;
  std::vector<PartitionId> partitions_;
  absl::btree_set<NodeId> brokers_;
  bool features_changed_ = false;
};

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_IMAGE_BUILDER_H_
