// File: quorate/storage_adapters.h
//
// The storage that quorate brings: in memory, and in files. A data directory must be formatted before use,
// once, by `quorate storage format` or FormatDirectory: a node that finds its files missing never
// starts afresh by itself (rules M-39, F-D15).
#ifndef QUORATE_STORAGE_ADAPTERS_H_
#define QUORATE_STORAGE_ADAPTERS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/file_system.h"
#include "quorate/log_sink.h"
#include "quorate/storage.h"
#include "quorate/types.h"

namespace quorate {

// ---- Memory: for tests and for quorums that need not survive a power failure -----------------------
// Callbacks run on `executor`, which outlives the store.
std::unique_ptr<LogStore> NewMemoryLogStore(Executor* executor);
std::unique_ptr<ElectionStateStore> NewMemoryElectionStateStore(Executor* executor);
std::unique_ptr<SnapshotStore> NewMemorySnapshotStore();

// ---- Files -----------------------------------------------------------------------------------------

// Whose directory it is; written by format, checked at every start (F-D05). On disk:
// meta.properties (Kafka's keys: version, cluster.id, node.id, directory.id).
struct DirectoryIdentity {
  ClusterId cluster_id;
  NodeId node_id = kNoNode;
  DirectoryId directory_id;
  // The voter set that the quorum starts with (KIP-853's 0-0 checkpoint); nullopt: a static quorum from
  // the configuration, or a node that joins later.
  std::optional<std::vector<Voter>> initial_voters;
  friend bool operator==(const DirectoryIdentity&, const DirectoryIdentity&) = default;
};

// Creates the directory and all its files, the identity last: a crash half-way leaves an unformatted
// directory. kInvalidArgument when it is formatted already.
absl::Status FormatDirectory(FileSystem* files, const std::string& path, const DirectoryIdentity& identity);

// nullopt: exists but isn't formatted, or doesn't exist. kCorruption: formatted, and unreadable.
absl::StatusOr<std::optional<DirectoryIdentity>> ReadDirectoryIdentity(FileSystem* files, const std::string& path);

struct FileStorageOptions {
  std::string path;
  uint64_t segment_bytes = 16u << 20;  // a segment is preallocated and zero-filled ahead of use
  // A snapshot is synced in steps of this while it is written. A received one keeps its whole steps through a power
  // failure.
  uint64_t snapshot_sync_bytes = 4u << 20;
  FileSystem* files = nullptr;           // null: PosixFileSystem()
  ExecutorFactory* executors = nullptr;  // null: ThreadExecutorFactory(); the log gets a thread of its own
  Clock* clock = nullptr;                // null: SystemClock()
  std::shared_ptr<LogSink> log_sink;     // null: NullLogSink()
};

// A data directory in use: holds the directory lock for its life. Outlives the stores made from it.
class DataDirectory {
 public:
  // Takes the lock and reads the identity. kNotFormatted, kInUse (with who holds it), kCorruption,
  // kStorage; each message has the remedy.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Open(FileStorageOptions options);
  virtual ~DataDirectory() = default;
  [[nodiscard]] virtual const DirectoryIdentity& identity() const = 0;
  // How many lives on this directory ended badly before this one, soon one after the other, and how long the host
  // should therefore wait before it makes the stores: from the sixth on, one second, then twice as long each time, up
  // to a minute (F-P05). Advice; nothing else depends on it. To stop in order is to destroy this object.
  [[nodiscard]] virtual int32_t unclean_starts() const { return 0; }
  [[nodiscard]] virtual absl::Duration start_backoff() const { return absl::ZeroDuration(); }
  // Each once.
  virtual std::unique_ptr<LogStore> MakeLogStore() = 0;
  virtual std::unique_ptr<ElectionStateStore> MakeElectionStateStore() = 0;
  virtual std::unique_ptr<SnapshotStore> MakeSnapshotStore() = 0;
};

}  // namespace quorate

#endif  // QUORATE_STORAGE_ADAPTERS_H_
