// How a newcomer catches up before it may vote (M-34; Raft thesis, section 4.2.1).
//
// A voter that lacks the log can't help to commit: with {1,2,3} and an empty 4, the loss of one voter stops everything
// until 4 has copied all of it. So the newcomer fetches as an observer first, in *rounds*. A round's target is where
// the leader's log ends when it begins; meanwhile more is appended, and that is the next round. A round that took less
// than an election timeout means that the newcomer is less than that behind, and adding it can't cost more than a
// failover does. A newcomer that doesn't get there in ten rounds is slower than the writes, and won't.
//
// The tempting alternative, "its lag is below N records", is right for one write rate and one disk.
//
// Single-threaded.
#ifndef QUORATE_RAFT_CATCH_UP_H_
#define QUORATE_RAFT_CATCH_UP_H_

#include <algorithm>
#include <optional>

#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/types.h"

namespace quorate::raft {

class CatchUp {
 public:
  static constexpr int kRoundsMax = 10;
  enum class State {
    kRunning,
    kDone,
    kSilent,   // it doesn't fetch
    kTooSlow,  // it fetches, but never gets there
  };

  // `round_max`: how short a round must be; `silence_max`: how long it may not fetch.
  CatchUp(Instant now, Offset leader_end, absl::Duration round_max, absl::Duration silence_max)
      : round_max_(round_max), silence_max_(silence_max), begun_(now), round_begun_(now), target_(leader_end) {}

  // Where things stand: how far the leader's log goes, how far the newcomer is durable (M-13), when it fetched last.
  State Step(Instant now, Offset leader_end, Offset durable_end, std::optional<Instant> last_fetch) {
    silent_since_ = std::max(begun_, last_fetch.value_or(begun_));
    if (now >= Deadline()) return State::kSilent;
    // What it acknowledged long ago doesn't show that it is there now.
    if (durable_end < target_ || !last_fetch.has_value() || now - *last_fetch >= round_max_) return State::kRunning;
    if (now - round_begun_ < round_max_) return State::kDone;
    if (++rounds_ >= kRoundsMax) return State::kTooSlow;
    round_begun_ = now;
    target_ = leader_end;
    return State::kRunning;
  }

  [[nodiscard]] Offset target() const { return target_; }
  // Without a fetch until then it is silent.
  [[nodiscard]] Instant Deadline() const { return std::max(begun_, silent_since_) + silence_max_; }

 private:
  absl::Duration round_max_;
  absl::Duration silence_max_;
  Instant begun_;
  Instant silent_since_;
  Instant round_begun_;
  Offset target_;
  int rounds_ = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CATCH_UP_H_
