// A hundred thousand elections under virtual time, over a grid: two networks, leaders that crash (their connections
// break) or vanish (nobody is told), the least silence that counts, and the width of the random waits. The question of
// Ongaro's thesis, section 9.3: how much do the minimum and the randomness of the timeouts matter?
#ifndef QUORATE_BENCH_ELECTION_SWEEP_H_
#define QUORATE_BENCH_ELECTION_SWEEP_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "support/results.h"

namespace quorate::bench {

struct SweepOptions {
  int voters = 3;
  int elections = 100'000;  // shared out among the cells
  uint64_t seed = 1;
  const std::atomic<bool>* cancelled = nullptr;
};

// Adds a table of all cells, a chart for each network and way to die, and figures
// "election.virtual.<network>.<crash|silent>.<min>.<width>.<median_ms|p99_ms|max_ms>".
absl::Status RunSweep(const SweepOptions& options, Results* results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_SWEEP_H_
