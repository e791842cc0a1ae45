// Messages on their way out, and the gate that keeps them until what they say is on disk.
//
// A vote, a candidacy or any word spoken in a new epoch must not leave before that epoch and vote are stored (M-01,
// I-03). Instead of asking every sender to remember this, all messages pass here: each is stamped with the newest
// store that was asked for when it was made, and leaves, in order, once that store or a later one is done. Nothing
// can be sent around it, so the order "store, then speak" can't be got wrong.
//
// Bounded: while the disk hangs at most kHeldMax messages wait; further ones are dropped, which messages may be.
#ifndef QUORATE_RAFT_OUTBOX_H_
#define QUORATE_RAFT_OUTBOX_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "quorate/messages.h"

namespace quorate::raft {

class Outbox {
 public:
  static constexpr size_t kHeldMax = 4096;

  // A store was asked for: what is sent from now on waits for it. Returns its number, 1 and up.
  uint64_t BeginStore() { return ++requested_; }
  // All stores up to `sequence` are done, or were overtaken by it.
  void Stored(uint64_t sequence);
  [[nodiscard]] bool IsStored(uint64_t sequence) const { return sequence <= stored_; }

  void Send(Message message);
  // Takes back the FetchRequests that haven't left: they speak of a log that is about to change (I-12).
  void WithdrawFetches();
  // What may leave now.
  std::vector<Message> Take();

 private:
  struct Held {
    uint64_t needs;
    Message message;
  };
  uint64_t requested_ = 0;
  uint64_t stored_ = 0;
  std::deque<Held> queue_;  // `needs` ascends
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_OUTBOX_H_
