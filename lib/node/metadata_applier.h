// File: node/metadata_applier.h
//
// Turns what the quorum commits into the node's metadata: records into the next image, the image into its slot, and the
// news to the active controller, to the publishers, and to callers who wait for their commit, in this order.
// So whoever hears "done" finds the result in image().
//
// One image per chunk of committed batches, not per record: a batch is all or nothing (F-B07), and
// under load several share the cost. A record that can't be applied means that this node's state and the log differ:
// the node stops (F-P12).
//
// On the strand only, and quick: decoding and replaying costs what the records touch. A snapshot is captured by keeping
// a pointer. One that is loaded becomes an image on the snapshot thread, beside the one in use; the strand only puts it
// in its place, and leaves even the destruction of the old one, two million partitions perhaps, to that thread.
#ifndef QUORATE_NODE_METADATA_APPLIER_H_
#define QUORATE_NODE_METADATA_APPLIER_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "node/image_slot.h"
#include "quorate/log_sink.h"
#include "quorate/metadata.h"
#include "quorum/engine.h"

namespace quorate::node {

struct ApplierEvents {
  // A new image is in the slot. Called before the proposals in it are completed.
  absl::AnyInvocable<void(const MetadataImagePtr&, MetadataDelta)> on_image;
  absl::AnyInvocable<void(const Leadership&)> on_leadership;
  absl::AnyInvocable<void(const absl::Status&)> on_halted;
};

class MetadataApplier final : public quorum::CommitSink {
 public:
  MetadataApplier(ImageSlot* slot, ApplierEvents events) : slot_(slot), events_(std::move(events)) {}

  // Before the engine starts.
  void Attach(quorum::Engine* engine) { engine_ = engine; }

  void Commit(quorum::CommittedChunk chunk) override;
  void Capture(quorum::CaptureDone done) override;
  absl::Status Load(quorum::SnapshotToLoad snapshot) override;
  void LeadershipChanged(const Leadership& leadership) override { events_.on_leadership(leadership); }
  void Halted(const absl::Status& cause) override { events_.on_halted(cause); }

 private:
  absl::Status Apply(const quorum::CommittedChunk& chunk);
  void OnLoaded(absl::StatusOr<MetadataImagePtr> image, LogPosition position, int64_t append_time_ms);

  ImageSlot* const slot_;
  ApplierEvents events_;
  quorum::Engine* engine_ = nullptr;
  int64_t append_time_ms_ = 0;  // of the last batch in the image
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_METADATA_APPLIER_H_
