#include "raft/silence.h"

#include <algorithm>

namespace quorate::raft {
namespace {

// Moves `value` towards `sample`: by a quarter upwards, by a 128th downwards. With a beat of 30 ms half of what a bad
// moment added is forgotten after three seconds.
absl::Duration Approach(absl::Duration value, absl::Duration sample) {
  return value + (sample - value) / (sample > value ? 4 : 128);
}

}  // namespace

SilenceDetector::SilenceDetector(absl::Duration shortest, absl::Duration longest, absl::Duration beat)
    : shortest_(std::min(shortest, longest)), longest_(longest), beat_(beat), timeout_(longest) {}

void SilenceDetector::Reset() {
  last_.reset();
  longest_gap_ = absl::ZeroDuration();
  samples_of_leader_ = 0;
  timeout_ = longest_;
}

void SilenceDetector::Heard(Instant now) {
  if (!last_.has_value()) {
    last_ = window_begun_ = now;
    longest_gap_ = absl::ZeroDuration();
    return;
  }
  longest_gap_ = std::max(longest_gap_, now - *last_);
  last_ = now;
  if (now - window_begun_ < beat_) return;
  TakeSample(now);
  window_begun_ = now;
  longest_gap_ = absl::ZeroDuration();
}

absl::Duration SilenceDetector::RememberWorst(Instant now, absl::Duration late) {
  if (!worst_begun_.has_value()) worst_begun_ = now;
  if (now - *worst_begun_ >= kMemory) {
    worst_before_ = worst_;
    worst_ = absl::ZeroDuration();
    worst_begun_ = now;
  }
  worst_ = std::max(worst_, late);
  return std::max(worst_, worst_before_);
}

void SilenceDetector::TakeSample(Instant now) {
  const absl::Duration late = std::clamp(longest_gap_ - beat_, absl::ZeroDuration(), timeout_);
  const absl::Duration error = late > mean_ ? late - mean_ : mean_ - late;
  deviation_ = Approach(deviation_, error);
  mean_ = Approach(mean_, late);
  const absl::Duration worst = RememberWorst(now, late);
  samples_ = std::min(samples_ + 1, kSamplesMin);
  samples_of_leader_ = std::min(samples_of_leader_ + 1, kSamplesOfLeaderMin);
  if (samples_ < kSamplesMin || samples_of_leader_ < kSamplesOfLeaderMin) return;
  timeout_ = std::clamp(2 * beat_ + std::max(mean_ + 4 * deviation_, 2 * worst), shortest_, longest_);
}

}  // namespace quorate::raft
