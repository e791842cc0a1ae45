#include "raft/voter_history.h"

#include <algorithm>
#include <utility>

#include "base/simulation.h"

namespace quorate::raft {

void VoterHistory::Append(Offset offset, VoterSet voters) { entries_.push_back({offset, std::move(voters)}); }

void VoterHistory::TruncateTo(Offset end) {
  while (!entries_.empty() && entries_.back().offset >= end && !QUORATE_MUTANT("M-33")) {
    QUORATE_MARK("C-13");
    entries_.pop_back();
  }
}

const VoterSet* VoterHistory::BeforeUncommitted(Offset committed) const {
  if (entries_.empty() || entries_.back().offset < committed) return nullptr;
  return entries_.size() == 1 ? &initial_ : &entries_[entries_.size() - 2].voters;
}

void VoterHistory::TrimTo(Offset start) {
  const auto above =
      std::find_if(entries_.begin(), entries_.end(), [start](const Entry& e) { return e.offset >= start; });
  if (above - entries_.begin() > 1) entries_.erase(entries_.begin(), std::prev(above));
}

void VoterHistory::ResetTo(const RecoveredState::VotersAt& voters) {
  entries_.clear();
  if (voters.offset != kNoOffset) Append(voters.offset, VoterSet(voters.voters, voters.removed));
}

RecoveredState::VotersAt VoterHistory::AsOf(Offset end) const {
  const auto last = std::find_if(entries_.rbegin(), entries_.rend(), [end](const Entry& e) { return e.offset < end; });
  if (last == entries_.rend()) return {kNoOffset, initial_.voters(), {}};
  return {last->offset, last->voters.voters(), last->voters.removed()};
}

}  // namespace quorate::raft
