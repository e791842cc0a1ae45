// The nodes of a run: machines with disks, and on each, from time to time, a process - storage, transport, core and
// engine as they are in production, a watched state machine on top.
//
// A process that dies does so in the middle of whatever it is doing: from that moment its disk takes nothing, its
// messages go nowhere and nobody believes what it says; when the event is over it is buried - its objects are
// destroyed, the disk decides what of the unsynced survives - and comes back after a while. What stops by itself (a
// halted node, a start that is refused) must have a reason: a fault that was injected there (I-30).
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_CLUSTER_H_
#define QUORATE_TESTING_SIMULATOR_CLUSTER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quorate/quorum_node.h"
#include "quorate/testing/simulator.h"
#include "testing/sim_file_system.h"
#include "testing/simulator/disk_rot.h"
#include "testing/simulator/lost_files.h"
#include "testing/simulator/machine.h"
#include "testing/simulator/machine_watch.h"
#include "testing/simulator/network.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

// What is under test: the host's parts.
struct Subject {
  StateMachineFactory machine;
  StorageAdapter storage;
  TransportAdapter transport;
};

class Cluster {
 public:
  // One machine.
  struct Node {
    Node(Scheduler* scheduler, int index, uint64_t seed, const Latencies& latencies)
        : index(index), machine(scheduler, index, seed, latencies), files(seed + 1), random(seed + 2) {}
    const int index;
    Machine machine;
    SimFileSystem files;
    Xoshiro random;
    ReplicaKey key;
    Endpoint endpoint;
    QuorumTimeouts timeouts;
    uint8_t priority = kPriorityDefault;
    uint64_t disks = 0;  // how many it had; the present one is number `disks`
    bool formatted = false;
    // The process.
    uint64_t life = 0;
    std::unique_ptr<raft::Observer> observer;
    std::unique_ptr<MachineWatch> state;
    std::shared_ptr<void> storage;
    std::unique_ptr<QuorumNode> process;
    bool up = false;     // a process runs, and nobody has killed it
    bool dying = false;  // killed, not yet buried
    Survival survival = Survival::kAll;
    Scheduler::EventId restart = Scheduler::kNoEvent;
    // Why it may stop by itself; empty: it may not.
    std::string excuse;
    std::optional<Rot> rot;
    std::optional<LostFiles> lost_files;
    bool lost = false;           // its disk went back in time: nothing more is expected of it
    bool gone = false;           // it never comes back
    uint64_t crash_at_send = 0;  // the n-th from now; 0: none
    bool crash_after_send = false;
  };

  Cluster(Scheduler* scheduler, const SimulationPlan& plan, Subject subject, Referee* referee);
  ~Cluster() { TearDown(); }
  // Ends all processes, with everything that they still complete.
  void TearDown();

  [[nodiscard]] int size() const { return static_cast<int>(nodes_.size()); }
  Node& At(int index) { return *nodes_[static_cast<size_t>(index)]; }
  SimNetwork& network() { return *network_; }
  Scheduler& scheduler() { return *scheduler_; }
  Referee& referee() { return *referee_; }
  AnswerTable& answers() { return answers_; }
  [[nodiscard]] const std::vector<Voter>& initial_voters() const { return voters_; }
  Subject& subject() { return subject_; }

  // Called when a process is gone, before its objects are destroyed; and afterwards.
  std::function<void(int node)> on_death;
  std::function<void(int node)> on_burial;

  // ---- Processes ----
  void Start(int node);
  void StartAll();
  // At once. The process comes back `down` later; nullopt: not by itself.
  void Kill(int node, Survival survival, bool announced, std::optional<absl::Duration> down);
  // Graceful: leaves the quorum in an orderly way, and comes back `down` later.
  void Stop(int node, absl::Duration down);
  void Pause(int node);
  void Resume(int node);
  void StartAgain(int node, absl::Duration after);
  // Loses its power, and is never seen again.
  void LoseForGood(int node, bool announced);
  // An empty disk, formatted anew: another replica. The process must be down.
  void ReplaceDisk(int node);
  // What a start of `node` would open.
  [[nodiscard]] SimulatedStorage StorageOf(int node) const;
  // What a start does with the disk, and no more: opens the stores and reads them. The process must be down.
  absl::Status OpenStorageOnce(int node);
  // Every log line of a node and every message, as text.
  void SetTrace(std::function<void(const std::string&)> trace) { trace_ = std::move(trace); }
  void Trace(int node, absl::string_view what) const;
  // No crash in a recovery any more.
  void Heal();

  // The node that leads the newest epoch as far as its state machine was told, -1: none.
  int Leader();
  // The same by the role of its core: it may not have committed anything yet. -1: none.
  int ActingLeader();
  // One that runs and doesn't lead, by lot; -1: none.
  int Follower(Random* random);

 private:
  void Format(Node* node);
  absl::Status Launch(Node* node);
  [[nodiscard]] bool IsFounder(const Node& node) const;
  [[nodiscard]] LifeFacts FactsOf(const Node& node) const;
  QuorumOptions OptionsOf(const Node& node) const;
  void DieNow(int index, bool announced);
  void ScheduleBurial(Node* node);
  void Bury(Node* node);
  void Repair(Node* node);
  void CouldNotStart(Node* node, const absl::Status& why);
  void Halted(int index, uint64_t life, const absl::Status& cause);
  bool Sends(int index, const Message& message);

  Scheduler* const scheduler_;
  const SimulationPlan& plan_;
  const SimulationConfig& config_;
  Subject subject_;
  Referee* const referee_;
  Xoshiro random_;
  AnswerTable answers_;
  bool healing_ = false;
  std::function<void(const std::string&)> trace_;
  ClusterId cluster_id_;
  std::vector<Voter> voters_;
  std::unique_ptr<SimNetwork> network_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

// quorate's own files.
StorageAdapter FileStorageAdapter();

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_CLUSTER_H_
