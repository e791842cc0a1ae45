#include "node/node_impl.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "node/admin_codec.h"
#include "node/listener_security.h"
#include "node/methods.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

controller::ControllerConfig MakeControllerConfig(const NodeOptions& options, const ClusterId& cluster_id) {
  controller::ControllerConfig config;
  config.cluster_id = cluster_id;
  config.broker_session_timeout = options.broker_session_timeout;
  config.default_partitions = options.num_partitions;
  config.default_replication_factor = options.default_replication_factor;
  config.delete_topic_enable = options.delete_topics;
  config.unclean_leader_election_enable = options.unclean_leader_election;
  return config;
}

const Endpoint* Find(const std::vector<Endpoint>& endpoints, const std::string& listener) {
  for (const Endpoint& endpoint : endpoints) {
    if (endpoint.listener == listener) return &endpoint;
  }
  return nullptr;
}

}  // namespace

NodeImpl::NodeImpl(NodeOptions options, NodeDependencies dependencies, QuorumOptions quorum)
    : options_(std::move(options)),
      dependencies_(std::move(dependencies)),
      quorum_options_(std::move(quorum)),
      apply_(dependencies_.executors->MakeSerial("quorate-apply")),
      executor_(dependencies_.executors->MakeSerial("quorate-node")),
      hub_(apply_.get(), [this](absl::Status why) { HaltBecause(std::move(why)); }),
      active_controller_(options_.id, MakeControllerConfig(options_, quorum_options_.cluster_id),
                         options_.metadata_idle_interval, dependencies_.clock, dependencies_.random,
                         dependencies_.log_sink),
      controller_service_(&active_controller_),
      applier_(&slot_, ApplierEvents{[this](const MetadataImagePtr& image, MetadataDelta delta) {
                                       OnImage(image, std::move(delta));
                                     },
                                     [this](const Leadership& leadership) { OnLeadership(leadership); },
                                     [this](const absl::Status& cause) { OnHalted(cause); }}) {
  state_.id = options_.id;
  state_.unclean_starts = dependencies_.directory->unclean_starts();
  state_.cluster_id = quorum_options_.cluster_id;
  last_quorum_.cluster_id = quorum_options_.cluster_id;
  last_quorum_.self = quorum_options_.self;
}

NodeImpl::~NodeImpl() { Dismantle(absl::ZeroDuration()); }

absl::Duration NodeImpl::start_backoff() const {
  return std::min(dependencies_.directory->start_backoff(), options_.start_backoff_max);
}

// ---- Start ---------------------------------------------------------------------------------------------

absl::Status NodeImpl::Start() {
  const std::lock_guard<std::mutex> one_at_a_time(shutdown_);
  {
    const std::lock_guard<std::mutex> lock(life_);
    if (started_ || shutting_down_) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a node can be started once");
    }
    started_ = true;
  }
  if (absl::Status started = StartParts(); !started.ok()) {
    Dismantle(absl::ZeroDuration());
    return started;
  }
  return absl::OkStatus();
}

absl::Status NodeImpl::StartParts() {
  if (absl::Status bound = Bind(); !bound.ok()) return bound;
  rpc_client_ = dependencies_.network->MakeRpcClient();
  std::shared_ptr<Forwarder> forwarder = Forwarder::Make(
      options_.id, dependencies_.clock, executor_.get(), rpc_client_.get(), options_.waiting_requests_max,
      [this](ControllerCall call, RpcReply reply) { controller_service_.Handle(std::move(call), std::move(reply)); },
      [this](absl::AnyInvocable<void(std::string) &&> done) {
        engine_->RunOnStrand([this, done = std::move(done)]() mutable { std::move(done)(engine_->NoLeaderText()); });
      });
  {
    const std::lock_guard<std::mutex> lock(life_);  // calls may come before the node is started
    forwarder_ = std::move(forwarder);
  }
  channel_ = std::make_unique<ForwardingChannel>(forwarder_);
  MakeEngine();
  if (options_.is_broker) MakeBroker();
  ServeRpc();
  {
    const std::lock_guard<std::mutex> lock(life_);
    alive_ = true;
  }
  if (absl::Status started = engine_->Start(); !started.ok()) return started;
  for (BoundListener& bound : listeners_) {
    if (absl::Status started = bound.listener->Start(); !started.ok()) return started;
  }
  {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    state_.running = true;
  }
  if (lifecycle_ != nullptr) {
    lifecycle_->Start();
    lifecycle_->SetReady();
  }
  return absl::OkStatus();
}

// Takes every port before anything else is begun, so that a port in use costs nothing.
absl::Status NodeImpl::Bind() {
  std::vector<BoundListener> bound;
  std::vector<Endpoint> advertised;
  for (const Endpoint& wanted : options_.listeners) {
    absl::StatusOr<std::unique_ptr<NodeListener>> listener = dependencies_.network->Listen(wanted, options_);
    if (!listener.ok()) return listener.status();
    Endpoint endpoint = wanted;
    endpoint.port = (*listener)->port();
    bound.push_back({endpoint, *std::move(listener)});
    if (const Endpoint* told = Find(options_.advertised_listeners, wanted.listener)) {
      Endpoint public_endpoint = *told;
      if (public_endpoint.port == 0) public_endpoint.port = endpoint.port;
      advertised.push_back(std::move(public_endpoint));
    } else {
      if (endpoint.host.empty()) endpoint.host = dependencies_.network->HostName();
      advertised.push_back(std::move(endpoint));
    }
  }
  const std::lock_guard<std::mutex> lock(life_);
  listeners_ = std::move(bound);
  advertised_ = std::move(advertised);
  return absl::OkStatus();
}

void NodeImpl::MakeEngine() {
  // The quorum lives on the first controller listener; a node without one only calls out.
  NodeListener* peers = nullptr;
  Endpoint self = advertised_.front();
  for (const std::string& name : options_.controller_listener_names) {
    for (size_t i = 0; i < listeners_.size() && peers == nullptr; ++i) {
      if (listeners_[i].bound.listener != name) continue;
      peers = listeners_[i].listener.get();
      self = advertised_[i];
    }
  }
  QuorumOptions options = quorum_options_;
  if (options_.is_controller) options.advertised_endpoints = ControllerEndpoints();
  QuorumDependencies quorum;
  quorum.log = dependencies_.directory->MakeLogStore();
  quorum.election_state = dependencies_.directory->MakeElectionStateStore();
  quorum.snapshots = dependencies_.directory->MakeSnapshotStore();
  quorum.transport = dependencies_.network->MakeTransport(peers, self);
  quorum.clock = dependencies_.clock;
  quorum.random = dependencies_.random;
  quorum.executors = dependencies_.executors;
  quorum.log_sink = dependencies_.log_sink;
  quorum.observer = dependencies_.observer;
  quorum.on_fault = [this](absl::Status cause) {
    if (dependencies_.on_fault) std::exchange(dependencies_.on_fault, nullptr)(std::move(cause));
  };
  auto engine = std::make_unique<quorum::Engine>(std::move(options), std::move(quorum), &applier_);
  applier_.Attach(engine.get());
  active_controller_.Attach(engine.get());
  controller_service_.Attach(engine.get());
  const std::lock_guard<std::mutex> lock(life_);
  engine_ = std::move(engine);
}

// Where other members reach this one, the quorum's own listener first.
std::vector<Endpoint> NodeImpl::ControllerEndpoints() const {
  std::vector<Endpoint> endpoints;
  for (const std::string& name : options_.controller_listener_names) {
    if (const Endpoint* endpoint = Find(advertised_, name)) endpoints.push_back(*endpoint);
  }
  return endpoints;
}

std::vector<BrokerEndpoint> NodeImpl::BrokerEndpoints() const {
  std::vector<BrokerEndpoint> endpoints;
  for (const Endpoint& endpoint : advertised_) {
    if (options_.IsControllerListener(endpoint.listener)) continue;
    BrokerEndpoint told;
    told.address = endpoint;
    FindSecurityProtocol(options_, endpoint.listener, &told.security);
    endpoints.push_back(std::move(told));
  }
  return endpoints;
}

void NodeImpl::MakeBroker() {
  broker::LifecycleOptions broker;
  broker.id = options_.id;
  broker.cluster_id = quorum_options_.cluster_id;
  broker.endpoints = BrokerEndpoints();
  broker.features = {{std::string(kMetadataVersionFeature), kMetadataVersionMin, kMetadataVersionMax}};
  broker.log_dirs = {quorum_options_.self.directory};
  if (!options_.rack.empty()) broker.rack = options_.rack;
  broker.heartbeat_interval = options_.broker_heartbeat_interval;
  broker.session_timeout = options_.broker_session_timeout;
  broker.initial_registration_timeout = options_.initial_registration_timeout;
  broker::LifecycleListener listener;
  listener.on_change = [this](const broker::LifecycleStatus& now) { OnBrokerStatus(now); };
  listener.on_failed = [this](absl::Status why) { HaltBecause(std::move(why)); };
  isr_keeper_ = broker::IsrKeeper::Make(options_.id, dependencies_.clock, executor_.get(), channel_.get(),
                                        options_.broker_heartbeat_interval, dependencies_.log_sink);
  lifecycle_ = broker::Lifecycle::Make(std::move(broker), dependencies_.clock, dependencies_.random, executor_.get(),
                                       channel_.get(), dependencies_.log_sink, std::move(listener));
}

void NodeImpl::ServeRpc() {
  admin_service_ = std::make_unique<AdminService>(quorum_options_.cluster_id, engine_.get(), &slot_, &hub_,
                                                  executor_.get(), forwarder_);
  for (BoundListener& bound : listeners_) {
    admin_service_->ServeAdmin(bound.listener->server());
    if (options_.IsControllerListener(bound.bound.listener)) admin_service_->ServeBrokers(bound.listener->server());
  }
}

// ---- On the strand -------------------------------------------------------------------------------------

void NodeImpl::OnImage(const MetadataImagePtr& image, MetadataDelta delta) {
  if (delta.everything) {
    active_controller_.OnLoaded(image);
  } else {
    active_controller_.OnCommitted(image);
  }
  if (lifecycle_ != nullptr) {
    isr_keeper_->OnMetadata(image, delta);
    lifecycle_->OnMetadata(image->provenance().end);
    // The controller lets a broker go when all others have seen it leave (KIP-500). Waiting for their next
    // heartbeats, as Kafka does, would cost every orderly stop up to one interval.
    const auto others_wait = [this](const BrokerInfo& broker) {
      return broker.id != options_.id && broker.in_controlled_shutdown && !broker.fenced;
    };
    bool report = std::any_of(delta.brokers.begin(), delta.brokers.end(), [&](NodeId changed) {
      const BrokerInfo* broker = image->FindBroker(changed);
      return broker != nullptr && others_wait(*broker);
    });
    if (delta.everything)
      image->ForEachBroker([&](const BrokerInfo& broker) { return !(report = others_wait(broker)); });
    if (report) lifecycle_->ReportMetadata();
  }
  hub_.Publish(image, std::move(delta));
  if (image->provenance().epoch != noted_epoch_) {
    noted_epoch_ = image->provenance().epoch;
    const std::lock_guard<std::mutex> lock(state_mutex_);
    metadata_epoch_ = noted_epoch_;
    state_changed_.notify_all();
  }
}

void NodeImpl::OnLeadership(const Leadership& leadership) {
  active_controller_.OnLeadership(leadership, slot_.Load());
  const bool active = active_controller_.active();
  forwarder_->OnLeadership(leadership, active);
  hub_.SetLeadership(leadership);
  const bool is_news = leadership.leader != noted_leadership_.leader || leadership.epoch != noted_leadership_.epoch ||
                       leadership.is_self != noted_leadership_.is_self;
  noted_leadership_ = leadership;
  if (lifecycle_ != nullptr && is_news && leadership.leader != kNoNode) {
    lifecycle_->OnControllerChanged();
    isr_keeper_->OnControllerChanged();
  }
  const std::lock_guard<std::mutex> lock(state_mutex_);
  state_.leadership = leadership;
  state_.active_controller = active;
  state_changed_.notify_all();
}

void NodeImpl::OnHalted(const absl::Status& cause) {
  active_controller_.OnHalted();
  forwarder_->Stop(Reason::kHalted, absl::StrCat("this node stopped itself: ", cause.message()));
  // Its image is of yesterday: as a broker it is as good as dead, and the controller will notice.
  if (lifecycle_ != nullptr) {
    lifecycle_->Stop();
    isr_keeper_->Stop();
  }
  const std::lock_guard<std::mutex> lock(state_mutex_);
  state_.fault = cause;
  state_.active_controller = false;
  state_changed_.notify_all();
}

// ---- Elsewhere -----------------------------------------------------------------------------------------

void NodeImpl::OnBrokerStatus(const broker::LifecycleStatus& now) {
  const bool leads = now.state == BrokerState::kRecovery || now.state == BrokerState::kRunning;
  isr_keeper_->SetBrokerEpoch(leads ? now.epoch : kNoBrokerEpoch);
  const std::lock_guard<std::mutex> lock(state_mutex_);
  state_.broker = now.state;
  state_.broker_epoch = now.epoch;
  state_.broker_problem = now.problem;
  state_changed_.notify_all();
}

void NodeImpl::HaltBecause(absl::Status cause) {
  RunOnEngine([cause = std::move(cause)](quorum::Engine* engine) mutable { engine->Halt(std::move(cause)); });
}

void NodeImpl::RunOnEngine(absl::AnyInvocable<void(quorum::Engine*) &&> task) {
  const std::lock_guard<std::mutex> lock(life_);
  if (!alive_) return;
  quorum::Engine* engine = engine_.get();
  // Posted, because the strand may run it in place, and life_ is not held during anybody's callback.
  executor_->Post([engine, task = std::move(task)]() mutable {
    engine->RunOnStrand([engine, task = std::move(task)]() mutable { std::move(task)(engine); });
  });
}

void NodeImpl::RunOnApply(Task task) {
  {
    const std::lock_guard<std::mutex> lock(life_);
    if (apply_ != nullptr) {
      apply_->Post(std::move(task));
      return;
    }
  }
  std::move(task)();
}

}  // namespace quorate::node
