// quorate's own storage as an adapter among others.
#include <utility>

#include "quorate/storage_adapters.h"
#include "testing/simulator/cluster.h"

namespace quorate::testing::simulator {

StorageAdapter FileStorageAdapter() {
  StorageAdapter adapter;
  adapter.format = [](const SimulatedStorage& storage) {
    return FormatDirectory(storage.files, storage.path, storage.identity);
  };
  adapter.open = [](const SimulatedStorage& storage) -> absl::StatusOr<Stores> {
    FileStorageOptions options;
    options.path = storage.path;
    options.segment_bytes = storage.segment_bytes;
    options.files = storage.files;
    options.executors = storage.executors;
    options.clock = storage.clock;
    absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(options));
    if (!directory.ok()) return directory.status();
    Stores stores;
    stores.log = (*directory)->MakeLogStore();
    stores.election_state = (*directory)->MakeElectionStateStore();
    stores.snapshots = (*directory)->MakeSnapshotStore();
    stores.owner = std::shared_ptr<DataDirectory>(*std::move(directory));
    return stores;
  };
  return adapter;
}

}  // namespace quorate::testing::simulator
