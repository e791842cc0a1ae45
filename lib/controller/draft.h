// File: controller/draft.h
//
// The records of one decision while it is being made, on top of the image that it starts from. A step
// that must see the effect of an earlier one (the second broker that is fenced in one pass) calls
// Settle() in between; steps that don't touch each other leave it to the end, because each call makes an
// image. Forgetting a draft undoes it.
//
// Not thread-safe; lives during one call of the controller.
#ifndef QUORATE_CONTROLLER_DRAFT_H_
#define QUORATE_CONTROLLER_DRAFT_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "metadata/records.h"
#include "quorate/metadata.h"

namespace quorate::controller {

class Draft {
 public:
  Draft(MetadataImagePtr base, Offset next_offset) : image_(std::move(base)), next_offset_(next_offset) {}

  // What the records up to the last Settle() make of the base.
  [[nodiscard]] const MetadataImage& image() const { return *image_; }
  // The offset that the next record will get.
  [[nodiscard]] Offset next_offset() const { return next_offset_ + static_cast<int64_t>(records_.size()); }
  [[nodiscard]] size_t size() const { return records_.size(); }

  // Not inline: gcc 12 takes the moves of the variant, once inlined, for reads of uninitialized memory.
  void Add(metadata::Record record);
  // Applies what was added since the last call. An error is a bug of the controller: it decided something
  // that no applier would accept.
  absl::Status Settle();
  [[nodiscard]] std::vector<metadata::Record> Take() && { return std::move(records_); }

 private:
  MetadataImagePtr image_;
  Offset next_offset_;
  std::vector<metadata::Record> records_;
  size_t settled_ = 0;
};

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_DRAFT_H_
