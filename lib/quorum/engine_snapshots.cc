// The engine and snapshots: taking them, handing them out, going on from one. What touches a file is in
// snapshot_worker.h, when one is taken in snapshot_schedule.h.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "quorum/engine.h"
#include "raft/observer.h"

namespace quorate::quorum {

absl::Status CommitSink::Load(SnapshotToLoad snapshot) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                   absl::StrCat("the log begins with a snapshot up to offset ", snapshot.position.end.value(),
                                ", which nobody here knows how to load"));
}

// ---- Taking one --------------------------------------------------------------------------------------

bool Engine::MayTakeSnapshot() const {
  // While a newer one is on its way into the state machine, the old state isn't worth writing down.
  return !loading_ && !stopping_ && fault_.ok();
}

void Engine::AdvanceSnapshots() {
  // Between two questions a follower writes a piece, which its disk may hold up for a while.
  const std::optional<Instant> asked_at = core_->snapshot_asked_at();
  snapshot_schedule_.ServingUntil(asked_at.has_value() ? *asked_at + kServingFetches * options_.timeouts.fetch
                                                       : Instant());
  if (!MayTakeSnapshot() || !snapshot_schedule_.IsDue(Now())) return;
  snapshot_schedule_.Begin();
  capture_end_ = Offset(INT64_MAX);
  sink_->Capture([this](absl::StatusOr<CapturedState> captured) {
    RunUnlessStopped([this, captured = std::move(captured)]() mutable { OnCaptured(std::move(captured)); });
  });
}

void Engine::OnCaptured(absl::StatusOr<CapturedState> captured) {
  if (!fault_.ok()) return;
  if (!captured.ok()) return OnSnapshotWritten(captured.status());
  if (captured->source == nullptr) {
    snapshot_schedule_.Disable(
        MakeError(Reason::kRefused, Outcome::kNotApplied, "the state machine of this node takes no snapshots"));
    return;
  }
  // Nothing was applied since the newest, or one was installed meanwhile.
  if (captured->position.end <= core_->snapshot().end) return snapshot_schedule_.Succeed(Now(), core_->snapshot());
  const absl::Status sane = CheckCaptured(*captured);
  if (!sane.ok() && !QUORATE_MUTANT("M-21")) return OnSnapshotWritten(sane);
  capture_end_ = captured->position.end;
  SnapshotHead head{captured->position, captured->append_time_ms, {}};
  if (QUORATE_MUTANT("M-21")) head.position = core_->log_end();
  // M-40: who votes as of this position, and not who votes now.
  head.voters = core_->VotersAsOf(head.position.end);
  if (QUORATE_MUTANT("M-40")) {
    head.voters.voters = core_->voters();
    head.voters.offset = std::min(head.voters.offset, head.position.end - 1);
  }
  if (QUORATE_MUTANT("R-03")) TrimLog(head.position);
  snapshots_->Write(std::move(head), std::move(captured->source), [this](absl::StatusOr<SnapshotInfo> written) {
    RunUnlessStopped([this, written = std::move(written)] { OnSnapshotWritten(written); });
  });
}

// M-21: a snapshot ends at or below what is committed, with the epoch that the log has there.
absl::Status Engine::CheckCaptured(const CapturedState& captured) const {
  const LogPosition position = captured.position;
  if (position.end <= core_->high_watermark() && core_->EpochAt(position.end - 1) == position.epoch) {
    return absl::OkStatus();
  }
  return MakeError(
      Reason::kInvalidArgument, Outcome::kNotApplied,
      absl::StrCat("the state was captured at offset ", position.end.value(), " in epoch ", position.epoch.value(),
                   ", but the log is committed up to ", core_->high_watermark().value(), " and has epoch ",
                   core_->EpochAt(position.end - 1).value(), " there"));
}

void Engine::OnSnapshotWritten(absl::StatusOr<SnapshotInfo> written) {
  if (!fault_.ok()) return;
  if (core_->snapshot().end >= capture_end_) {
    // A newer one came from the leader while this one was being written.
    if (written.ok() && written->id != core_->snapshot()) snapshots_->Remove(written->id);
    return snapshot_schedule_.Succeed(Now(), core_->snapshot());
  }
  if (!written.ok()) {
    snapshot_schedule_.Fail(Now(), written.status());
    dependencies_.log_sink->Write(LogLevel::kWarning, "snapshot",
                                  absl::StrCat("event=snapshot_failed cause=\"", written.status().message(),
                                               "\" log=\"not trimmed\" next=\"tried again later\""));
    return;
  }
  dependencies_.log_sink->Write(LogLevel::kInfo, "snapshot",
                                absl::StrCat("event=snapshot_taken end=", written->id.end.value(),
                                             " epoch=", written->id.epoch.value(), " bytes=", written->bytes));
  // The log stays as far back as the snapshot before this one reaches: should this one turn out bad, that one and the
  // log say the same (F-D03).
  const LogPosition previous = core_->snapshot();
  core_->SnapshotTaken(Now(), *written, previous);
  if (previous.end > Offset()) TrimLog(previous);
  snapshot_schedule_.Succeed(Now(), written->id);
}

void Engine::TrimLog(LogPosition start) {
  dependencies_.log->TrimPrefix(start, [this, start](absl::Status trimmed) {
    RunUnlessStopped([this, start, trimmed = std::move(trimmed)] {
      trimmed.ok() ? snapshots_->RemoveOlderThan(start) : Halt(trimmed);
    });
  });
}

// ---- Handing them out, receiving them ----------------------------------------------------------------

void Engine::PerformSnapshotEffects(raft::Effects& effects) {
  if (snapshots_ == nullptr) {
    const absl::Status none = absl::NotFoundError("this node has no store for snapshots");
    for (const raft::ReadSnapshotChunk& read : effects.read_snapshot) {
      RunUnlessStopped([this, id = read.id, none] { core_->SnapshotChunkRead(Now(), id, none); });
    }
    if (effects.write_snapshot.has_value()) {
      RunUnlessStopped([this, id = effects.write_snapshot->id, none] { core_->SnapshotChunkWritten(Now(), id, none); });
    }
    if (effects.verify_snapshot.has_value()) {
      RunUnlessStopped([this, id = effects.verify_snapshot->id, none] { core_->SnapshotVerified(Now(), id, none); });
    }
    return;
  }
  for (const raft::ReadSnapshotChunk& read : effects.read_snapshot) {
    snapshots_->ReadChunk(read.snapshot, read.position, read.bytes_max,
                          [this, id = read.id](absl::StatusOr<raft::SnapshotChunk> chunk) {
                            RunUnlessStopped([this, id, chunk = std::move(chunk)]() mutable {
                              core_->SnapshotChunkRead(Now(), id, std::move(chunk));
                            });
                          });
  }
  if (effects.abandon_snapshot) snapshots_->Abandon();
  if (effects.write_snapshot.has_value()) {
    const uint64_t id = effects.write_snapshot->id;
    snapshots_->WriteChunk(*std::move(effects.write_snapshot), [this, id](absl::Status written) {
      RunUnlessStopped([this, id, written = std::move(written)] { core_->SnapshotChunkWritten(Now(), id, written); });
    });
  }
  if (effects.verify_snapshot.has_value()) {
    const raft::VerifySnapshot& verify = *effects.verify_snapshot;
    snapshots_->Verify(verify.info, [this, id = verify.id](absl::StatusOr<SnapshotWorker::VotersAt> voters) {
      RunUnlessStopped([this, id, voters = std::move(voters)] { core_->SnapshotVerified(Now(), id, voters); });
    });
  }
  if (effects.install_snapshot.has_value()) {
    QUORATE_MARK("C-29");
    Install(effects.install_snapshot->info.id);
  }
}

// ---- Going on from one -------------------------------------------------------------------------------

void Engine::Install(LogPosition snapshot) {
  ++feed_generation_;
  reading_committed_ = false;
  high_watermark_in_batch_ = kNoOffset;
  handed_out_ = snapshot.end;
  snapshots_->CancelWrite();
  snapshot_schedule_.Replaced(Now());
  load_ = snapshot;
  if (!loading_) LoadNewest();
}

// One at a time; should a newer one come meanwhile, what is being loaded is finished first.
void Engine::LoadNewest() {
  apply_moved_at_ = Now();
  loading_ = true;
  const LogPosition id = *std::exchange(load_, std::nullopt);
  snapshots_->OpenRecords(id, [this, id](absl::StatusOr<std::unique_ptr<SnapshotFileReader>> records) {
    RunUnlessStopped([this, id, records = std::move(records)]() mutable {
      if (!records.ok()) {
        // Replaced by a newer one, and removed, before it was opened.
        return load_.has_value() ? LoadNewest() : Halt(records.status());
      }
      const int64_t append_time_ms = (*records)->head().append_time_ms;
      absl::Status taken = sink_->Load({id, append_time_ms, *std::move(records)});
      if (!taken.ok()) Halt(std::move(taken));
    });
  });
}

void Engine::Loaded(LogPosition position) {
  if (stopped_) return;
  applied_end_ = position.end;
  apply_moved_at_ = Now();
  if (dependencies_.observer != nullptr) dependencies_.observer->OnApplied(position.end, /*loaded=*/true);
  loading_ = false;
  if (load_.has_value()) LoadNewest();
}

}  // namespace quorate::quorum
