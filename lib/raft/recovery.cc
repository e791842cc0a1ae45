#include "raft/recovery.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "raft/control_records.h"

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
  for (auto& [offset, voters] : *sets) state_.voters.push_back({offset, voters.voters(), {}});
  if (!end_.has_value() || batch.epoch() > end_->epoch) state_.epochs.push_back({batch.epoch(), batch.base_offset()});
  end_ = LogPosition{batch.epoch(), batch.end_offset()};
  return absl::OkStatus();
}

RecoveredState Recovery::Finish(const LogBounds& bounds, std::optional<ElectionState> election) {
  RecoveredState state = std::move(state_);
  state.log = bounds;
  state.election = std::move(election);
  return state;
}

}  // namespace quorate::raft
