// Is the patience long enough? Hours of virtual time in noisy networks, on an idle quorum and on one that writes, in
// which nobody dies: every election is needless.
#ifndef QUORATE_BENCH_ELECTION_STABILITY_H_
#define QUORATE_BENCH_ELECTION_STABILITY_H_

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "support/results.h"

namespace quorate::bench {

struct StabilityOptions {
  absl::Duration span = absl::Hours(1);  // of each cell
  uint64_t seed = 1;
  const std::atomic<bool>* cancelled = nullptr;
};

// Returns how many needless elections there were; adds a table and figures
// "election.stability.<network>.<voters>.<needless_elections|suspicions>".
absl::StatusOr<uint64_t> RunStability(const StabilityOptions& options, Results* results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_STABILITY_H_
