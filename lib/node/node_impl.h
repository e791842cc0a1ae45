// File: node/node_impl.h
//
// A node, put together: data directory, ports, quorum engine, metadata, controller, broker. Everything that decides
// lives in other files; here is who knows whom, in which order things begin, and in which they end.
//
// Threads: the engine's strand (quorum, metadata, controller), "quorate-node" (the broker's life, retries, answers
// from images), "quorate-apply" (the host's callbacks), and whatever transport and storage bring along. `life_` is held
// for reading by calls that use what Shutdown takes apart, never during a callback.
#ifndef QUORATE_NODE_NODE_IMPL_H_
#define QUORATE_NODE_NODE_IMPL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
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
  void RunOnApply(Task task) ABSL_LOCKS_EXCLUDED(life_);
  std::string WhyNoLeader() ABSL_LOCKS_EXCLUDED(life_);
  void RunOnEngine(absl::AnyInvocable<void(quorum::Engine*) &&> task) ABSL_LOCKS_EXCLUDED(life_);
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

  mutable absl::Mutex life_;
  bool started_ ABSL_GUARDED_BY(life_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(life_) = false;
  bool alive_ ABSL_GUARDED_BY(life_) = false;  // engine, executors and listeners may be used
  absl::Mutex shutdown_;                       // one Shutdown at a time
  absl::Status shutdown_result_ ABSL_GUARDED_BY(shutdown_);
  bool is_shut_down_ ABSL_GUARDED_BY(shutdown_) = false;
  QuorumDescription last_quorum_ ABSL_GUARDED_BY(life_);  // after the engine is gone

  mutable absl::Mutex state_mutex_;
  NodeStatus state_ ABSL_GUARDED_BY(state_mutex_);
  Epoch metadata_epoch_ ABSL_GUARDED_BY(state_mutex_);
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_NODE_IMPL_H_
