// The stability run on a real machine: three members at default timeouts, every core saturated by threads that only
// burn, and nobody dies. Every election is needless.
#ifndef QUORATE_BENCH_ELECTION_STABILITY_REAL_H_
#define QUORATE_BENCH_ELECTION_STABILITY_REAL_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cluster.h"
#include "support/results.h"

namespace quorate::bench {

// Returns how many needless elections there were; adds a table and figures "election.stability_real.<…>".
absl::StatusOr<uint64_t> RunStabilityReal(const ClusterOptions& options, absl::Duration span, Results* results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_STABILITY_REAL_H_
