#include "raft/voter_history.h"

#include <utility>

namespace quorate::raft {

void VoterHistory::Append(Offset offset, VoterSet voters) { entries_.push_back({offset, std::move(voters)}); }

void VoterHistory::TruncateTo(Offset end) {
  while (!entries_.empty() && entries_.back().offset >= end) entries_.pop_back();
}

}  // namespace quorate::raft
