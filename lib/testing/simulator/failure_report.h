// A failure, told to somebody who has to find its cause.
//
// Pure function; any thread.
#ifndef QUORATE_TESTING_SIMULATOR_FAILURE_REPORT_H_
#define QUORATE_TESTING_SIMULATOR_FAILURE_REPORT_H_

#include <string>

#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"
#include "testing/simulator/shrink.h"

namespace quorate::testing::simulator {

// What an invariant demands, in one sentence; empty for an unknown one.
absl::string_view InvariantText(absl::string_view invariant);

// `drawn` and `failed`: as the seed had it. `shrunk`: what was left of it.
std::string FailureReport(const SimulationPlan& drawn, const RunResult& failed, const Shrunk& shrunk);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_FAILURE_REPORT_H_
