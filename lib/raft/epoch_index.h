// Where each epoch starts in the log: what two replicas compare to find the point from which their logs differ.
//
// A leader is asked "your record before offset X has epoch E: is it mine too?" and can answer from this index
// without reading the log (KIP-595, log reconciliation). Because an epoch has one leader and a leader only
// appends (Raft section 5.3), two logs that both hold the last record of an epoch agree on everything before it.
// One entry per epoch, not per batch: a few bytes for each election that ever was.
//
// A log that begins behind a snapshot still knows the epoch of the record before its first: it is part of the
// snapshot's name, and enough to compare the log with others (M-03) also when nothing follows the snapshot. About
// earlier records it knows nothing, and says so.
#ifndef QUORATE_RAFT_EPOCH_INDEX_H_
#define QUORATE_RAFT_EPOCH_INDEX_H_

#include <vector>

#include "quorate/types.h"
#include "raft/core.h"

namespace quorate::raft {

class EpochIndex {
 public:
  EpochIndex() = default;
  // Of a log that begins at `start`.
  explicit EpochIndex(std::vector<RecoveredState::EpochStart> entries, LogPosition start = {})
      : start_(start), entries_(std::move(entries)) {}

  // A batch of `epoch` begins at `offset`, the end of the log. Epochs never fall.
  void Assign(Epoch epoch, Offset offset);
  // Forgets what starts at or above `end`, which is not below the log's start.
  void TruncateTo(Offset end);
  // The log begins at `start` from now on; that is in it.
  void TrimTo(LogPosition start);
  // The log is empty and begins at `start`.
  void ResetTo(LogPosition start);

  // Of the record before the log's end, also when that is only in a snapshot. 0 if there never was one.
  [[nodiscard]] Epoch LastEpoch() const { return entries_.empty() ? start_.epoch : entries_.back().epoch; }
  // The largest epoch of this log, or of the record before it, that is at most `epoch`, and the offset where it ends.
  // If there is none: epoch 0 and offset 0, because where the logs part isn't known here.
  [[nodiscard]] LogPosition EndOffsetFor(Epoch epoch, Offset log_end) const;
  // The epoch of the record at `offset`, which is in the log, or the one before it.
  [[nodiscard]] Epoch EpochAt(Offset offset) const;

 private:
  LogPosition start_;
  std::vector<RecoveredState::EpochStart> entries_;  // epochs and offsets both strictly ascending
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_EPOCH_INDEX_H_
