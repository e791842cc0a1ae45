#include "testing/simulator/cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "testing/simulator/message_text.h"
#include "testing/simulator/spies.h"

namespace quorate::testing::simulator {
namespace {

constexpr absl::string_view kPath = "/data";

Latencies LatenciesOf(const SimulationConfig& config) {
  Latencies latencies;
  latencies.disk = absl::Microseconds(config.disk_us);
  latencies.disk_tail_permille = static_cast<uint32_t>(config.disk_tail_permille);
  latencies.apply = absl::Microseconds(config.apply_us);
  latencies.apply_tail_permille = static_cast<uint32_t>(config.apply_tail_permille);
  return latencies;
}

NetworkConditions ConditionsOf(const SimulationConfig& config) {
  NetworkConditions conditions;
  conditions.delay = absl::Microseconds(config.delay_us);
  conditions.tail_permille = static_cast<uint32_t>(config.delay_tail_permille);
  conditions.loss_permille = static_cast<uint32_t>(config.loss_permille);
  conditions.duplicate_permille = static_cast<uint32_t>(config.duplicate_permille);
  conditions.tamper_permille = static_cast<uint32_t>(config.tamper_permille);
  conditions.reorder = config.reorder != 0;
  return conditions;
}

QuorumTimeouts TimeoutsOf(const SimulationConfig& config, int64_t factor) {
  QuorumTimeouts timeouts;
  timeouts.election = absl::Milliseconds(config.election_timeout * factor);
  timeouts.fetch = absl::Milliseconds(config.fetch_timeout * factor);
  timeouts.election_backoff_max = absl::Milliseconds(config.backoff_max * factor);
  timeouts.request = absl::Milliseconds(config.request_timeout * factor);
  timeouts.retry_backoff = absl::Milliseconds(config.retry_backoff * factor);
  timeouts.silence_min = absl::Milliseconds(config.silence_min * factor);
  timeouts.disk_stall = absl::Milliseconds(config.disk_stall_timeout * factor);
  return timeouts;
}

// What a node logs, as lines of the trace.
class TraceSink final : public LogSink {
 public:
  TraceSink(Scheduler* scheduler, int node, std::function<void(const std::string&)> trace)
      : scheduler_(scheduler), node_(node), trace_(std::move(trace)) {}
  [[nodiscard]] bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel, absl::string_view component, absl::string_view line) override {
    trace_(absl::StrCat(TimeText(scheduler_->now()), " node ", node_, " ", component, " ", line));
  }

 private:
  Scheduler* const scheduler_;
  const int node_;
  const std::function<void(const std::string&)> trace_;
};

}  // namespace

Cluster::Cluster(Scheduler* scheduler, const SimulationPlan& plan, Subject subject, Referee* referee)
    : scheduler_(scheduler),
      plan_(plan),
      config_(plan.config),
      subject_(std::move(subject)),
      referee_(referee),
      random_(plan.seed * 31 + 1),
      cluster_id_(Uuid(0xc1, plan.seed + 100)) {
  const auto count = static_cast<int>(config_.voters + config_.observers);
  SimNetwork::Hooks hooks;
  hooks.on_send = [this](int node, const Message& message) { return Sends(node, message); };
  // The last place is for a node that isn't ours (stranger.h).
  hooks.on_deliver = [this](int node, const Message& message) {
    if (node < size()) referee_->Delivers(node, message);
  };
  hooks.is_paused = [this](int node) { return node < size() && At(node).machine.paused(); };
  network_ = std::make_unique<SimNetwork>(scheduler, plan.seed * 31 + 2, ConditionsOf(config_), count + 1, hooks);
  for (int i = 0; i < count; ++i) {
    auto node =
        std::make_unique<Node>(scheduler, i, plan.seed * 1'000 + static_cast<uint64_t>(i) * 10, LatenciesOf(config_));
    node->endpoint = {"CONTROLLER", absl::StrCat("node-", i), 9093};
    node->key = {NodeId(i), DirectoryId(Uuid(0xd1, 1'000 + static_cast<uint64_t>(i) * 100))};
    node->timeouts =
        TimeoutsOf(config_, 1 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(config_.timeout_spread))));
    if (config_.priorities != 0) {
      // One voter never leads, the others like it more or less.
      node->priority = i == 0 ? kPriorityNever : static_cast<uint8_t>(1 + random_.Below(kPriorityMax));
    }
    node->files.SetCrashListener([this, i] { DieNow(i, /*announced=*/true); });
    if (i < config_.voters) voters_.push_back({node->key, {node->endpoint}, 0, 1});
    nodes_.push_back(std::move(node));
  }
}

void Cluster::TearDown() {
  for (auto& node : nodes_) {
    node->files.SetCrashListener(nullptr);
    node->files.Crash();
    if (node->state != nullptr) node->state->Detach();
    referee_->LifeEnds(node->index);
  }
  for (auto& node : nodes_) {
    node->process.reset();
    node->storage.reset();
  }
}

SimulatedStorage Cluster::StorageOf(int index) const {
  Node* const node = nodes_[static_cast<size_t>(index)].get();
  SimulatedStorage storage;
  storage.files = &node->files;
  storage.path = std::string(kPath);
  storage.identity.cluster_id = cluster_id_;
  storage.identity.node_id = node->key.id;
  storage.identity.directory_id = node->key.directory;
  if (IsFounder(*node)) storage.identity.initial_voters = voters_;
  storage.segment_bytes = static_cast<uint64_t>(config_.segment_bytes);
  storage.executors = node->machine.executors();
  storage.clock = node->machine.clock();
  return storage;
}

// Who knows from its configuration who votes. With voters in the log that is who founded the quorum; what comes later
// finds it through the bootstrap servers, and so does a machine with a new disk.
bool Cluster::IsFounder(const Node& node) const {
  return node.disks == 0 && (config_.dynamic_voters == 0 || node.index < config_.voters);
}

QuorumOptions Cluster::OptionsOf(const Node& node) const {
  QuorumOptions options;
  options.cluster_id = cluster_id_;
  options.self = node.key;
  if (IsFounder(node)) options.initial_voters = voters_;
  for (const Voter& voter : voters_) options.bootstrap_servers.push_back(voter.endpoints.front());
  options.advertised_endpoints = {node.endpoint};
  options.priority = node.priority;
  options.auto_join = config_.auto_join != 0;
  options.snapshots.log_bytes = static_cast<uint64_t>(config_.snapshot_log_bytes);
  options.snapshots.interval = absl::Milliseconds(config_.snapshot_interval);
  options.timeouts = node.timeouts;
  options.batch_bytes_max = static_cast<size_t>(config_.batch_bytes);
  options.pending_bytes_max = std::max<size_t>(options.batch_bytes_max, 1u << 20);
  options.tail_cache_bytes = static_cast<size_t>(config_.tail_cache_bytes);
  options.fetch_credit_bytes = static_cast<uint32_t>(config_.fetch_credit_bytes);
  return options;
}

LifeFacts Cluster::FactsOf(const Node& node) const {
  return {node.key, OptionsOf(node).initial_voters, node.timeouts.fetch, node.priority};
}

void Cluster::Format(Node* node) {
  const absl::Status formatted = subject_.storage.format(StorageOf(node->index));
  node->formatted = formatted.ok();
  if (!formatted.ok() && !node->dying) {
    referee_->Fail("I-28", absl::StrCat("node ", node->index, " can't format its disk: ", formatted.message()));
  }
}

void Cluster::StartAll() {
  for (int i = 0; i < size(); ++i) {
    // Formatted by an operator, who waits until it is done: not at the mercy of the run.
    Format(&At(i));
    StartAgain(i, absl::Nanoseconds(random_.Below(2'000'000)));
  }
}

void Cluster::StartAgain(int index, absl::Duration after) {
  Node& node = At(index);
  scheduler_->Cancel(node.restart);
  node.restart = scheduler_->After(after, EventKind::kFault, index, [this, index] { Start(index); });
}

void Cluster::Start(int index) {
  Node& node = At(index);
  if (node.up || node.gone) return;
  if (node.dying) return StartAgain(index, absl::Microseconds(1));
  node.up = true;
  ++node.life;
  if (node.lost) node.excuse = "its disk went back in time";
  if (!healing_ && random_.Below(1000) < static_cast<uint64_t>(config_.recovery_crash_permille)) {
    node.survival = random_.Below(2) == 0 ? Survival::kRandom : Survival::kAll;
    const CrashMoment moment = random_.Below(2) == 0 ? CrashMoment::kBefore : CrashMoment::kAfter;
    node.files.CrashAtCall(1 + random_.Below(80), moment);
  }
  Trace(index, absl::StrCat("starts, life ", node.life));
  const absl::Status started = Launch(&node);
  if (!started.ok()) Trace(index, absl::StrCat("couldn't start: ", started.message()));
  // Where what is gone was to go anyway, as by a reset that had been promised, nothing is missing.
  if (started.ok()) node.lost_files.reset();
  if (!started.ok() && !node.dying) CouldNotStart(&node, started);
}

absl::Status Cluster::Launch(Node* node) {
  const int index = node->index;
  const uint64_t life = node->life;
  node->observer = referee_->LifeBegins(index, FactsOf(*node));
  const SimulatedProcess process{index, node->machine.clock(), &node->random};
  node->state = std::make_unique<MachineWatch>(
      subject_.machine(process), [this, process] { return subject_.machine(process); }, referee_, &answers_, index,
      node->random.Next());
  absl::StatusOr<Stores> stores = subject_.storage.open(StorageOf(node->index));
  if (!stores.ok()) return stores.status();
  if (stores->log == nullptr || stores->election_state == nullptr) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     "the storage adapter's open returned OK, but no log or no election state");
  }
  node->storage = std::move(stores->owner);
  QuorumDependencies dependencies;
  dependencies.log = WatchLogStore(std::move(stores->log), referee_, index);
  dependencies.election_state = WatchElectionStateStore(std::move(stores->election_state), referee_, index);
  dependencies.snapshots = WatchSnapshotStore(std::move(stores->snapshots), referee_, index);
  dependencies.transport = network_->MakeTransport(index, node->endpoint);
  if (subject_.transport) dependencies.transport = subject_.transport(std::move(dependencies.transport));
  dependencies.state_machine = node->state.get();
  dependencies.clock = node->machine.clock();
  dependencies.random = &node->random;
  dependencies.executors = node->machine.executors();
  dependencies.observer = node->observer.get();
  if (trace_) dependencies.log_sink = std::make_shared<TraceSink>(scheduler_, index, trace_);
  dependencies.on_fault = [this, index, life](absl::Status cause) { Halted(index, life, cause); };
  absl::StatusOr<std::unique_ptr<QuorumNode>> made = QuorumNode::Create(OptionsOf(*node), std::move(dependencies));
  if (!made.ok()) return made.status();
  node->process = *std::move(made);
  return node->process->Start();
}

// ---- Who is who ----------------------------------------------------------------------------------------

int Cluster::Leader() {
  int leader = -1;
  Epoch newest(-1);
  for (auto& node : nodes_) {
    if (!node->up || node->state == nullptr || !node->state->leadership().is_self) continue;
    if (node->state->leadership().epoch <= newest) continue;
    newest = node->state->leadership().epoch;
    leader = node->index;
  }
  return leader;
}

int Cluster::ActingLeader() {
  int leader = -1;
  Epoch newest(-1);
  for (auto& node : nodes_) {
    if (!node->up || !referee_->Has(node->index)) continue;
    const Replica& replica = referee_->At(node->index);
    if (!replica.alive || replica.role != ReplicaRole::kLeader || replica.epoch <= newest) continue;
    newest = replica.epoch;
    leader = node->index;
  }
  return leader;
}

int Cluster::Follower(Random* random) {
  const int leader = Leader();
  const int first = static_cast<int>(random->Below(nodes_.size()));
  for (int i = 0; i < size(); ++i) {
    const int node = (first + i) % size();
    if (node != leader && At(node).up) return node;
  }
  return -1;
}

bool Cluster::Sends(int index, const Message& message) {
  if (index >= size()) {
    if (trace_) trace_(MessageText(scheduler_->now(), message));
    return true;
  }
  Node& node = At(index);
  if (!node.up) return false;
  const bool last = node.crash_at_send > 0 && --node.crash_at_send == 0;
  if (last && !node.crash_after_send) {
    Kill(index, Survival::kRandom, random_.Below(2) == 0, std::nullopt);
    StartAgain(index, absl::Milliseconds(1 + static_cast<int64_t>(random_.Below(1'000))));
    return false;
  }
  referee_->Sends(index, message);
  if (trace_) trace_(MessageText(scheduler_->now(), message));
  if (!last) return true;
  scheduler_->At(scheduler_->now(), EventKind::kFault, index, [this, index, life = node.life] {
    if (At(index).life != life) return;
    const bool announced = random_.Below(2) == 0;
    Kill(index, Survival::kRandom, announced, absl::Milliseconds(1 + static_cast<int64_t>(random_.Below(1'000))));
  });
  return true;
}

}  // namespace quorate::testing::simulator
