// So many callers, each of which waits for its answer before it asks again: what commits cost, and how many there are.
#ifndef QUORATE_BENCH_COMPARE_CLOSED_LOOP_H_
#define QUORATE_BENCH_COMPARE_CLOSED_LOOP_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/put_client.h"
#include "compare/system.h"
#include "support/histogram.h"

namespace quorate::compare {

struct CommitCell {
  int callers = 1;
  size_t bytes = 100;
};

struct CommitResult {
  bench::Histogram latency;
  double seconds = 0;
  double cpu_ms = 0;  // of the three servers
  // Adds a further run of the same cell.
  void Merge(const CommitResult& other);
  [[nodiscard]] double ops_per_s() const { return static_cast<double>(latency.count()) / seconds; }
  [[nodiscard]] double cpu_ms_per_1000() const { return cpu_ms * 1000 / static_cast<double>(latency.count()); }
};

constexpr int kKeys = 1000;  // that a commit cell draws from

// Makes sure that the keys of the cells are there.
absl::Status MakeKeys(PutClient& client);
absl::StatusOr<CommitResult> RunClosedLoop(System& system, PutClient& client, const CommitCell& cell,
                                           absl::Duration warm_up, absl::Duration duration);
// Writes `entries` values of `bytes` over `keys` keys, with 256 callers.
absl::Status Fill(PutClient& client, int64_t entries, int64_t keys, size_t bytes);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_CLOSED_LOOP_H_
