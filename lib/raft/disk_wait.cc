#include "raft/disk_wait.h"

#include <algorithm>

namespace quorate::raft {

void DiskWait::Appended(Instant now, Offset end) {
  if (!appends_.empty() && appends_.back().since == now) {
    appends_.back().end = end;
  } else {
    appends_.push_back({end, now});
  }
}

void DiskWait::Durable(Offset end) {
  while (!appends_.empty() && appends_.front().end <= end) appends_.pop_front();
}

void DiskWait::Truncated(Offset new_end, Offset durable) {
  for (Append& append : appends_) append.end = std::min(append.end, new_end);
  Durable(durable);
  // Several may end there now: the oldest of them says since when.
  while (appends_.size() > 1 && appends_[appends_.size() - 2].end == new_end) appends_.pop_back();
}

void DiskWait::Reset(Instant now, Offset start) {
  appends_.clear();
  Appended(now, start);
}

void DiskWait::Stored(uint64_t sequence) {
  while (!stores_.empty() && stores_.front().sequence <= sequence) stores_.pop_front();
}

std::optional<Instant> DiskWait::since() const {
  std::optional<Instant> oldest;
  if (!appends_.empty()) oldest = appends_.front().since;
  if (!stores_.empty()) oldest = std::min(oldest.value_or(Instant::Infinite()), stores_.front().since);
  return oldest;
}

}  // namespace quorate::raft
