#include "testing/simulator/stranger.h"

#include <utility>
#include <vector>

#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"

namespace quorate::testing::simulator {
namespace {

constexpr int kRecords = 5;

}  // namespace

class Stranger::Nothing final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord>) override { return absl::OkStatus(); }
};

Stranger::Stranger(Cluster* cluster, uint64_t seed)
    : cluster_(cluster),
      cluster_id_(Uuid(0xb2, seed + 77'777)),
      key_{NodeId(cluster->size()), DirectoryId(Uuid(0xd2, 1'000))},
      endpoint_{"CONTROLLER", "stranger", 9093},
      machine_(&cluster->scheduler(), cluster->size(), seed * 31 + 8, Latencies()),
      files_(seed * 31 + 9),
      random_(seed * 31 + 10) {}

SimulatedStorage Stranger::StorageWith(ExecutorFactory* executors, Clock* clock) {
  SimulatedStorage storage;
  storage.files = &files_;
  storage.path = "/data";
  storage.identity.cluster_id = cluster_id_;
  storage.identity.node_id = key_.id;
  storage.identity.directory_id = key_.directory;
  storage.segment_bytes = 1 << 20;
  storage.executors = executors;
  storage.clock = clock;
  return storage;
}

// What it has from its own cluster: some records of a late epoch.
absl::Status Stranger::Prepare(Epoch epoch) {
  ManualClock clock;
  ManualExecutor executor(&clock);
  ManualExecutorFactory executors(&executor);
  const SimulatedStorage storage = StorageWith(&executors, &clock);
  const StorageAdapter adapter = FileStorageAdapter();
  if (absl::Status formatted = adapter.format(storage); !formatted.ok()) return formatted;
  absl::StatusOr<Stores> stores = adapter.open(storage);
  if (!stores.ok()) return stores.status();
  const absl::StatusOr<LogBounds> opened = stores->log->Open([](const Batch&) { return absl::OkStatus(); });
  if (!opened.ok()) return opened.status();
  const absl::StatusOr<std::optional<ElectionState>> loaded = stores->election_state->Load();
  if (!loaded.ok()) return loaded.status();
  const std::vector<absl::string_view> records(kRecords, "1 k0 w another-cluster");
  Batch::Header header;
  header.epoch = epoch;
  header.cluster_hash = cluster_id_.value().low();
  absl::StatusOr<Batch> batch = Batch::Make(header, records);
  if (!batch.ok()) return batch.status();
  stores->log->Append({*std::move(batch)}, [](absl::StatusOr<Offset>) {});
  ElectionState state;
  state.epoch = epoch;
  stores->election_state->Store(state, [](absl::Status) {});
  executor.RunUntilIdle();
  stores->log.reset();
  stores->election_state.reset();
  stores->snapshots.reset();
  return absl::OkStatus();
}

absl::Status Stranger::Launch() {
  QuorumOptions options;
  options.cluster_id = cluster_id_;
  options.self = key_;
  options.initial_voters = {AsVoter()};
  for (const Voter& voter : cluster_->initial_voters()) {
    options.initial_voters.push_back({{voter.key.id, DirectoryId()}, voter.endpoints, 0, 1});
  }
  options.advertised_endpoints = {endpoint_};
  options.timeouts = cluster_->At(0).timeouts;
  absl::StatusOr<Stores> stores = FileStorageAdapter().open(StorageWith(machine_.executors(), machine_.clock()));
  if (!stores.ok()) return stores.status();
  storage_ = std::move(stores->owner);
  state_ = std::make_unique<Nothing>();
  QuorumDependencies dependencies;
  dependencies.log = std::move(stores->log);
  dependencies.election_state = std::move(stores->election_state);
  dependencies.snapshots = std::move(stores->snapshots);
  dependencies.transport = cluster_->network().MakeTransport(cluster_->size(), endpoint_);
  dependencies.state_machine = state_.get();
  dependencies.clock = machine_.clock();
  dependencies.random = &random_;
  dependencies.executors = machine_.executors();
  absl::StatusOr<std::unique_ptr<QuorumNode>> made = QuorumNode::Create(std::move(options), std::move(dependencies));
  if (!made.ok()) return made.status();
  process_ = *std::move(made);
  return process_->Start();
}

bool Stranger::Start(Epoch epoch) { return Prepare(epoch).ok() && Launch().ok(); }

void Stranger::Stop() {
  if (process_ == nullptr) return;
  cluster_->network().Died(cluster_->size(), /*announced=*/true);
  files_.Crash();
  process_.reset();
  storage_.reset();
}

}  // namespace quorate::testing::simulator
