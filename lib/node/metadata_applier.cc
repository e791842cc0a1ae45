#include "node/metadata_applier.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "metadata/image_builder.h"
#include "metadata/record_codec.h"
#include "quorate/status.h"

namespace quorate::node {

void MetadataApplier::Commit(quorum::CommittedChunk chunk) {
  if (absl::Status applied = Apply(chunk); !applied.ok()) {
    // Committed, but not applied here: the engine answers its callers when it halts.
    for (const auto& proposal : chunk.proposals) {
      proposal->Complete(MakeError(Reason::kHalted, Outcome::kUnknown, applied.message()));
    }
    engine_->Halt(std::move(applied));
    return;
  }
  for (const auto& proposal : chunk.proposals) {
    Proposed proposed;
    proposed.base_offset = proposal->base_offset;
    proposed.epoch = proposal->epoch;
    proposal->Complete(std::move(proposed));
  }
  engine_->Applied(chunk.end());
}

absl::Status MetadataApplier::Apply(const quorum::CommittedChunk& chunk) {
  const MetadataImagePtr base = slot_->Load();
  metadata::ImageBuilder builder(base);
  for (const Batch& batch : chunk.batches) {
    if (batch.kind() != BatchKind::kData) continue;
    Offset offset = batch.base_offset();
    for (absl::string_view bytes : batch.Records()) {
      absl::StatusOr<metadata::Record> record = metadata::DecodeRecord(bytes);
      absl::Status applied = record.ok() ? builder.Replay(*record) : record.status();
      if (!applied.ok()) {
        return MakeError(
            Reason::kCorruption, Outcome::kUnknown,
            absl::StrCat("the metadata record at offset ", offset.value(), " can't be applied: ", applied.message()));
      }
      ++offset;
    }
  }
  metadata::BuiltImage built = std::move(builder).Build({chunk.end(), chunk.batches.back().epoch()});
  slot_->Store(built.image);
  events_.on_image(built.image, std::move(built.delta));
  return absl::OkStatus();
}

}  // namespace quorate::node
