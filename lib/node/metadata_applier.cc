#include "node/metadata_applier.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "metadata/image_builder.h"
#include "metadata/image_snapshot.h"
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
  append_time_ms_ = chunk.batches.back().header().append_time_ms;
  slot_->Store(built.image);
  events_.on_image(built.image, std::move(built.delta));
  return absl::OkStatus();
}

void MetadataApplier::Capture(quorum::CaptureDone done) {
  // Chunks are applied in place, so that the image is always that of a batch boundary (M-21).
  MetadataImagePtr image = slot_->Load();
  quorum::CapturedState captured;
  captured.position = {image->provenance().epoch, image->provenance().end};
  captured.append_time_ms = append_time_ms_;
  captured.source = std::make_unique<metadata::ImageSnapshotSource>(std::move(image));
  std::move(done)(std::move(captured));
}

absl::Status MetadataApplier::Load(quorum::SnapshotToLoad snapshot) {
  engine_->RunOnSnapshotThread([this, snapshot = std::move(snapshot)] {
    absl::StatusOr<MetadataImagePtr> image = metadata::LoadImage(*snapshot.records, snapshot.position);
    engine_->RunOnStrand(
        [this, image = std::move(image), position = snapshot.position,
         append_time_ms = snapshot.append_time_ms]() mutable { OnLoaded(std::move(image), position, append_time_ms); });
  });
  return absl::OkStatus();
}

void MetadataApplier::OnLoaded(absl::StatusOr<MetadataImagePtr> image, LogPosition position, int64_t append_time_ms) {
  if (!image.ok()) {
    engine_->Halt(image.status());
    return;
  }
  append_time_ms_ = append_time_ms;
  MetadataImagePtr old = slot_->Load();
  slot_->Store(*image);
  MetadataDelta delta;
  delta.base = old;
  delta.everything = true;
  events_.on_image(*image, std::move(delta));
  engine_->Loaded(position);
  // The last of its owners on the strand; whoever else holds it is elsewhere.
  engine_->RunOnSnapshotThread([old = std::move(old)] {});
}

}  // namespace quorate::node
