// What the disk of this node owes: appends and votes that were given to it and that it hasn't reported yet, with the
// time since when. A disk that stalls is seen here first, and by everybody who asks in the same figure: the watchdog of
// a leader (F-D12), and the operator (QuorumDescription::disk_age).
//
// The age of the oldest unfinished write, and not the time since the last one that finished: a disk that has had
// nothing to do is not slow, and one that finishes what came late before what came early is.
//
// Bounded by what is in flight: one entry for each moment at which something was appended.
//
// Pure; belongs to the core.
#ifndef QUORATE_RAFT_DISK_WAIT_H_
#define QUORATE_RAFT_DISK_WAIT_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "quorate/environment.h"
#include "quorate/types.h"

namespace quorate::raft {

class DiskWait {
 public:
  // The log was made to end at `end`; not durable yet. Ends ascend.
  void Appended(Instant now, Offset end);
  // Everything below `end` is on disk.
  void Durable(Offset end);
  // The log was cut, and is durable up to `durable`.
  void Truncated(Offset new_end, Offset durable);
  // The log was replaced by an empty one that begins at `start`, which isn't on disk yet.
  void Reset(Instant now, Offset start);
  // Election state. Sequences ascend; the disk reports the newest, which stands for those before it.
  void Storing(Instant now, uint64_t sequence) { stores_.push_back({sequence, now}); }
  void Stored(uint64_t sequence);

  // Since when the oldest of all these waits; nullopt: nothing does.
  [[nodiscard]] std::optional<Instant> since() const;

 private:
  struct Append {
    Offset end;
    Instant since;
  };
  struct Store {
    uint64_t sequence;
    Instant since;
  };
  std::deque<Append> appends_;
  std::deque<Store> stores_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_DISK_WAIT_H_
