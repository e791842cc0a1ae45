// File: quorate/testing/simulator.h
//
// Your state machine in a whole quorum that is beaten: production nodes with simulated disks, network and clocks, on
// one thread under virtual time. Processes are killed in the middle of a write, machines lose power and with it any
// part of what wasn't synced, links are cut one way, messages are lost, repeated and damaged, clocks run wrong, disks
// stall and fail - all drawn from a seed, so that what fails once fails every time:
//
//   auto result = quorate::testing::RunSimulation(
//       {.first_seed = 1, .seeds = 100}, [](const SimulatedProcess&) { return std::make_unique<MyMachine>(); },
//       [] { return std::make_unique<MyWorkload>(); });
//   if (!result.ok()) std::cerr << result.failure->report;
//
// What is checked: the quorum's own invariants after every event (docs/testing.md lists them), and of your state
// machine that it
//   - is a function of the records: the same records give the same results and the same snapshot on every node, in
//     every life of it, whatever the clock and the generator of a node show (fault F-H04);
//   - forgets nothing in a snapshot: a second copy is loaded from one now and then, fed with the same records from
//     there on, and must answer the same (I-18);
//   - answers its clients as a single copy would: every answer to a client must be the one that your own state machine
//     gives when the committed records are fed to it alone, in an order that clients could have seen (I-20).
//
// The first seed that fails is made smaller - fewer faults, fewer nodes, fewer clients, less time - and reported, with
// what it takes to run it again. What you hand in runs on the calling thread; what it throws while the quorum calls it
// stops that node, which is reported, too.
//
// One thread for each call; calls on several threads don't disturb each other, if your factories don't.
#ifndef QUORATE_TESTING_SIMULATOR_H_
#define QUORATE_TESTING_SIMULATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/file_system.h"
#include "quorate/state_machine.h"
#include "quorate/storage.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/linearizability.h"
#include "quorate/transport.h"

namespace quorate::testing {

// One life of one simulated process. Its clock and generator are its own: a state machine that lets them into its
// state is found out.
struct SimulatedProcess {
  int node = 0;
  Clock* clock = nullptr;
  Random* random = nullptr;
};
// Never null. Called once for each life of a process, and for the copies that the simulator compares with.
using StateMachineFactory = std::function<std::unique_ptr<StateMachine>(const SimulatedProcess&)>;

// One call of a client: a proposal, or a read. Reads are linearizable ones; of those at times a stale one is made.
struct WorkloadCall {
  bool read = false;
  // What is proposed. Best unlike all others, by the serial number: then one that takes effect twice is noticed.
  std::string record;
  std::string query;  // what is read; for Workload::Answer
  // For Workload::model, when there is one: the key, and of a proposal what it does in the model's terms. The
  // model sees a read as the input "read".
  std::string key;
  std::string input;
};

// What clients do with your state machine. One for each run, used by one thread.
class Workload {
 public:
  virtual ~Workload() = default;
  // The next call of `client`, the first of which is 0; `serial` is unlike that of any other call of the run. All that
  // varies comes from `random`, or the run can't be repeated. After the faults client -1 makes some proposals and
  // reads, to see that they succeed, and takes of what this returns the first of the kind that it needs.
  virtual WorkloadCall Next(int client, uint64_t serial, Random* random) = 0;
  // The answer to a read, from the state as it is. Not called if Next makes no reads.
  virtual std::string Answer(StateMachine* machine, const WorkloadCall& call) {
    (void)machine;
    (void)call;
    return "";
  }
  // A model for the general checker of linearizability, beside the comparison with your own state machine; null: none.
  // Lives as long as the workload.
  [[nodiscard]] virtual const SequentialModel* model() const { return nullptr; }
};
using WorkloadFactory = std::function<std::unique_ptr<Workload>()>;

// ---- Adapters of your own, in place of quorate's --------------------------------------------------------

// Where a node's storage lives: a simulated disk, and what may work on it.
struct SimulatedStorage {
  FileSystem* files = nullptr;
  std::string path;
  DirectoryIdentity identity;
  uint64_t segment_bytes = 0;  // a hint: how small the pieces of a log should be
  ExecutorFactory* executors = nullptr;
  Clock* clock = nullptr;
};
struct Stores {
  std::shared_ptr<void> owner;  // outlives the others
  std::unique_ptr<LogStore> log;
  std::unique_ptr<ElectionStateStore> election_state;
  std::unique_ptr<SnapshotStore> snapshots;  // may be null
};
struct StorageAdapter {
  std::function<absl::Status(const SimulatedStorage&)> format;  // once for each disk
  // At each start. Where a file is damaged or missing: an error with its path, or that of the directory.
  std::function<absl::StatusOr<Stores>(const SimulatedStorage&)> open;
};
// Wraps the simulated transport into yours: a codec, compression, a filter.
using TransportAdapter = std::function<std::unique_ptr<Transport>(std::unique_ptr<Transport> simulated)>;

// ---- Running ----------------------------------------------------------------------------------------------

struct SimulationOptions {
  uint64_t first_seed = 1;
  uint64_t seeds = 100;
  // The longest phase with faults, in virtual time; each run draws its own up to this.
  absl::Duration duration_max = absl::Seconds(60);
  // Whether a failing run is made smaller before it is reported. Takes some hundred runs.
  bool shrink = true;
  std::optional<StorageAdapter> storage;  // quorate's files when not set
  TransportAdapter transport;             // empty: none
  // After each seed.
  std::function<void(uint64_t seed)> on_progress;
  // Every message, every line that a node logs and every fault, as it happens. For a replay; empty: nobody looks.
  std::function<void(absl::string_view line)> trace;
};

struct SimulationFailure {
  uint64_t seed = 0;
  std::string invariant;  // "I-17"; empty if nothing ran, because what was asked for makes no sense
  std::string what;       // one sentence
  std::string report;     // all of it, for people: what, when, and the least list of faults that does it
  std::string plan;       // for ReplaySimulation
};

struct SimulationResult {
  uint64_t seeds = 0;        // how many ran
  absl::Duration simulated;  // virtual time
  uint64_t events = 0;
  uint64_t faults = 0;
  uint64_t calls = 0;       // of clients, answered with success
  uint64_t trace_hash = 0;  // over all runs: equal for equal code and seeds
  std::optional<SimulationFailure> failure;
  [[nodiscard]] bool ok() const { return !failure.has_value(); }
};

// Runs seeds until one fails or all are done.
SimulationResult RunSimulation(const SimulationOptions& options, const StateMachineFactory& machine,
                               const WorkloadFactory& workload);

// Runs one plan again, as a failure reported it (SimulationFailure::plan). Of the options it heeds the adapters and the
// trace.
SimulationResult ReplaySimulation(const SimulationOptions& options, absl::string_view plan,
                                  const StateMachineFactory& machine, const WorkloadFactory& workload);

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_SIMULATOR_H_
