#include "testing/simulator/disk_audit.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/testing/manual_executor.h"
#include "testing/simulator/hooks.h"

namespace quorate::testing::simulator {

void AuditDisk(Cluster* cluster, int index) {
  Cluster::Node& node = cluster->At(index);
  if (!node.up || node.dying || node.process == nullptr || node.rot.has_value()) return;
  const HooksPause pause;  // what is read here is no step of the library under test
  Xoshiro random(node.life);
  SimDisk disk = node.files.SaveDisk();
  disk.Crash(Survival::kNone, &random);
  SimFileSystem files(node.life);
  files.LoadDisk(std::move(disk));
  ManualClock clock;
  ManualExecutor executor(&clock);
  ManualExecutorFactory executors(&executor);
  SimulatedStorage storage = cluster->StorageOf(index);
  storage.files = &files;
  storage.executors = &executors;
  storage.clock = &clock;
  absl::StatusOr<Stores> stores = cluster->subject().storage.open(storage);
  if (!stores.ok()) {
    return cluster->referee().Fail("I-12", absl::StrCat("what is synced on the disk of node ", index,
                                                        " doesn't open: ", stores.status().message()));
  }
  absl::StatusOr<std::optional<ElectionState>> vote = stores->election_state->Load();
  std::vector<Batch> batches;
  absl::StatusOr<LogBounds> bounds = stores->log->Open([&batches](const Batch& batch) {
    batches.push_back(batch);
    return absl::OkStatus();
  });
  if (!vote.ok() || !bounds.ok()) {
    return cluster->referee().Fail(
        "I-12", absl::StrCat("what is synced on the disk of node ", index,
                             " can't be read: ", vote.ok() ? bounds.status().message() : vote.status().message()));
  }
  cluster->referee().Audited(index, *vote, *bounds, batches);
  stores->log.reset();
  stores->election_state.reset();
  stores->snapshots.reset();
}

}  // namespace quorate::testing::simulator
