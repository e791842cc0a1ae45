#include "raft/recovery.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "raft/control_records.h"
#include "raft/epoch_index.h"

namespace quorate::raft {

absl::Status Recovery::Visit(const Batch& batch) {
  if (end_.has_value() && (batch.base_offset() != end_->end || batch.epoch() < end_->epoch)) {
    return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                     absl::StrCat("the log goes from offset ", end_->end.value(), " in epoch ", end_->epoch.value(),
                                  " to offset ", batch.base_offset().value(), " in epoch ", batch.epoch().value(),
                                  "; offsets must follow each other and epochs must not fall"));
  }
  auto sets = VoterSetsIn(batch);
  if (!sets.ok()) return sets.status();
  for (auto& [offset, voters] : *sets) state_.voters.push_back({offset, voters.voters(), voters.removed()});
  if (!end_.has_value() || batch.epoch() > end_->epoch) state_.epochs.push_back({batch.epoch(), batch.base_offset()});
  end_ = LogPosition{batch.epoch(), batch.end_offset()};
  return absl::OkStatus();
}

absl::StatusOr<bool> Recovery::MustReset(const LogBounds& bounds, std::optional<LogPosition> snapshot) const {
  const LogPosition covered = snapshot.value_or(LogPosition());
  if (covered.end < bounds.start.end) {
    return MakeError(Reason::kCorruption, Outcome::kUnknown,
                     absl::StrCat("the log begins at offset ", bounds.start.end.value(), ", but ",
                                  snapshot.has_value() ? "the newest intact snapshot ends at " : "there is no snapshot",
                                  snapshot.has_value() ? absl::StrCat(covered.end.value()) : "",
                                  "; what lies between is lost here. Format the directory anew and join as a new "
                                  "replica"));
  }
  // M-26: a log that lacks committed records is completed from the snapshot, not taken as it is.
  if (QUORATE_MUTANT("M-26") || covered.end == Offset(0)) return false;
  if (covered.end > bounds.end.end) return true;
  return EpochIndex(state_.epochs, bounds.start).EpochAt(covered.end - 1) != covered.epoch;
}

RecoveredState Recovery::Finish(const LogBounds& bounds, std::optional<ElectionState> election,
                                std::optional<RecoveredState::Snapshot> snapshot) {
  RecoveredState state = state_;
  if (bounds.start == bounds.end) {
    state.epochs.clear();
    state.voters.clear();
  }
  state.snapshot = std::move(snapshot);
  state.log = bounds;
  state.election = std::move(election);
  return state;
}

}  // namespace quorate::raft
