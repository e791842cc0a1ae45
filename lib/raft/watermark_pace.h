// When followers hear of a high watermark that no batch takes along.
//
// At once, as a rule: what is committed is to be applied everywhere (KIP-1166 has the same aim). But where writes
// follow one another, each waiting for the one before, the next batch is about to leave and carries the high watermark
// for nothing. Without that a commit of three nodes takes six messages where four do, and each message wakes a thread
// at either end, which is what a commit of one caller mostly costs. So in a row - kRow batches, each of which came soon
// upon a commit - the high watermark waits for the next batch; when none comes within kWait, the row was over, and it
// is told. Lone writes, and the first few of a new leader, never wait.
//
// What is late by kWait at most is that followers apply the end of a row. A linearizable read there doesn't wait for
// it: the round that confirms a read tells the high watermark.
#ifndef QUORATE_RAFT_WATERMARK_PACE_H_
#define QUORATE_RAFT_WATERMARK_PACE_H_

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "quorate/environment.h"

namespace quorate::raft {

class WatermarkPace {
 public:
  // Longer than a client that gets an answer needs for its next call, shorter than anybody minds.
  static constexpr absl::Duration kWait = absl::Milliseconds(1);
  static constexpr int kRow = 4;

  // The high watermark moved.
  void Moved(Instant now) {
    if (waits_) return;  // and has since then: nothing waits for longer than kWait
    soon_until_ = now + kWait;
    waits_ = row_ >= kRow;
    if (waits_) due_ = soon_until_;
  }
  // A batch is about to leave to everybody who has room for it; who hasn't is told without.
  void Appended(Instant now) {
    row_ = now <= soon_until_ ? std::min(row_ + 1, kRow) : 0;
    waits_ = false;
  }
  // True if what waited waited for nothing.
  bool Tick(Instant now) {
    if (now < due_) return false;
    due_ = Instant::Infinite();
    if (waits_) row_ = 0;
    return std::exchange(waits_, false);
  }
  [[nodiscard]] bool waits() const { return waits_; }
  // When to Tick. A batch doesn't change it: the timer that is set may stay.
  [[nodiscard]] Instant due() const { return due_; }

 private:
  Instant soon_until_ = Instant::FromNanos(0);
  int row_ = 0;  // batches that came soon upon a commit, one after the other; counted up to kRow
  bool waits_ = false;
  Instant due_ = Instant::Infinite();
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_WATERMARK_PACE_H_
