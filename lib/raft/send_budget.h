// How fast a leader hands out snapshots: a token bucket, as time instead of tokens.
//
// What was sent is paid for with the time that it takes at the configured rate; nothing is sent while more than a short
// burst is unpaid. Keeping one moment, "paid at", needs no refill timer and no fractions of tokens, and says directly
// when to look again.
//
// Without a limit a few followers that load a large snapshot could fill the leader's link, and its own records would
// stand in the queue behind them.
//
// Single-threaded, like everything here.
#ifndef QUORATE_RAFT_SEND_BUDGET_H_
#define QUORATE_RAFT_SEND_BUDGET_H_

#include <cstdint>

#include "quorate/environment.h"

namespace quorate::raft {

class SendBudget {
 public:
  // 0: no limit.
  explicit SendBudget(uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  // From when on something may be sent.
  [[nodiscard]] Instant ready_at() const;
  // How much to send at once: never more than a small part of a second's worth, so that nobody waits long for his
  // next piece.
  [[nodiscard]] uint32_t PieceBytesMax() const;
  void Spend(Instant now, uint64_t bytes);

 private:
  uint64_t rate_;
  Instant paid_at_;  // what was sent so far
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_SEND_BUDGET_H_
