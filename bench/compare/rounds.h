// The work of one round on one contender: a fresh cluster of it, everything that is measured, and nothing left behind.
#ifndef QUORATE_BENCH_COMPARE_ROUNDS_H_
#define QUORATE_BENCH_COMPARE_ROUNDS_H_

#include <string>

#include "absl/status/status.h"
#include "compare/measurements.h"
#include "compare/system.h"

namespace quorate::compare {

// `name` is for progress and for keys; data goes into a folder of its own below `directory`.
absl::Status RunRound(const Contender& contender, const Plan& plan, int round, const std::string& directory,
                      Measurements* out);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_ROUNDS_H_
