// One run of one plan: a phase with faults, a phase without, and the judgement.
//
// After the faults everything is mended, and within T_heal - ten times the sum of the timeouts - one node leads, all
// know it, every call of a client has an answer, and a fresh write and fresh reads on all nodes succeed (I-26). Then
// nothing may happen for a long while: no election (I-27), nothing that grows (I-25). In the end all logs, high
// watermarks, voter sets and states are equal and all disks open again, even after a power failure (I-28), and the
// clients' history is judged.
//
// One thread; deterministic in the plan and the code.
#ifndef QUORATE_TESTING_SIMULATOR_RUN_H_
#define QUORATE_TESTING_SIMULATOR_RUN_H_

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "quorate/testing/simulator.h"
#include "testing/simulator/cluster.h"
#include "testing/simulator/network.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

struct RunOptions {
  std::string mutant;  // a seeded bug, in a build that has them
  // The referee forgets a completed write: every run in which enough is written must fail. For testing the harness.
  bool canary = false;
  // Everything that happens, line by line; empty: nobody listens.
  std::function<void(const std::string& line)> trace;
  // (kind, node, hash) after every event: see Scheduler::on_event.
  std::function<void(EventKind, int, uint64_t)> on_event;
};

struct RunResult {
  std::optional<Violation> violation;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  absl::Duration simulated;
  uint64_t calls = 0;      // of clients
  uint64_t succeeded = 0;  // of those
  uint64_t elections = 0;
  uint64_t committed = 0;  // records
  NetworkCounters network;
  std::array<uint64_t, kFaultKinds> faults{};
  std::map<std::string, uint64_t> marks;
  bool mutant_was_reached = false;
};

RunResult Run(const SimulationPlan& plan, const Subject& subject, const WorkloadFactory& workload,
              const RunOptions& options = {});

// quorate's own: StoreMachine and its workload, quorate's files.
Subject OwnSubject();
WorkloadFactory OwnWorkload(const SimulationPlan& plan);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_RUN_H_
