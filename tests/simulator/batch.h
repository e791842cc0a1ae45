// Many seeds, on several threads, with a progress line and a report.
#ifndef QUORATE_TESTS_SIMULATOR_BATCH_H_
#define QUORATE_TESTS_SIMULATOR_BATCH_H_

#include <cstdint>

#include "simulator/arguments.h"

namespace quorate::testing::simulator {

// From `first` to `last`, or until the time is up; the exit code.
int RunBatch(const Arguments& arguments, uint64_t first, uint64_t last);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_BATCH_H_
