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
// method here but Shutdown.
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

namespace quorate {

struct QuorumOptions {
  ClusterId cluster_id;
  ReplicaKey self;
  // The voters that the quorum starts with; the log's own record of them wins once there is one. Empty: join
  // as an observer of an existing quorum, found through `bootstrap_servers`.
  std::vector<Voter> initial_voters;
  std::vector<Endpoint> bootstrap_servers;
  // False: never votes nor leads, whatever the log says (a broker-only node).
  bool may_vote = true;
  QuorumTimeouts timeouts;
  size_t batch_bytes_max = 1u << 20;       // one batch of merged proposals
  size_t pending_bytes_max = 64u << 20;    // proposals that wait; over it: kOverloaded
  size_t tail_cache_bytes = 64u << 20;     // newest log kept in memory, for followers and apply
  uint32_t fetch_credit_bytes = 4u << 20;  // what a leader may send ahead of our acknowledgement
};

// What the node runs on. Pointers outlive the node; unique_ptrs are the node's.
struct QuorumDependencies {
  std::unique_ptr<LogStore> log;
  std::unique_ptr<ElectionStateStore> election_state;
  std::unique_ptr<Transport> transport;
  StateMachine* state_machine = nullptr;
  Clock* clock = nullptr;                // null: SystemClock()
  Random* random = nullptr;              // null: SystemRandom()
  ExecutorFactory* executors = nullptr;  // null: ThreadExecutorFactory()
  std::shared_ptr<LogSink> log_sink;     // null: NullLogSink()
  // Runs once if the node halts itself, with the cause. On any thread.
  absl::AnyInvocable<void(absl::Status)> on_fault;
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
  Offset log_start, log_end, durable_end, high_watermark, applied_end;
  // Known to every node from its log; positions and times only to the leader.
  std::vector<ReplicaStatus> voters;
  std::vector<ReplicaStatus> observers;
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

  // Calls `watcher` with the present leadership and then on each change. Only the latest value is
  // delivered when several come at once. Returns an id for Unwatch; after that returned, the watcher
  // isn't running and never runs again (unless Unwatch is called from it).
  virtual uint64_t WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) = 0;
  virtual void Unwatch(uint64_t id) = 0;

  [[nodiscard]] virtual QuorumDescription Describe() const = 0;

  // Hands leadership over if it leads, completes every pending call, stops every thread. OK: no host code
  // is running any more. DeadlineExceeded: stopped all the same, without the orderly hand-over. Idempotent.
  virtual absl::Status Shutdown(absl::Duration deadline) = 0;
};

}  // namespace quorate

#endif  // QUORATE_QUORUM_NODE_H_
