// Makes a failing plan smaller while it still fails in the same way: whole classes of faults go first, then halves,
// quarters and single ones of those that are left (delta debugging, Zeller and Hildebrandt 2002), then rates and sizes
// become calm, nodes and clients fewer, the time shorter.
//
// "The same way" is the invariant that is named: another one is another finding. A change of the plan shifts what is
// left to chance, so a try may miss the failure though it could still happen; what comes out is small, not least.
//
// Deterministic in its inputs.
#ifndef QUORATE_TESTING_SIMULATOR_SHRINK_H_
#define QUORATE_TESTING_SIMULATOR_SHRINK_H_

#include <functional>

#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"

namespace quorate::testing::simulator {

struct Shrunk {
  SimulationPlan plan;
  RunResult result;  // of that plan
  int runs = 0;      // that it took
};

using RunOnce = std::function<RunResult(const SimulationPlan&)>;

// `failed` is the result of `plan`.
Shrunk Shrink(const SimulationPlan& plan, const RunResult& failed, const RunOnce& run, int runs_max = 400);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_SHRINK_H_
