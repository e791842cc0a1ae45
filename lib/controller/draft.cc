#include "controller/draft.h"

#include <utility>

#include "metadata/image_builder.h"

namespace quorate::controller {

void Draft::Add(metadata::Record record) { records_.push_back(std::move(record)); }

absl::Status Draft::Settle() {
  if (settled_ == records_.size()) return absl::OkStatus();
  metadata::ImageBuilder builder(image_);
  for (; settled_ < records_.size(); ++settled_) {
    if (absl::Status status = builder.Replay(records_[settled_]); !status.ok()) return status;
  }
  const MetadataProvenance provenance{next_offset(), image_->provenance().epoch};
  image_ = std::move(builder).Build(provenance).image;
  return absl::OkStatus();
}

}  // namespace quorate::controller
