// Raft's leader election as its paper and thesis describe it, and nothing else: random timeouts, no pre-vote, no hint
// from broken connections, no rank between candidates. What quorate is compared with under virtual time.
//
// The experiment is that of Ongaro's thesis, section 9.3 ("Consensus: Bridging Theory and Practice", 2014): five
// servers, a broadcast takes about 15 ms, heartbeats come every half minimum timeout and are synchronised just before
// the leader crashes, at a random point of its heartbeat interval; logs have different lengths, so that not everybody
// can win. A broadcast time says nothing of how it is made up, which matters: two candidates collide if the second one
// stands before the first one's request is there. So a voter takes some of it to store its vote, before it answers.
#ifndef QUORATE_BENCH_ELECTION_PLAIN_RAFT_H_
#define QUORATE_BENCH_ELECTION_PLAIN_RAFT_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "sim_world.h"

namespace quorate::bench {

struct PlainRaftOptions {
  int servers = 5;
  absl::Duration timeout_min;
  absl::Duration timeout_max;
  Delay network;  // one way
  Delay store;    // of a vote
  uint64_t seed = 1;
};

// One crash: from the death of the leader to the arrival of the first message of the next one; never more than `limit`
// (where timeouts aren't random, votes split again and again).
absl::Duration PlainRaftElection(const PlainRaftOptions& options, Random& random, absl::Duration limit);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_PLAIN_RAFT_H_
