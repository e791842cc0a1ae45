// The experiment of Ongaro's thesis, section 9.3, under virtual time: five servers with logs of different lengths,
// heartbeats synchronised, the leader dies at a random point of its heartbeat interval, a broadcast takes 15 ms. Lines
// for plain Raft with the thesis' timeouts, and for quorate in the same network.
#ifndef QUORATE_BENCH_ELECTION_UNEQUAL_LOGS_H_
#define QUORATE_BENCH_ELECTION_UNEQUAL_LOGS_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "support/results.h"

namespace quorate::bench {

struct UnequalLogsOptions {
  int trials = 1000;  // of each line
  uint64_t seed = 1;
  const std::atomic<bool>* cancelled = nullptr;
};

// Adds a table, two charts (randomness, minimum) and figures "election.unequal.<raft|quorate>.<line>.<median_ms|…>".
absl::Status RunUnequalLogs(const UnequalLogsOptions& options, Results* results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_UNEQUAL_LOGS_H_
