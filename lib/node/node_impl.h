// File: node/node_impl.h
//
// A node, put together: data directory, ports, quorum engine, metadata, controller, broker. Everything that decides
// lives in other files; here is who knows whom, in which order things begin, and in which they end.
//
// Threads: the engine's strand (quorum, metadata, controller), "quorate-node" (the broker's life, retries, answers
// from images), "quorate-apply" (the host's callbacks), and whatever transport and storage bring along. `life_` guards
// what Shutdown takes apart; it is held for moments only, never during a callback, nor by who waits for the strand:
// such a call counts itself in `engine_users_`, and Shutdown waits for that to be none.
#ifndef QUORATE_NODE_NODE_IMPL_H_
#define QUORATE_NODE_NODE_IMPL_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "broker/isr_keeper.h"
#include "broker/lifecycle.h"
#include "node/active_controller.h"
#include "node/admin_service.h"
#include "node/controller_service.h"
#include "node/forwarder.h"
#include "node/forwarding_channel.h"
#include "node/image_slot.h"
#include "node/metadata_applier.h"
#include "node/publisher_hub.h"
#include "quorate/node.h"
#include "quorum/engine.h"

namespace quorate::node {

class NodeImpl final : public Node {
 public:
  // Everything was checked; pointers in `dependencies` are non-null.
  NodeImpl(NodeOptions options, NodeDependencies dependencies, QuorumOptions quorum);
  ~NodeImpl() override;

  [[nodiscard]] absl::Duration start_backoff() const override;
  absl::Status Start() override;
  absl::Status Shutdown(absl::Duration deadline) override;
  void BeginControlledShutdown(absl::Duration timeout, absl::AnyInvocable<void(absl::Status) &&> done) override;
  MetadataImagePtr image() const override { return slot_.Load(); }
  uint64_t AddPublisher(std::shared_ptr<MetadataPublisher> publisher) override;
  void RemovePublisher(uint64_t id) override { hub_.Remove(id); }
  uint64_t WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) override;
  void UnwatchLeadership(uint64_t id) override { hub_.Unwatch(id); }
  QuorumDescription DescribeQuorum() const override;
  void CreateTopics(std::vector<NewTopic> topics, bool validate_only, absl::Duration timeout,
                    absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) override;
  void DeleteTopics(std::vector<std::string> names, absl::Duration timeout,
                    absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) override;
  void AddController(Voter voter, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) override;
  void RemoveController(ReplicaKey key, VoterChangeOptions options,
                        absl::AnyInvocable<void(absl::Status) &&> done) override;
  void TransferLeadership(std::optional<NodeId> to, absl::Duration timeout,
                          absl::AnyInvocable<void(absl::Status) &&> done) override;
  void SuspectLeader(NodeId leader) override;
  void TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&> done) override;
  NodeStatus status() const override;
  absl::Status WaitUntilBrokerRunning(absl::Duration timeout) override;
  absl::Status WaitUntilQuorumUsable(absl::Duration timeout) override;
  std::vector<Endpoint> bound_endpoints() const override;
  std::vector<Endpoint> advertised_endpoints() const override;

 private:
  struct BoundListener {
    Endpoint bound;
    std::unique_ptr<NodeListener> listener;
  };

  // ---- Start
  absl::Status StartParts();
  absl::Status Bind();
  void MakeEngine();
  void MakeBroker();
  void ServeRpc();
  std::vector<Endpoint> ControllerEndpoints() const;
  std::vector<BrokerEndpoint> BrokerEndpoints() const;
  // ---- On the strand
  void OnImage(const MetadataImagePtr& image, MetadataDelta delta);
  void OnLeadership(const Leadership& leadership);
  void OnHalted(const absl::Status& cause);
  // ---- Elsewhere
  void OnBrokerStatus(const broker::LifecycleStatus& now);
  void HaltBecause(absl::Status cause);
  void SendTopics(const char* method, std::string payload, absl::Duration timeout,
                  absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done);
  void SendChange(const char* method, std::string payload, absl::Duration timeout,
                  absl::AnyInvocable<void(absl::Status) &&> done);
  void SendToController(const char* method, std::string payload, absl::Duration timeout, RpcReply reply);
  void RunOnApply(Task task);
  std::string WhyNoLeader();
  void RunOnEngine(absl::AnyInvocable<void(quorum::Engine*) &&> task);
  // Runs `use`, which may wait for the strand, while the engine is sure to live. False: there is none.
  bool UseEngine(absl::FunctionRef<void(quorum::Engine&)> use) const;
  void EndWaits();
  // Ends everything that runs. Idempotent.
  void Dismantle(absl::Duration grace);

  const NodeOptions options_;
  NodeDependencies dependencies_;
  const QuorumOptions quorum_options_;

  ImageSlot slot_;
  std::unique_ptr<Executor> apply_;  // before what they run
  std::unique_ptr<Executor> executor_;
  PublisherHub hub_;
  std::unique_ptr<RpcClient> rpc_client_;
  std::vector<BoundListener> listeners_;
  std::vector<Endpoint> advertised_;
  std::shared_ptr<Forwarder> forwarder_;
  std::unique_ptr<ForwardingChannel> channel_;
  std::shared_ptr<broker::Lifecycle> lifecycle_;  // null: no broker
  std::shared_ptr<broker::IsrKeeper> isr_keeper_;
  ActiveController active_controller_;
  ControllerService controller_service_;
  MetadataApplier applier_;
  std::unique_ptr<quorum::Engine> engine_;
  std::unique_ptr<AdminService> admin_service_;

  // Strand only: what was last noted in state_.
  Epoch noted_epoch_;
  Leadership noted_leadership_;

  mutable std::mutex life_;  // guards the five below
  bool started_ = false;
  bool shutting_down_ = false;
  bool alive_ = false;  // engine, executors and listeners may be used
  mutable int engine_users_ = 0;
  QuorumDescription last_quorum_;  // after the engine is gone
  mutable std::condition_variable engine_unused_;

  std::mutex shutdown_;  // one Start or Shutdown at a time; guards the two below
  absl::Status shutdown_result_;
  bool is_shut_down_ = false;

  mutable std::mutex state_mutex_;  // guards the three below
  NodeStatus state_;
  Epoch metadata_epoch_;
  bool ends_ = false;  // nobody needs to wait for anything any more
  std::condition_variable state_changed_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_NODE_IMPL_H_
