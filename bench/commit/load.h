// What a load is, and what came of it: the same description for callers in the leader's process and for clients.
//
// Closed loop: so many callers, each with one call under way; the next begins when the last one's answer came.
// Open loop: calls begin at fixed times, whatever became of those before. A call's latency counts from the time at
// which it was meant to begin, so that a stall shows in every call that it held up (no coordinated omission).
//
// Values; any thread.
#ifndef QUORATE_BENCH_COMMIT_LOAD_H_
#define QUORATE_BENCH_COMMIT_LOAD_H_

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "host/protocol.h"
#include "quorate/environment.h"
#include "quorate/testing/linearizability.h"
#include "support/histogram.h"

namespace quorate::bench {

struct LoadSpec {
  int callers = 1;      // closed loop; open: at most so many under way
  double rate = 0;      // calls per second of an open loop; 0: closed
  bool read = false;    // linearizable reads instead of writes
  bool threads = true;  // in the leader's process: each caller is a thread that waits; else few threads never wait
  int64_t value_bytes = 100;
  int64_t keys = 1000;     // chosen at random
  double seconds = 1;      // what is measured
  double warm_up = 0.3;    // what comes before
  uint64_t calls_max = 0;  // clients end after so many calls, if they are not done before; 0: no bound
  uint64_t seed = 1;
  int connections = 4;  // of clients; each carries callers / connections of them
  bool record = false;  // clients keep the history

  [[nodiscard]] std::string ToJson() const;
  static absl::StatusOr<LoadSpec> FromJson(absl::string_view json);
};

struct LoadResult {
  uint64_t measured = 0;   // calls that began and succeeded within the time that is measured
  uint64_t succeeded = 0;  // all that did
  uint64_t failed = 0;
  std::string failure;  // the first one's words
  double seconds = 0;   // that were measured
  double p50_us = 0, p90_us = 0, p99_us = 0, p999_us = 0, max_us = 0;
  std::vector<std::pair<double, double>> cdf;  // (milliseconds, share)
  std::vector<testing::Operation> history;     // if it was asked for; not in the JSON

  [[nodiscard]] double ops_per_s() const { return seconds > 0 ? static_cast<double>(measured) / seconds : 0; }
  [[nodiscard]] std::string ToJson() const;
  static absl::StatusOr<LoadResult> FromJson(absl::string_view json);
};

// Counts calls into a result. One thread.
class LoadMeter {
 public:
  // Measures from `start` + warm_up for `seconds`.
  LoadMeter(const LoadSpec& spec, Instant start);
  [[nodiscard]] Instant end() const { return end_; }
  void Succeeded(Instant called, Instant returned);
  void Failed(absl::string_view why);
  [[nodiscard]] uint64_t failed() const { return failed_; }
  void Merge(const LoadMeter& other);
  [[nodiscard]] LoadResult Result() const;

 private:
  Instant begin_;
  Instant end_;
  Histogram latencies_;
  uint64_t succeeded_ = 0;
  uint64_t failed_ = 0;
  std::string failure_;
};

// Draws commands: random keys, values of the wanted size that never repeat, neither in sources of another seed.
class CommandSource {
 public:
  CommandSource(const LoadSpec& spec, uint64_t stream);
  // Valid until the next call.
  const host::Command& Next();

 private:
  const LoadSpec& spec_;
  const uint64_t stream_;
  std::minstd_rand random_;
  uint64_t drawn_ = 0;
  std::string key_;
  std::string value_;
  host::Command command_;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_LOAD_H_
