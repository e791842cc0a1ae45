// What quorate-sim was asked for, on its command line.
#ifndef QUORATE_TESTS_SIMULATOR_ARGUMENTS_H_
#define QUORATE_TESTS_SIMULATOR_ARGUMENTS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "testing/simulator/run.h"

namespace quorate::testing::simulator {

struct Arguments {
  std::string seeds;
  uint64_t fresh = 0;
  double minutes = 0;
  std::string mutant;
  bool mutants = false;
  bool mutants_all = false;
  uint64_t seeds_per_mutant = 2'000;
  bool trace = false;
  int jobs = 1;
  std::string report;
  std::string commit;
  std::string cover;
  std::vector<std::string> replay;
  bool shrink = true;
  bool hashes = false;
  bool canary = false;
  uint64_t failures_max = 5;
};

inline RunOptions OptionsOf(const Arguments& arguments) {
  RunOptions options;
  options.mutant = arguments.mutant;
  options.canary = arguments.canary;
  if (arguments.trace) options.trace = [](const std::string& line) { std::puts(line.c_str()); };
  return options;
}

inline RunResult RunOwn(const SimulationPlan& plan, const RunOptions& options) {
  return Run(plan, OwnSubject(), OwnWorkload(plan), options);
}

using WallClock = std::chrono::steady_clock;
inline double SecondsSince(WallClock::time_point start) {
  return std::chrono::duration<double>(WallClock::now() - start).count();
}

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_ARGUMENTS_H_
