// How long a follower waits in silence before it takes its leader for gone.
//
// The intuition. A follower that has heard nothing for a while asks for a sign of life, and a healthy leader answers at
// once. So the longest gap between two signs, in a short window of time, is the rhythm of asking plus what the network,
// both schedulers and both event loops add to it. On an idle machine that addition is nothing, and five missed beats
// are proof enough. On a machine whose cores are all busy, or over a network that hiccups, beats come late, and the
// same silence proves nothing. A fixed timeout has to be chosen for the worst of these, and then every hung leader
// costs that much on the best.
//
// So we measure how late the signs come, as TCP measures round trips (Jacobson 1988; the phi accrual detector of
// Hayashibara et al., 2004, is the same thought with a distribution instead of two numbers): a mean of the lateness and
// its mean deviation, and we wait two beats, plus the mean, plus four deviations - within bounds that the operator
// sets, because a measurement that has gone astray must neither depose a healthy leader nor keep a dead one.
//
// That is the weather of the last seconds. Some things are rare and come back all the same: a lost packet on an idle
// connection costs a retransmission timeout, a quarter of a second, every few minutes. A mean has forgotten the last
// one when the next one comes. So we also remember the worst lateness of the last five to ten minutes, and wait two
// beats plus twice that, if it is more. What happened once is no emergency the second time.
//
// Details that matter:
//  - A sample is the longest gap in a window of one beat, not each gap: under load signs come by the thousand, and
//    their tiny gaps would talk the estimate down just before the load ends.
//  - Up quickly, down slowly. One late beat says "be careful" now; only many punctual ones say that it is over.
//  - A single gap counts at most as much as the present timeout. Else one pause of a second would blind us for
//    minutes.
//  - A pause of *ours* isn't the leader's silence: the driver says so, and that gap is not sampled.
//  - Until some beats were heard, the answer is the upper bound: eight of any leader's, and three of this one's. For
//    most lateness is made by our own machine and the network, and outlives a leader; so what was measured stays, and
//    a new leader only has to show that it beats at all. One that is late itself says so with these three, as
//    patience grows at once.
//
// Which of several followers is right doesn't matter much: whoever is too quick asks for pre-votes, is refused by those
// who hear the leader, and goes on.
//
// Single-threaded. No clock, no randomness.
#ifndef QUORATE_RAFT_SILENCE_H_
#define QUORATE_RAFT_SILENCE_H_

#include <optional>

#include "absl/time/time.h"
#include "quorate/environment.h"

namespace quorate::raft {

class SilenceDetector {
 public:
  // The answer stays in [shortest, longest]; `beat` is how often a silent leader is asked.
  SilenceDetector(absl::Duration shortest, absl::Duration longest, absl::Duration beat);

  // Another leader: nothing is known of its rhythm, but what was measured of our surroundings stays.
  void Reset();
  // A sign of life.
  void Heard(Instant now);
  // We were paused, or not listening: the gap that runs says nothing.
  void Interrupted() { last_.reset(); }

  [[nodiscard]] absl::Duration Timeout() const { return timeout_; }

 private:
  static constexpr int kSamplesMin = 8;
  static constexpr int kSamplesOfLeaderMin = 3;
  static constexpr absl::Duration kMemory = absl::Minutes(5);

  void TakeSample(Instant now);
  // The worst lateness since between one and two kMemory ago.
  absl::Duration RememberWorst(Instant now, absl::Duration late);

  const absl::Duration shortest_;
  const absl::Duration longest_;
  const absl::Duration beat_;
  absl::Duration timeout_;
  std::optional<Instant> last_;
  Instant window_begun_;
  absl::Duration longest_gap_;  // in this window
  int samples_ = 0;             // ever, up to kSamplesMin
  int samples_of_leader_ = 0;   // of these, up to kSamplesOfLeaderMin
  absl::Duration mean_;         // of the lateness: how much the longest gap exceeds a beat
  absl::Duration deviation_;    // from that mean
  std::optional<Instant> worst_begun_;
  absl::Duration worst_;         // lateness since then
  absl::Duration worst_before_;  // and in the kMemory before
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_SILENCE_H_
