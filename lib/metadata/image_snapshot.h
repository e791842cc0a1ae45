// File: metadata/image_snapshot.h
//
// An image on its way into a snapshot and out of one (KIP-630). Capturing is keeping the pointer, since an image never
// changes; writing streams its records from wherever the quorum likes, while the next images are made. Loading builds
// an image from nothing, beside the one in use, so that only putting it in its place needs the strand.
//
// One record of the metadata is one record of the snapshot. Only the kinds that a writer of this version writes are
// taken back: a snapshot has states, not changes, and one that hides a change of something has another writer
// than ours (fault F-P12).
//
// One thread at a time, any thread.
#ifndef QUORATE_METADATA_IMAGE_SNAPSHOT_H_
#define QUORATE_METADATA_IMAGE_SNAPSHOT_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "metadata/image_records.h"
#include "quorate/metadata.h"
#include "quorate/state_machine.h"

namespace quorate::metadata {

class ImageSnapshotSource final : public SnapshotSource {
 public:
  explicit ImageSnapshotSource(MetadataImagePtr image) : image_(std::move(image)), records_(*image_) {}
  absl::StatusOr<std::optional<std::string>> Next() override;

 private:
  const MetadataImagePtr image_;
  ImageRecords records_;
};

// The image that `records` make, as of `position`. kCorruption, with the record's number, when they can't; an error of
// `records` as it is.
absl::StatusOr<MetadataImagePtr> LoadImage(SnapshotRecords& records, LogPosition position);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_IMAGE_SNAPSHOT_H_
