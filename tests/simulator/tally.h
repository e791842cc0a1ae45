// What many runs come to: counts, and a report in Markdown (docs/testing.md has the one of the long run).
//
// One thread at a time.
#ifndef QUORATE_TESTS_SIMULATOR_TALLY_H_
#define QUORATE_TESTS_SIMULATOR_TALLY_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"

namespace quorate::testing::simulator {

struct Failure {
  uint64_t seed = 0;
  std::string invariant;
  std::string what;
  std::string replay;  // the command
};

struct Tally {
  uint64_t seeds = 0;
  absl::Duration simulated;
  uint64_t events = 0;
  uint64_t calls = 0;
  uint64_t succeeded = 0;
  uint64_t elections = 0;
  uint64_t committed = 0;
  uint64_t hash = 0;  // the sum over all seeds: the same in any order
  NetworkCounters network;
  std::array<uint64_t, kFaultKinds> faults{};
  std::map<std::string, uint64_t> marks;  // how many seeds hit each
  std::vector<Failure> failures;

  void Add(const RunResult& run);
  // `wall`: how long it took, with `jobs` threads, from seed `first` on.
  [[nodiscard]] std::string Report(const std::string& commit, uint64_t first, absl::Duration wall, int jobs) const;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_TALLY_H_
