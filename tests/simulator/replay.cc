#include "simulator/replay.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "testing/simulator/failure_report.h"
#include "testing/simulator/shrink.h"

namespace quorate::testing::simulator {

std::string ReplayCommand(const Arguments& arguments, uint64_t seed) {
  return absl::StrCat("quorate-sim --seeds ", seed, "..", seed,
                      arguments.mutant.empty() ? "" : absl::StrCat(" --mutant ", arguments.mutant),
                      arguments.canary ? " --canary" : "", " --trace");
}

void PrintFailure(const SimulationPlan& plan, const RunResult& failed, const Arguments& arguments,
                  const std::string& replay) {
  RunOptions quiet = OptionsOf(arguments);
  quiet.trace = nullptr;
  Shrunk shrunk{plan, failed, 0};
  if (arguments.shrink) shrunk = Shrink(plan, failed, [&](const SimulationPlan& p) { return RunOwn(p, quiet); });
  std::printf(
      "\n%s\nAgain, with every message:\n    %s\nThe short one: the plan above in a file, and\n"
      "    quorate-sim --replay FILE --trace\nOnce it is fixed, the file belongs into tests/simulator/seeds/.\n\n",
      FailureReport(plan, failed, shrunk).c_str(), replay.c_str());
  std::fflush(stdout);
}

int Replay(const Arguments& arguments) {
  int failed = 0;
  for (const std::string& path : arguments.replay) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    absl::StatusOr<SimulationPlan> plan = ParsePlan(text.str());
    if (!plan.ok() || text.str().empty()) {
      std::printf("%s: %s\n", path.c_str(), plan.ok() ? "is empty or can't be read" : plan.status().ToString().c_str());
      return 2;
    }
    // A stored seed that says nothing but its number is the seed as it is drawn.
    if (plan->faults.empty() && plan->config == ParsePlan("")->config) plan = DrawPlan(plan->seed);
    const RunResult result = RunOwn(*plan, OptionsOf(arguments));
    std::string reached;
    for (const auto& [mark, count] : result.marks) absl::StrAppend(&reached, " ", mark);
    std::printf("%s: %s; %llu calls, %llu elections, took%s\n", path.c_str(),
                result.violation.has_value() ? result.violation->invariant.c_str() : "holds",
                static_cast<unsigned long long>(result.calls), static_cast<unsigned long long>(result.elections),
                reached.empty() ? " no mark" : reached.c_str());
    if (!result.violation.has_value()) continue;
    ++failed;
    PrintFailure(*plan, result, arguments, absl::StrCat("quorate-sim --replay ", path, " --trace"));
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace quorate::testing::simulator
