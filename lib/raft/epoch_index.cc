#include "raft/epoch_index.h"

#include <algorithm>

namespace quorate::raft {

void EpochIndex::Assign(Epoch epoch, Offset offset) {
  if (entries_.empty() || epoch > entries_.back().epoch) entries_.push_back({epoch, offset});
}

void EpochIndex::TruncateTo(Offset end) {
  while (!entries_.empty() && entries_.back().start >= end) entries_.pop_back();
}

LogPosition EpochIndex::EndOffsetFor(Epoch epoch, Offset log_end) const {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), epoch,
                                      [](Epoch e, const RecoveredState::EpochStart& entry) { return e < entry.epoch; });
  const Offset end = after == entries_.end() ? log_end : after->start;
  return {after == entries_.begin() ? Epoch() : std::prev(after)->epoch, end};
}

Epoch EpochIndex::EpochAt(Offset offset) const {
  const auto after =
      std::upper_bound(entries_.begin(), entries_.end(), offset,
                       [](Offset o, const RecoveredState::EpochStart& entry) { return o < entry.start; });
  return after == entries_.begin() ? Epoch() : std::prev(after)->epoch;
}

}  // namespace quorate::raft
