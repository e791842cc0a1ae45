// Failures: how they are told, and how stored plans are run again.
#ifndef QUORATE_TESTS_SIMULATOR_REPLAY_H_
#define QUORATE_TESTS_SIMULATOR_REPLAY_H_

#include <cstdint>
#include <string>

#include "simulator/arguments.h"

namespace quorate::testing::simulator {

// The one command that runs this seed again, and shows everything.
std::string ReplayCommand(const Arguments& arguments, uint64_t seed);

// Makes what failed small, and prints it with `replay`, the command.
void PrintFailure(const SimulationPlan& plan, const RunResult& failed, const Arguments& arguments,
                  const std::string& replay);

// Runs the plans in Arguments::replay; the exit code. tests/simulator/seeds/README.md has their format.
int Replay(const Arguments& arguments);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_REPLAY_H_
