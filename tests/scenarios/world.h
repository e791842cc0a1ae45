// Everything that a scenario moves: nodes, their disks and clocks, the network between them, and the referee.
//
// Real cores (raft::Core), no engine around them: what an engine does between events is done here, in one fixed
// order, so that a script's output follows from its commands alone. Disks finish what they are given at once, before
// the next command, unless the script holds them.
//
// What happens is written down line by line (TakeLines): consequences indented by two blanks, below what caused them.
//
// Single-threaded.
#ifndef QUORATE_TESTS_SCENARIOS_WORLD_H_
#define QUORATE_TESTS_SCENARIOS_WORLD_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/messages.h"
#include "raft/core.h"
#include "scenarios/network.h"
#include "scenarios/node.h"
#include "scenarios/referee.h"
#include "scenarios/words.h"

namespace quorate::scenarios {

std::string RoleText(ReplicaRole role);  // "Prospective"

struct WorldOptions {
  int voters = 3;
  int spares = 0;     // could vote, but nobody made them voters
  int observers = 0;  // never vote
  uint64_t seed = 1;
  QuorumTimeouts timeouts;
  size_t tail_cache_bytes = 1u << 20;
  uint32_t fetch_credit_bytes = 1u << 20;
  uint32_t chunk_bytes = 64;  // of a snapshot: disks read no more at once
  bool auto_join = false;
  std::map<int, uint8_t> priorities;
};

class World {
 public:
  explicit World(WorldOptions options);

  [[nodiscard]] std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  Node* Find(int id);  // null: no such node
  Network& network() { return network_; }
  Referee& referee() { return referee_; }
  const WorldOptions& options() const { return options_; }

  // ---- Lives and disks. ---------------------------------------------------------------------------------
  // One record for each of `epochs`, at offset 0, 1, …; the same epoch at the same offset is the same record
  // everywhere.
  void GiveLog(Node& node, const std::vector<Epoch>& epochs);
  void Start(Node& node);
  // `kept` batches survive of those that were not synced.
  void Crash(Node& node, size_t kept);
  void Wipe(Node& node);
  void Connect(Node& node, const Node& peer);
  void Disconnect(Node& node, const Node& peer);
  void Pause(Node& node) { node.paused = true; }
  void Resume(Node& node, absl::Duration slept);
  // The n-th unfinished job of that kind, or all of them. False: there is none.
  bool Finish(Node& node, DiskJob kind, std::optional<size_t> n);
  void Unhold(Node& node);
  // A snapshot of the node's own, up to `end`; the log is trimmed to `trim_to`. Refuses what can't be one.
  absl::Status TakeSnapshot(Node& node, Offset end, Offset trim_to);

  // ---- Time. ------------------------------------------------------------------------------------------
  // Timer by timer, on these nodes only.
  void Tick(const std::vector<Node*>& nodes, absl::Duration duration);
  // Lets time pass on one node until it stands for election. What it says before is lost. False: it won't stand.
  bool Campaign(Node& node);

  // ---- Messages. --------------------------------------------------------------------------------------
  void Deliver(Network::Packets::iterator packet);
  // Delivers until nothing is on its way. False: it doesn't end.
  bool Stabilize();
  // The same with time: whoever's timer is next, runs next.
  bool Run(absl::Duration duration);

  // Any other event on one core. Nothing happens to a node that doesn't run.
  void Do(Node& node, const std::function<void(raft::Core&, Instant)>& event);
  uint64_t Read(Node& node);
  // The answer to a read, or null.
  const absl::StatusOr<Offset>* ReadAnswer(uint64_t id) const;

  // ---- Telling. ---------------------------------------------------------------------------------------
  void Say(std::string line) { lines_.push_back(std::move(line)); }
  // While quiet, messages aren't written down.
  void SetQuiet(bool quiet) { quiet_ = quiet; }
  std::vector<std::string> TakeLines() { return std::exchange(lines_, {}); }
  std::string Show(const Node& node) const;
  // What is on its way, in order.
  void SayNetwork();

 private:
  void Tell(const std::string& line) { lines_.push_back("  " + line); }
  void TellRole(Node& node);
  void Absorb(Node& node);
  void Settle(Node& node);
  void PerformLog(Node& node, const raft::Effects& effects);
  void PerformStore(Node& node, const raft::StoreElectionState& store);
  void PerformReads(Node& node, const raft::Effects& effects);
  void PerformSnapshots(Node& node, const raft::Effects& effects);
  void PerformSends(Node& node, const raft::Effects& effects);
  void TellAnswers(Node& node, const raft::Effects& effects);
  void Receive(Node& node, const Message& message);
  // A message to a peer of which only the address is known goes to whoever lives there.
  Message Addressed(const Node& node, const Message& message) const;
  void AddJob(Node& node, DiskJob kind, std::string what, std::function<void()> done);
  absl::StatusOr<std::vector<Batch>> ReadLog(const Node& node, const raft::ReadLog& read) const;
  // The next timer of any of them and when it is due, as time since `began`; null: none within `limit`.
  Node* NextTimer(const std::vector<Node*>& nodes, const std::map<int, Instant>& began, absl::Duration limit,
                  absl::Duration* at);

  const WorldOptions options_;
  std::vector<std::unique_ptr<Node>> nodes_;
  Network network_;
  Referee referee_;
  Words words_;
  bool quiet_ = false;
  std::vector<std::string> lines_;
  uint64_t last_read_ = 0;
  std::map<uint64_t, absl::StatusOr<Offset>> read_answers_;
  std::map<uint64_t, StoredSnapshot> made_;  // by digest: the voters that are in a file
};

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_WORLD_H_
