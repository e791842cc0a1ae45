// The ways in which the crash tests let the lights go out.
#ifndef QUORATE_TESTS_STORAGE_CRASH_CASES_H_
#define QUORATE_TESTS_STORAGE_CRASH_CASES_H_

#include <cstdint>
#include <vector>

#include "testing/sim_file_system.h"

namespace quorate::storage {

struct CrashCase {
  testing::CrashMoment moment;
  testing::Survival survival;
  uint64_t seed;
};

// A kill, the kindest power failure, and several unkind ones.
inline std::vector<CrashCase> CrashCases(uint64_t random_seeds) {
  using testing::CrashMoment;
  using testing::Survival;
  std::vector<CrashCase> cases = {{CrashMoment::kBefore, Survival::kAll, 1},
                                  {CrashMoment::kAfter, Survival::kAll, 1},
                                  {CrashMoment::kBefore, Survival::kNone, 1},
                                  {CrashMoment::kAfter, Survival::kNone, 1}};
  for (uint64_t seed = 1; seed <= random_seeds; ++seed) {
    cases.push_back({seed % 2 == 0 ? CrashMoment::kBefore : CrashMoment::kAfter, Survival::kRandom, seed});
  }
  return cases;
}

}  // namespace quorate::storage

#endif  // QUORATE_TESTS_STORAGE_CRASH_CASES_H_
