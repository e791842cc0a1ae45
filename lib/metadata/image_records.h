// File: metadata/image_records.h
//
// An image as the records that make it: what a snapshot consists of. The order is canonical (features,
// metadata.version first; brokers by id; topics by name, each with its partitions), so that equal images
// give equal records, byte for byte, and loading what was written gives the image back (invariant I-18).
//
// The records come one at a time, and between two of them nothing is held but a place in the image: a snapshot of two
// million partitions is written with the memory of one.
//
// One thread at a time.
#ifndef QUORATE_METADATA_IMAGE_RECORDS_H_
#define QUORATE_METADATA_IMAGE_RECORDS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "metadata/image_state.h"
#include "metadata/records.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

class ImageRecords {
 public:
  // `image` outlives it.
  explicit ImageRecords(const MetadataImage& image);
  // nullopt: that was all. Costs O(log n).
  std::optional<Record> Next();

 private:
  std::optional<Record> NextBroker();
  std::optional<Record> NextTopicOrPartition();

  const ImageState& state_;
  std::vector<FeatureLevelRecord> features_;  // those to come, the last one first
  std::optional<NodeId> broker_;              // given last
  bool brokers_done_ = false;
  std::optional<Slot> topic_;  // given last
  int32_t partition_ = 0;      // of it, to come next
};

// visit(record) -> false to stop.
void ForEachRecord(const MetadataImage& image, absl::FunctionRef<bool(const Record&)> visit);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_IMAGE_RECORDS_H_
