// Linearizable reads that wait for proof of leadership, in two groups: those that wait for the next round and those
// whose round runs (thesis section 6.4, ReadIndex).
//
// A read may only use a round that began after the read did; one that arrives while a round runs waits for the next
// (M-28). That is why there are two groups and no way to join the running one. The same shape serves a leader, whose
// round is an exchange with a majority, and a follower, whose round is a question to the leader: either way
// any number of reads share one round.
//
// Bounded by limits::kPendingReadsMax.
#ifndef QUORATE_RAFT_READ_QUEUE_H_
#define QUORATE_RAFT_READ_QUEUE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "quorate/types.h"

namespace quorate::raft {

// A read of this node, or, with `asker`, of a follower that asked us.
struct PendingRead {
  uint64_t id = 0;
  struct Asker {
    ReplicaKey key;
    IncarnationId incarnation;
    uint64_t request_id = 0;
  };
  std::optional<Asker> asker;
};

class ReadQueue {
 public:
  // False: full.
  bool Add(PendingRead read);
  // Forgets a read of this node.
  void Cancel(uint64_t id);

  [[nodiscard]] bool has_waiting() const { return !waiting_.empty(); }
  [[nodiscard]] bool round_runs() const { return round_runs_; }
  // The waiting reads become the round's. Only when none runs.
  void BeginRound();
  // The round is done: its reads.
  std::vector<PendingRead> EndRound();
  // The round proves nothing any more: its reads wait for the next.
  void AbandonRound();
  // Every read there is.
  std::vector<PendingRead> TakeAll();

 private:
  std::vector<PendingRead> waiting_;
  std::vector<PendingRead> running_;
  bool round_runs_ = false;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_READ_QUEUE_H_
