// The newest batches, in memory: what a leader pushes to followers that keep up, and what every node applies,
// without reading the disk. Bounded in bytes, oldest out first; the last batch always stays, however large.
// A cache and nothing more: whatever isn't here is read from the log.
#ifndef QUORATE_RAFT_LOG_TAIL_H_
#define QUORATE_RAFT_LOG_TAIL_H_

#include <cstddef>
#include <deque>
#include <vector>

#include "quorate/batch.h"
#include "quorate/types.h"

namespace quorate::raft {

class LogTail {
 public:
  explicit LogTail(size_t bytes_max) : bytes_max_(bytes_max) {}

  // Continues what is there without a gap.
  void Append(Batch batch);
  // Forgets the batches that reach beyond `end`.
  void TruncateTo(Offset end);
  // Forgets the batches that end at or below `start`.
  void TrimTo(Offset start);

  // Whole batches from `from` on, at most `bytes_max` but at least one. Empty when no batch here begins at `from`.
  [[nodiscard]] std::vector<Batch> Read(Offset from, size_t bytes_max) const;
  // A batch here has records on both sides of `offset`.
  [[nodiscard]] bool Splits(Offset offset) const;
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  size_t bytes_max_;
  size_t bytes_ = 0;
  std::deque<Batch> batches_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_TAIL_H_
