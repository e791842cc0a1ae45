// The same elections without waiting for them: the production core under virtual time, one thread, an event
// queue. Delays of network, disk and crash detection are drawn from distributions that were measured on a
// small machine (loopback, an SSD-backed volume); ten thousand elections take seconds, so that the tail shows.
#ifndef QUORATE_BENCH_ELECTION_VIRTUAL_TIME_H_
#define QUORATE_BENCH_ELECTION_VIRTUAL_TIME_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "statistics.h"

namespace quorate::bench {

struct VirtualRunOptions {
  int voters = 3;
  int elections = 10'000;
  uint64_t seed = 1;
};

absl::StatusOr<std::vector<Series>> RunVirtual(const VirtualRunOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_VIRTUAL_TIME_H_
