// File: quorate/quorum_node.h
//
// A member of a Raft quorum in your process: your StateMachine on a replicated log.
//
//   auto node = quorate::QuorumNode::Create(options, std::move(dependencies));   // checks everything
//   if (!node.ok()) return node.status();                                       // lists all problems
//   (*node)->Start();
//   (*node)->Propose({.records = {"+1"}}, [](absl::StatusOr<quorate::Proposed> r) { … });
//   (*node)->Shutdown(absl::Seconds(5));
//
// Promises: a proposal that completes with OK is on the disks of a majority and applied here; one
// that fails says whether it can still take effect (OutcomeOf). Every callback runs exactly once. No call
// blocks (but Create, Start and Shutdown), none throws, and every one has a finite deadline. A broken invariant or
// disk halts the node, not your process: Describe() and the fault callback say why.
//
// All methods are thread-safe. Callbacks run on the node's apply thread unless noted; they may call any
// method here but Shutdown. Should your code keep that thread for longer than timeouts.apply_stall, calls complete on
// another one until it comes back, so that none waits beyond its deadline for ever.
#ifndef QUORATE_QUORUM_NODE_H_
#define QUORATE_QUORUM_NODE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/log_sink.h"
#include "quorate/quorum_types.h"
#include "quorate/state_machine.h"
#include "quorate/storage.h"
#include "quorate/transport.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"

namespace quorate {
namespace raft {
class Observer;
}

struct QuorumOptions {
  ClusterId cluster_id;
  ReplicaKey self;
  // The voters that the quorum starts with; the log's own record of them wins once there is one. Empty: join
  // as an observer of an existing quorum, found through `bootstrap_servers`.
  std::vector<Voter> initial_voters;
  std::vector<Endpoint> bootstrap_servers;
  // False: never votes nor leads, whatever the log says (a broker-only node).
  bool may_vote = true;
  // How much this node wants to lead (quorate/voter_change.h).
  uint8_t priority = kPriorityDefault;
  // Where this node is reached by other members: what it joins with, and what it makes known when the voter set says
  // otherwise. Empty: as the voter set says.
  std::vector<Endpoint> advertised_endpoints;
  // While it is no voter: asks the leader to become one, unless it was removed before (KIP-1186).
  bool auto_join = false;
  SnapshotPolicy snapshots;
  QuorumTimeouts timeouts;
  size_t batch_bytes_max = 1u << 20;       // one batch of merged proposals
  size_t pending_bytes_max = 64u << 20;    // proposals that wait; over it: kOverloaded
  size_t tail_cache_bytes = 8u << 20;      // newest log kept in memory, for followers and apply
  uint32_t fetch_credit_bytes = 4u << 20;  // what a leader may send ahead of our acknowledgement
};

// What the node runs on. Pointers outlive the node; unique_ptrs are the node's.
struct QuorumDependencies {
  std::unique_ptr<LogStore> log;
  std::unique_ptr<ElectionStateStore> election_state;
  std::unique_ptr<SnapshotStore> snapshots;  // null: takes none, and can't follow a leader whose log begins later
  std::unique_ptr<Transport> transport;
  StateMachine* state_machine = nullptr;
  Clock* clock = nullptr;                // null: SystemClock()
  Random* random = nullptr;              // null: SystemRandom()
  ExecutorFactory* executors = nullptr;  // null: ThreadExecutorFactory()
  std::shared_ptr<LogSink> log_sink;     // null: NullLogSink()
  // Runs once if the node halts itself, with the cause. On any thread.
  absl::AnyInvocable<void(absl::Status)> on_fault;
  // Sees every step of the core (lib/raft/observer.h). For the simulator and for benchmarks; null otherwise.
  raft::Observer* observer = nullptr;
};

struct Proposal {
  std::vector<std::string> records;  // all or none of them, in order; at least one
  // If set: refuse (kEpochMismatch) unless this node leads exactly that epoch.
  std::optional<Epoch> expected_epoch;
  absl::Duration timeout = absl::Seconds(5);
};
struct Proposed {
  Offset base_offset;  // of the first record
  Epoch epoch;
  std::vector<std::string> results;  // what Apply left for each record
};

struct ReplicaStatus {
  ReplicaKey key;
  Offset log_end = kNoOffset;  // what it acknowledged; kNoOffset: not heard of yet
  absl::Time last_fetch;       // InfinitePast: never
  absl::Time last_caught_up;
  std::vector<Endpoint> endpoints;  // empty for an observer
};

struct QuorumDescription {
  ClusterId cluster_id;
  ReplicaKey self;
  ReplicaRole role = ReplicaRole::kUnattached;
  bool is_voter = false;
  Epoch epoch;
  NodeId leader = kNoNode;
  Endpoint leader_endpoint;
  // Follower: how long its leader may be silent now before this node asks for an election; it adapts to the leader's
  // rhythm between QuorumTimeouts::silence_min and fetch. Zero in every other role.
  absl::Duration silence_timeout;
  Offset log_start, log_end, durable_end, high_watermark, applied_end;
  // Known to every node from its log; positions and times only to the leader.
  std::vector<ReplicaStatus> voters;
  std::vector<ReplicaStatus> observers;
  // The set in force comes from a record that may not be committed yet; then this is the set before it.
  std::optional<std::vector<Voter>> committed_voters;
  std::optional<PendingVoterChange> voter_change;  // only on the leader
  LogPosition snapshot;                            // the newest here; {0, 0}: none
  // How long the oldest write under way on this node's disk, be it of the log or of a vote, has taken so far; zero:
  // there is none. A leader resigns when it reaches timeouts.disk_stall (F-D12).
  absl::Duration disk_age;
  // How long the state machine has been at what it was given; zero: it has applied everything. From
  // timeouts.apply_stall on it is stuck (F-H02).
  absl::Duration apply_age;
  bool apply_stalled = false;
  absl::Status fault;  // why it halted; OK while it runs
};

class QuorumNode {
 public:
  // Validates everything and reports all problems in one kInvalidArgument. Starts nothing.
  static absl::StatusOr<std::unique_ptr<QuorumNode>> Create(QuorumOptions options, QuorumDependencies dependencies);
  virtual ~QuorumNode() = default;  // = Shutdown(0)

  // Recovers log and election state (blocks for that), then joins the quorum. Once.
  virtual absl::Status Start() = 0;

  // Appends records and waits until they are committed and applied here. Must be sent to the leader:
  // elsewhere it fails at once with kNotLeader and a hint.
  virtual void Propose(Proposal proposal, absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&> done) = 0;

  // Completes with an offset once everything that was committed when it was called is applied here: what the
  // state machine shows from then on is linearizable. No log entry is written (thesis 6.4). Any node.
  virtual void ReadBarrier(absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<Offset>) &&> done) = 0;

  // Runs `read` on the apply thread with the position that the state machine reflects: the explicitly stale read. What
  // it sees was committed, and may be old: on a node that is cut off, arbitrarily old.
  virtual void ReadStale(absl::AnyInvocable<void(LogPosition) &&> read) = 0;

  // ---- The quorum itself. As Propose, these must be sent to the leader (kNotLeader and a hint elsewhere); each ends
  // with one terminal status and may be repeated: what is so already is OK. The refusals are in docs/status.md.
  // Adds a voter once its endpoint answers as that replica and it has caught up as an observer (M-32, M-34, M-37).
  virtual void AddVoter(Voter voter, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) = 0;
  // Removes a voter, the leader itself included, unless the rest could not go on without it (M-35).
  virtual void RemoveVoter(ReplicaKey key, VoterChangeOptions options,
                           absl::AnyInvocable<void(absl::Status) &&> done) = 0;
  // Hands leadership to `to`, or to the best voter: takes no proposals, waits until it has everything, and lets it
  // stand. OK: another node is known to lead. An error: this node leads on, or kUnknown.
  virtual void TransferLeadership(std::optional<NodeId> to, absl::Duration timeout,
                                  absl::AnyInvocable<void(absl::Status) &&> done) = 0;
  // The host knows that the leader `leader` is dead: don't wait for its silence. Harmless when it isn't: the other
  // voters are asked first. No-op unless this node follows it.
  virtual void SuspectLeader(NodeId leader) = 0;
  // Writes a snapshot now. The position that it stands for, once it is durable and verified. Any node.
  virtual void TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&> done) = 0;

  // Calls `watcher` with the present leadership and then on each change. Only the latest value is
  // delivered when several come at once. Returns an id for Unwatch; after that returned, the watcher
  // isn't running and never runs again (unless Unwatch is called from it).
  virtual uint64_t WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) = 0;
  virtual void Unwatch(uint64_t id) = 0;

  [[nodiscard]] virtual QuorumDescription Describe() const = 0;

  // Hands leadership over if it leads, completes every pending call, stops every thread. OK: no host code
  // is running any more. DeadlineExceeded: stopped all the same, without the orderly hand-over. Idempotent.
  virtual absl::Status Shutdown(absl::Duration deadline) = 0;
  // The same without waiting, for hosts that have no thread to spare: `done` runs once, on a thread of the node, when
  // it takes part no more. The node is then to be destroyed, but not by `done`.
  virtual void ShutdownAsync(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done) = 0;
};

}  // namespace quorate

#endif  // QUORATE_QUORUM_NODE_H_
