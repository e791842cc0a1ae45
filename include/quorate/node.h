// File: quorate/node.h
//
// A whole member of the cluster in your process: controller, broker, or both. It keeps the cluster's
// metadata in agreement with its peers, and hands every change of it to you.
//
//   auto node = quorate::Node::Create(options, {});          // checks everything, opens the data directory
//   if (!node.ok()) return node.status();
//   (*node)->AddPublisher(std::make_shared<MyWatcher>());    // told about every change, in log order
//   if (auto s = (*node)->Start(); !s.ok()) return s;        // binds ports, recovers the log, joins
//   (*node)->WaitUntilBrokerRunning(absl::Seconds(30));
//   auto image = (*node)->image();                           // topics, partitions, leaders: no lock, no wait
//   (*node)->Shutdown(absl::Seconds(30));                    // hands its leaderships over first
//
// A host that only wants a replicated log for its own state machine takes QuorumNode (quorum_node.h).
//
// Promises: a request that completes with OK is on the disks of a majority and in the active controller's
// image (that of this node, if it is another one, follows within moments); one that fails says whether it
// may still take effect (OutcomeOf). Requests may be sent to any node: it finds the active controller. Every
// callback runs exactly once, none with a lock held, and everything has a finite deadline. A broken
// invariant or disk halts the node, never the host's process: status().fault and the fault callback say why.
//
// All methods are thread-safe. Callbacks and publishers run on the node's apply thread ("quorate-apply")
// unless noted; they may block (others' metadata goes on, and the next call skips to the newest image),
// may call every method but Start, Shutdown, the Wait… ones, and must not destroy the node.
#ifndef QUORATE_NODE_H_
#define QUORATE_NODE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/admin_client.h"
#include "quorate/broker_types.h"
#include "quorate/environment.h"
#include "quorate/file_system.h"
#include "quorate/log_sink.h"
#include "quorate/metadata.h"
#include "quorate/node_options.h"
#include "quorate/quorum_node.h"
#include "quorate/state_machine.h"
#include "quorate/storage_adapters.h"
#include "quorate/transport.h"
#include "quorate/transport_adapters.h"
#include "quorate/voter_change.h"

namespace quorate {

// One port of a node. Calls to Handle come before Start.
class NodeListener {
 public:
  virtual ~NodeListener() = default;  // = Stop(0)
  virtual RpcServer* server() = 0;
  virtual absl::Status Start() = 0;
  [[nodiscard]] virtual uint16_t port() const = 0;  // the real one
  virtual void Stop(absl::Duration grace) = 0;
};

// Where a node's ports and connections come from. The default is gRPC over TCP; tests and simulations put
// whole nodes on an InProcessNetwork. Thread-safe.
class NodeNetwork {
 public:
  virtual ~NodeNetwork() = default;
  // Binds at once: kInUse when the port is taken.
  virtual absl::StatusOr<std::unique_ptr<NodeListener>> Listen(const Endpoint& bind, const NodeOptions& options) = 0;
  // The transport of quorum messages. `listener`: where peers reach this node, under the address `self`;
  // null for a node that only calls out. Made before the listener starts; destroyed before it.
  virtual std::unique_ptr<Transport> MakeTransport(NodeListener* listener, const Endpoint& self) = 0;
  virtual std::unique_ptr<RpcClient> MakeRpcClient() = 0;
  // This machine's name, for listeners that are advertised without a host.
  virtual std::string HostName() = 0;
};
std::shared_ptr<NodeNetwork> NewGrpcNodeNetwork(std::shared_ptr<LogSink> log_sink);
// `network` outlives it. Ports must be given: there is no "any free one".
std::shared_ptr<NodeNetwork> NewInProcessNodeNetwork(InProcessNetwork* network);

// What the node runs on; each may be left out. Pointers outlive the node.
struct NodeDependencies {
  Clock* clock = nullptr;                    // null: SystemClock()
  Random* random = nullptr;                  // null: SystemRandom()
  FileSystem* files = nullptr;               // null: PosixFileSystem()
  ExecutorFactory* executors = nullptr;      // null: ThreadExecutorFactory()
  std::shared_ptr<LogSink> log_sink;         // null: NullLogSink()
  std::shared_ptr<NodeNetwork> network;      // null: NewGrpcNodeNetwork()
  std::unique_ptr<DataDirectory> directory;  // null: options.metadata_dir(), opened through `files`
  // Runs at most once, if the node halts itself, with the cause. On any thread.
  absl::AnyInvocable<void(absl::Status) &&> on_fault;
  // Sees every step of the core (lib/raft/observer.h). For the simulator; null otherwise.
  raft::Observer* observer = nullptr;
};

struct NodeStatus {
  NodeId id = kNoNode;
  ClusterId cluster_id;
  int32_t unclean_starts = 0;  // lives of this data directory that ended badly before this one, one after the other
  bool running = false;        // started and not shut down
  BrokerState broker = BrokerState::kNotRunning;
  BrokerEpoch broker_epoch = kNoBrokerEpoch;  // of the registration; kNoBrokerEpoch before it
  // Why the last try to register or to send a heartbeat failed; OK after one that succeeded.
  absl::Status broker_problem;
  bool active_controller = false;  // it is the one that decides
  Leadership leadership;
  MetadataProvenance metadata;  // up to where image() knows the log
  absl::Status fault;           // why it halted; OK while it runs
};

class Node {
 public:
  // Checks `options` (every problem in one kInvalidArgument) and opens the data directory (kNotFormatted,
  // kInUse, kWrongReplica for another node's directory). Starts nothing, binds nothing.
  static absl::StatusOr<std::unique_ptr<Node>> Create(NodeOptions options, NodeDependencies dependencies);
  virtual ~Node() = default;  // = Shutdown(0)

  // How long the host should wait before Start: not zero when the last lives on this data directory ended badly, soon
  // one after the other (F-P05, docs/durability.md). Nobody waits but the host: `quorate server` does, and a host whose
  // supervisor has a backoff of its own, or that is killed on purpose, need not. A node that is destroyed instead of
  // started doesn't count.
  [[nodiscard]] virtual absl::Duration start_backoff() const = 0;

  // Binds every listener, recovers log and election state (blocks for that), then joins the quorum and, as
  // a broker, registers. Returns before either has succeeded; see the Wait… functions. Once. After an error
  // nothing runs and no port is held.
  virtual absl::Status Start() = 0;

  // Hands over what the broker leads (controlled shutdown), then leadership of the quorum, completes every
  // pending call, closes the ports, stops every thread. OK: no host code is running any more. DeadlineExceeded:
  // stopped all the same, without an orderly hand-over. The last nodes of a cluster find no majority that could take
  // over: they give the hand-over up after two seconds, with OK. Idempotent.
  virtual absl::Status Shutdown(absl::Duration deadline) = 0;
  // The first part of Shutdown without blocking: asks the active controller to move away what this
  // broker leads. `done` runs once that is through (OK), was given up at the deadline, or isn't needed. For hosts that
  // may not block, and simulations; call Shutdown afterwards.
  virtual void BeginControlledShutdown(absl::Duration timeout, absl::AnyInvocable<void(absl::Status) &&> done) = 0;

  // The committed metadata as this node knows it: one atomic load, from any thread. Never null. Keep it as long
  // as you like.
  [[nodiscard]] virtual MetadataImagePtr image() const = 0;
  // `publisher` is shown the present image first (delta.everything), then each later one; when it is slow, the
  // images in between are skipped and their deltas merged. Returns an id for RemovePublisher; once
  // that returned, the publisher isn't running and never runs again (unless called from it).
  virtual uint64_t AddPublisher(std::shared_ptr<MetadataPublisher> publisher) = 0;
  virtual void RemovePublisher(uint64_t id) = 0;

  // As QuorumNode's: the present leadership, then the latest of its changes.
  virtual uint64_t WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) = 0;
  virtual void UnwatchLeadership(uint64_t id) = 0;
  [[nodiscard]] virtual QuorumDescription DescribeQuorum() const = 0;  // as this node sees it

  // As AdminClient's, in process and without blocking. `timeout` must be finite.
  virtual void CreateTopics(std::vector<NewTopic> topics, bool validate_only, absl::Duration timeout,
                            absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) = 0;
  virtual void DeleteTopics(std::vector<std::string> names, absl::Duration timeout,
                            absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) = 0;

  // The quorum's own changes, likewise: sent to its leader, wherever it is. docs/membership.md.
  virtual void AddController(Voter voter, VoterChangeOptions options,
                             absl::AnyInvocable<void(absl::Status) &&> done) = 0;
  virtual void RemoveController(ReplicaKey key, VoterChangeOptions options,
                                absl::AnyInvocable<void(absl::Status) &&> done) = 0;
  virtual void TransferLeadership(std::optional<NodeId> to, absl::Duration timeout,
                                  absl::AnyInvocable<void(absl::Status) &&> done) = 0;
  // As QuorumNode's: the host knows that this leader is dead. No-op while the node isn't running.
  virtual void SuspectLeader(NodeId leader) = 0;
  // Writes a snapshot of this node's metadata now, whatever the policy says.
  virtual void TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&> done) = 0;

  [[nodiscard]] virtual NodeStatus status() const = 0;
  // Blocks until this broker is unfenced (kRunning), at most for `timeout`; the error says what it waits for. Both
  // Wait… functions end with kShuttingDown when Shutdown begins.
  virtual absl::Status WaitUntilBrokerRunning(absl::Duration timeout) = 0;
  // Blocks until a leader is known whose first record is committed and applied here, at most for `timeout`.
  virtual absl::Status WaitUntilQuorumUsable(absl::Duration timeout) = 0;

  // What the listeners are bound to, with real ports (empty before Start and after Shutdown), and what others are told.
  [[nodiscard]] virtual std::vector<Endpoint> bound_endpoints() const = 0;
  [[nodiscard]] virtual std::vector<Endpoint> advertised_endpoints() const = 0;
};

}  // namespace quorate

#endif  // QUORATE_NODE_H_
