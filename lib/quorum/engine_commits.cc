// What the engine does with what is committed: hands it to the sink, a few chunks at a time, and looks whether that
// comes to an end with them. See engine.h.

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "quorum/engine.h"
#include "raft/observer.h"

namespace quorate::quorum {

void Engine::FeedSink() {
  while (fault_.ok() && chunks_in_flight_ < kChunksInFlight && !reading_committed_ && !loading_ &&
         handed_out_ < core_->high_watermark() && core_->high_watermark() != high_watermark_in_batch_) {
    std::vector<Batch> batches = core_->ReadTail(handed_out_, kChunkBytes);
    if (batches.empty()) {
      ReadCommittedFromLog();
      return;
    }
    HandOut(std::move(batches), core_->high_watermark());
  }
}

void Engine::HandOut(std::vector<Batch> batches, Offset committed) {
  while (!batches.empty() && batches.back().end_offset() > committed) batches.pop_back();
  if (batches.empty()) {
    high_watermark_in_batch_ = committed;
    return;
  }
  CommittedChunk chunk;
  chunk.batches = std::move(batches);
  for (const Batch& batch : chunk.batches) snapshot_schedule_.Committed(batch.size());
  auto batch = chunk.batches.begin();
  for (ProposalWaiterPtr& waiter : proposals_.CommitBelow(chunk.end())) {
    while (batch->end_offset() <= waiter->base_offset) ++batch;
    if (batch->epoch() == waiter->epoch) {
      chunk.proposals.push_back(std::move(waiter));
    } else {  // a later leader's record is committed in its place (M-31)
      waiter->Complete(MakeError(Reason::kLeadershipLost, Outcome::kNotApplied,
                                 "leadership changed, and another record is committed where this one was"));
    }
  }
  handed_out_ = chunk.end();
  if (!Applying()) apply_moved_at_ = Now();
  ++chunks_in_flight_;
  sink_->Commit(std::move(chunk));
}

// After a restart, or with a slow state machine: what memory no longer has.
void Engine::ReadCommittedFromLog() {
  reading_committed_ = true;
  // What the read brings beyond this may be cut, and replaced by what is committed, before the answer is here.
  const Offset committed = core_->high_watermark();
  auto read = [this, committed, generation = feed_generation_](absl::StatusOr<std::vector<Batch>> batches) {
    RunUnlessStopped([this, committed, generation, batches = std::move(batches)]() mutable {
      // A snapshot was installed meanwhile: these are below it, or, from a log that is gone, an error (M-22).
      if (generation != feed_generation_ && !QUORATE_MUTANT("M-22")) return;
      reading_committed_ = false;
      batches.ok() ? HandOut(*std::move(batches), committed) : Halt(batches.status());
    });
  };
  dependencies_.log->Read(handed_out_, kChunkBytes, std::move(read));
}

void Engine::Applied(Offset end) {
  applied_end_ = end;
  --chunks_in_flight_;
  apply_moved_at_ = Now();
  proposals_.AppliedBelow(end);
  if (dependencies_.observer != nullptr) dependencies_.observer->OnApplied(end, /*loaded=*/false);
}

// ---- A sink that doesn't come back (F-H02) -----------------------------------------------------------

absl::Duration Engine::ApplyAge() const { return Applying() ? Now() - apply_moved_at_ : absl::ZeroDuration(); }

Instant Engine::ApplyStallDeadline() const {
  const absl::Duration timeout = options_.timeouts.apply_stall;
  const bool counts = Applying() && !apply_stalled_ && timeout > absl::ZeroDuration();
  return counts ? apply_moved_at_ + timeout : Instant::Infinite();
}

void Engine::WatchApply() {
  const absl::Duration timeout = options_.timeouts.apply_stall;
  const bool stalled = timeout > absl::ZeroDuration() && ApplyAge() >= timeout;
  if (stalled == apply_stalled_) return;
  apply_stalled_ = stalled;
  sink_->ApplyStalled(stalled);
  // A node that stopped itself applies nothing any more, and only ends calls.
  if (!fault_.ok()) return;
  if (stalled) {
    dependencies_.log_sink->Write(
        LogLevel::kError, "quorum",
        absl::StrCat("event=apply_stalled applied_end=", applied_end_.value(), " role=", ToString(core_->role()),
                     " cause=\"the state machine has not come back from ", loading_ ? "LoadSnapshot" : "Apply", " for ",
                     absl::FormatDuration(ApplyAge()),
                     "\" next=\"leads no more if another voter can, until it does\""));
  } else {
    dependencies_.log_sink->Write(LogLevel::kInfo, "quorum",
                                  absl::StrCat("event=apply_goes_on applied_end=", applied_end_.value()));
  }
  core_->ApplyStalled(Now(), stalled);
}

}  // namespace quorate::quorum
