#include "raft/epoch_index.h"

#include <algorithm>

namespace quorate::raft {
namespace {

// The first of `entries` that starts above `offset`.
template <typename Entries>
auto FirstAbove(Entries& entries, Offset offset) {
  return std::upper_bound(entries.begin(), entries.end(), offset,
                          [](Offset o, const RecoveredState::EpochStart& entry) { return o < entry.start; });
}

}  // namespace

void EpochIndex::Assign(Epoch epoch, Offset offset) {
  if (entries_.empty() || epoch > entries_.back().epoch) entries_.push_back({epoch, offset});
}

void EpochIndex::TruncateTo(Offset end) {
  while (!entries_.empty() && entries_.back().start >= end) entries_.pop_back();
}

void EpochIndex::TrimTo(LogPosition start) {
  start_ = start;
  const auto above = FirstAbove(entries_, start.end);
  if (above == entries_.begin()) return;
  // The epoch that reaches over the new start begins there from now on.
  const auto across = std::prev(above);
  across->start = start.end;
  entries_.erase(entries_.begin(), across);
}

void EpochIndex::ResetTo(LogPosition start) {
  start_ = start;
  entries_.clear();
}

LogPosition EpochIndex::EndOffsetFor(Epoch epoch, Offset log_end) const {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), epoch,
                                      [](Epoch e, const RecoveredState::EpochStart& entry) { return e < entry.epoch; });
  const Offset end = after == entries_.end() ? log_end : after->start;
  if (after != entries_.begin()) return {std::prev(after)->epoch, end};
  if (start_.end > Offset(0) && epoch >= start_.epoch) return {start_.epoch, end};
  return {Epoch(), Offset(0)};
}

Epoch EpochIndex::EpochAt(Offset offset) const {
  const auto above = FirstAbove(entries_, offset);
  return above == entries_.begin() ? start_.epoch : std::prev(above)->epoch;
}

}  // namespace quorate::raft
