// The way in for hosts: quorate/testing/simulator.h.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "testing/simulator/failure_report.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"
#include "testing/simulator/shrink.h"

namespace quorate::testing {
namespace {

using simulator::RunResult;
using simulator::SimulationPlan;

simulator::Subject SubjectOf(const SimulationOptions& options, const StateMachineFactory& machine) {
  simulator::Subject subject;
  subject.machine = machine;
  subject.storage = options.storage.has_value() ? *options.storage : simulator::FileStorageAdapter();
  subject.transport = options.transport;
  return subject;
}

// What is wrong with a call, in one sentence; empty: nothing.
std::string Problem(const SimulationOptions& options, const StateMachineFactory& machine,
                    const WorkloadFactory& workload) {
  if (!machine) return "there is no factory of state machines";
  if (!workload) return "there is no factory of workloads";
  if (options.storage.has_value() && (!options.storage->format || !options.storage->open)) {
    return "the storage adapter lacks format or open; it needs both";
  }
  if (options.duration_max < absl::Milliseconds(1)) {
    return absl::StrCat("duration_max is ", absl::FormatDuration(options.duration_max), "; it must be 1 ms or more");
  }
  return "";
}

SimulationResult Refused(const std::string& what) {
  SimulationResult result;
  result.failure.emplace();
  result.failure->what = result.failure->report = what;
  return result;
}

simulator::RunOptions RunOptionsOf(const SimulationOptions& options) {
  simulator::RunOptions run;
  if (options.trace) run.trace = [&options](const std::string& line) { options.trace(line); };
  return run;
}

void Add(const RunResult& run, SimulationResult* sum) {
  ++sum->seeds;
  sum->simulated += run.simulated;
  sum->events += run.events;
  for (const uint64_t faults : run.faults) sum->faults += faults;
  sum->calls += run.succeeded;
  sum->trace_hash = sum->trace_hash * 31 + run.trace_hash;
}

SimulationFailure FailureOf(const SimulationPlan& drawn, const RunResult& failed, const simulator::Shrunk& shrunk) {
  SimulationFailure failure;
  failure.seed = drawn.seed;
  failure.invariant = failed.violation->invariant;
  failure.what = shrunk.result.violation->what;
  failure.plan = simulator::PrintPlan(shrunk.plan);
  failure.report =
      absl::StrCat(simulator::FailureReport(drawn, failed, shrunk),
                   "\nThese lines are the plan: quorate::testing::ReplaySimulation runs it again, the same on every "
                   "machine, and shows "
                   "every\nmessage and log line to SimulationOptions::trace. The run as it was drawn: first_seed ",
                   drawn.seed, ", seeds 1.\n");
  return failure;
}

}  // namespace

SimulationResult RunSimulation(const SimulationOptions& options, const StateMachineFactory& machine,
                               const WorkloadFactory& workload) {
  if (const std::string problem = Problem(options, machine, workload); !problem.empty()) return Refused(problem);
  const simulator::Subject subject = SubjectOf(options, machine);
  const auto run = [&](const SimulationPlan& plan) { return simulator::Run(plan, subject, workload); };
  SimulationResult result;
  for (uint64_t seed = options.first_seed; seed - options.first_seed < options.seeds; ++seed) {
    SimulationPlan plan = simulator::DrawPlan(seed);
    plan.config.duration = std::min(plan.config.duration, absl::ToInt64Milliseconds(options.duration_max));
    const RunResult ended = simulator::Run(plan, subject, workload, RunOptionsOf(options));
    Add(ended, &result);
    if (ended.violation.has_value()) {
      simulator::Shrunk shrunk{plan, ended, 0};
      if (options.shrink) shrunk = simulator::Shrink(plan, ended, run);
      result.failure = FailureOf(plan, ended, shrunk);
      return result;
    }
    if (options.on_progress) options.on_progress(seed);
  }
  return result;
}

SimulationResult ReplaySimulation(const SimulationOptions& options, absl::string_view text,
                                  const StateMachineFactory& machine, const WorkloadFactory& workload) {
  if (const std::string problem = Problem(options, machine, workload); !problem.empty()) return Refused(problem);
  absl::StatusOr<SimulationPlan> plan = simulator::ParsePlan(text);
  if (!plan.ok()) return Refused(std::string(plan.status().message()));
  SimulationResult result;
  const RunResult ended = simulator::Run(*plan, SubjectOf(options, machine), workload, RunOptionsOf(options));
  Add(ended, &result);
  if (ended.violation.has_value()) result.failure = FailureOf(*plan, ended, {*plan, ended, 0});
  return result;
}

}  // namespace quorate::testing
