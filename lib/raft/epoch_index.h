// Where each epoch starts in the log: what two replicas compare to find the point from which their logs differ.
//
// A leader is asked "your record before offset X has epoch E: is it mine too?" and can answer from this index
// without reading the log (KIP-595, log reconciliation). Because an epoch has one leader and a leader only
// appends (Raft section 5.3), two logs that both hold the last record of an epoch agree on everything before it.
// One entry per epoch, not per batch: a few bytes for each election that ever was.
#ifndef QUORATE_RAFT_EPOCH_INDEX_H_
#define QUORATE_RAFT_EPOCH_INDEX_H_

#include <vector>

#include "quorate/types.h"
#include "raft/core.h"

namespace quorate::raft {

class EpochIndex {
 public:
  EpochIndex() = default;
  explicit EpochIndex(std::vector<RecoveredState::EpochStart> entries) : entries_(std::move(entries)) {}

  // A batch of `epoch` begins at `offset`, the end of the log. Epochs never fall.
  void Assign(Epoch epoch, Offset offset);
  // Forgets what starts at or above `end`.
  void TruncateTo(Offset end);

  // 0 for an empty log.
  [[nodiscard]] Epoch LastEpoch() const { return entries_.empty() ? Epoch() : entries_.back().epoch; }
  // The largest epoch of this log that is at most `epoch`, and the offset where it ends. If the log has none:
  // epoch 0 and the offset where its first epoch starts.
  [[nodiscard]] LogPosition EndOffsetFor(Epoch epoch, Offset log_end) const;
  // The epoch of the record at `offset`, which is in the log.
  [[nodiscard]] Epoch EpochAt(Offset offset) const;

 private:
  std::vector<RecoveredState::EpochStart> entries_;  // epochs and offsets both strictly ascending
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_EPOCH_INDEX_H_
