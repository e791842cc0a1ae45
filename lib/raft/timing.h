// How long the core waits for what: every duration of the protocol in one place, derived from QuorumTimeouts.
//
// KRaft's rules (KIP-595, 996): random election timeouts in [T, 2T), a fixed fetch timeout, exponential random backoff
// after a lost election. quorate's additions are constants here with their reason.
#ifndef QUORATE_RAFT_TIMING_H_
#define QUORATE_RAFT_TIMING_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/quorum_types.h"
#include "quorate/voter_change.h"

namespace quorate::raft {

class Timing {
 public:
  Timing(const QuorumTimeouts& timeouts, Random* random) : t_(timeouts), random_(random) {}

  // Uniform in [T, 2T): two voters that lost the same leader seldom wake together.
  [[nodiscard]] absl::Duration Election() const { return t_.election + Below(t_.election); }
  // After the n-th failure in a row (1 and up): random in [0, 10 ms x 2^n), capped, and never nothing. It starts low
  // because a round takes a few milliseconds in one room, not a network's worst case; where the last round took longer,
  // that counts: two whose waits differ by less than a round trip collide again.
  [[nodiscard]] absl::Duration Backoff(int failures, absl::Duration round_trip) const {
    const absl::Duration range = std::max(kBackoffBase, round_trip) * (int64_t{1} << std::min(failures, 20));
    return std::min(absl::Milliseconds(1) + Below(range), std::max(t_.election_backoff_max, absl::Milliseconds(1)));
  }
  // A Prospective voter that saw a better one stand lets it go first for so long: a few stores, and a round trip as
  // this round took it. Without that, across regions, the wait would be over before the better one's request can be
  // here.
  [[nodiscard]] absl::Duration Stagger(absl::Duration round_trip) const {
    return round_trip + kStaggerBase + Below(kStaggerBase);
  }
  // A round may have taken long because a message was lost; to wait for that once more helps nobody.
  [[nodiscard]] absl::Duration RoundTripMax() const { return t_.election / 2; }
  // KIP-595: how long the successor at `position` of `count` waits; the first not at all, the rest ever longer.
  [[nodiscard]] absl::Duration SuccessorWait(size_t position, size_t count) const {
    if (position == 0) return absl::ZeroDuration();
    const absl::Duration max = t_.election_backoff_max;
    if (position >= count || count > 30) return max;
    return std::min(max, max / (int64_t{1} << (count - 1)) * (int64_t{1} << (position - 1)));
  }
  // Without a word from the leader for so long, a follower takes it for gone.
  [[nodiscard]] absl::Duration Fetch() const { return t_.fetch; }
  // ... or sooner: the bounds of the silence that it waits for are these and Fetch() (raft/silence.h).
  [[nodiscard]] absl::Duration SilenceMin() const {
    return std::clamp(t_.silence_min, absl::Milliseconds(1), t_.fetch);
  }
  // A follower with nothing else to say asks for a sign of life: five times within the shortest silence that counts.
  [[nodiscard]] absl::Duration KeepAlive() const { return std::min(SilenceMin() / 5, Resend()); }
  // Without fetches of a majority for so long, a leader resigns (M-09).
  [[nodiscard]] absl::Duration CheckQuorum() const { return t_.fetch; }
  // A leader reminds voters that don't fetch that it leads.
  [[nodiscard]] absl::Duration BeginEpochPeriod() const { return t_.fetch / 2; }
  // Messages get lost: what has no answer is sent again, and a silent follower asks for a sign of life. Several
  // tries fit into each timeout that they prevent.
  [[nodiscard]] absl::Duration Resend() const { return t_.fetch / 6; }
  // A leader whose disk accepted nothing for so long resigns (F-D12).
  [[nodiscard]] absl::Duration DiskStall() const { return t_.disk_stall; }
  // When, and how often, a leader whose state machine is stuck looks for somebody to hand over to (F-H02): the others
  // say with their fetches whether they are stuck too. And a transfer that failed held up the log for a moment, which
  // it mustn't at once again.
  [[nodiscard]] absl::Duration Relief() const { return 2 * t_.fetch; }
  // A voter whose priority is below the highest lets those with a higher one go first: longer than the longest Stagger,
  // and by more the lower it is. No luck in it: it is the same each time, so that the higher one always wins.
  [[nodiscard]] absl::Duration PriorityStagger(uint8_t priority, absl::Duration round_trip) const {
    if (priority >= kPriorityMax) return absl::ZeroDuration();
    return round_trip + 2 * kStaggerBase + kStaggerBase * (kPriorityMax - priority);
  }
  // Changes of the voter set. How long an endpoint is asked who it is; how short the last round of catching up must be
  // (thesis section 4.2.1); without a fetch for how long a newcomer isn't there; what is advised to who was refused.
  [[nodiscard]] absl::Duration Probe() const { return 2 * t_.request; }
  [[nodiscard]] absl::Duration CatchUpRound() const { return t_.election; }
  [[nodiscard]] absl::Duration NewcomerSilence() const { return 5 * t_.fetch; }
  [[nodiscard]] absl::Duration RetryChange() const { return t_.fetch; }
  // A replica's own wishes: how often it repeats them (KRaft: the fetch timeout), how long the leader tries.
  [[nodiscard]] absl::Duration WishPeriod() const { return 2 * t_.fetch; }
  [[nodiscard]] absl::Duration PeerChange() const { return absl::Seconds(30); }
  // Between two peers asked for the leader: quickly for the first round of all of them, then ever slower.
  [[nodiscard]] absl::Duration Discovery(uint64_t rounds) const {
    return std::min(t_.retry_backoff * (int64_t{1} << std::min<uint64_t>(rounds, 10)), t_.fetch / 2);
  }
  // Between two events of a node that wasn't paused pass less than this (F-P06).
  [[nodiscard]] absl::Duration Pause() const { return t_.election / 2; }
  // A leader that leaves waits no longer than this for its successors to know.
  [[nodiscard]] absl::Duration HandOver() const { return t_.election; }
  [[nodiscard]] absl::Duration RetryBackoff() const { return t_.retry_backoff; }
  // A snapshot that turned out bad, or could not be written, is loaded again after ever longer waits: it may be large.
  [[nodiscard]] absl::Duration SnapshotRetry(int failures) const {
    return std::max(t_.retry_backoff, absl::Milliseconds(1)) * (int64_t{1} << std::min(failures, 10));
  }

 private:
  static constexpr absl::Duration kBackoffBase = absl::Milliseconds(10);
  static constexpr absl::Duration kStaggerBase = absl::Milliseconds(10);

  [[nodiscard]] absl::Duration Below(absl::Duration range) const {
    const int64_t nanos = absl::ToInt64Nanoseconds(range);
    return nanos <= 0 ? absl::ZeroDuration() : absl::Nanoseconds(random_->Below(static_cast<uint64_t>(nanos)));
  }

  const QuorumTimeouts t_;
  Random* const random_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TIMING_H_
