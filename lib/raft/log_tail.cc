#include "raft/log_tail.h"

#include <algorithm>
#include <utility>

namespace quorate::raft {

void LogTail::Append(Batch batch) {
  bytes_ += batch.size();
  batches_.push_back(std::move(batch));
  while (bytes_ > bytes_max_ && batches_.size() > 1) {
    bytes_ -= batches_.front().size();
    batches_.pop_front();
  }
}

void LogTail::TruncateTo(Offset end) {
  while (!batches_.empty() && batches_.back().end_offset() > end) {
    bytes_ -= batches_.back().size();
    batches_.pop_back();
  }
}

void LogTail::TrimTo(Offset start) {
  while (!batches_.empty() && batches_.front().end_offset() <= start) {
    bytes_ -= batches_.front().size();
    batches_.pop_front();
  }
}

bool LogTail::Splits(Offset offset) const {
  const auto it = std::lower_bound(batches_.begin(), batches_.end(), offset,
                                   [](const Batch& batch, Offset o) { return batch.end_offset() <= o; });
  return it != batches_.end() && it->base_offset() < offset;
}

std::vector<Batch> LogTail::Read(Offset from, size_t bytes_max) const {
  std::vector<Batch> out;
  auto it = std::lower_bound(batches_.begin(), batches_.end(), from,
                             [](const Batch& batch, Offset offset) { return batch.base_offset() < offset; });
  if (it == batches_.end() || it->base_offset() != from) return out;
  size_t bytes = 0;
  for (; it != batches_.end() && (out.empty() || bytes + it->size() <= bytes_max); ++it) {
    bytes += it->size();
    out.push_back(*it);
  }
  return out;
}

}  // namespace quorate::raft
