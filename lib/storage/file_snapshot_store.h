// Snapshots as files of the data directory (snapshot_names.h has the names).
//
// An own one is written under a temporary name: write, fsync, rename, fsync of the directory. One that is
// received comes in pieces over minutes, over a link that breaks, to a node that may be restarted: it keeps what is
// there. After a restart the question is what that is. The size of a file says nothing after a power failure: it
// may have grown before its bytes were written. So the file is synced in steps, and no byte behind the end of a step
// is written before the step is synced. Then the size itself says which bytes are certain: all whole steps below its
// last byte. No second file has to be kept in step with it; at most one step is fetched again. And whatever a disk
// makes up all the same is caught at the end: Finish reads the whole file back and compares the digest before the
// rename (M-23).
//
// After a sync that failed, what the page cache shows isn't on the disk and won't be (F-D09): a received file is cut
// back to its last synced step, an own one is removed. A full disk does the same (F-D11). The log is never
// touched: snapshots fail alone.
//
// Threads: as storage.h says. Store and writers share a little state under a mutex, which the writer of a received one
// holds while it writes.
#ifndef QUORATE_STORAGE_FILE_SNAPSHOT_STORE_H_
#define QUORATE_STORAGE_FILE_SNAPSHOT_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quorate/file_system.h"
#include "quorate/log_sink.h"
#include "quorate/storage.h"

namespace quorate::storage {

struct SnapshotPlace {
  FileSystem* files = nullptr;
  std::string directory;
  uint64_t sync_bytes = 0;  // one step
  std::shared_ptr<LogSink> log_sink;
};

// What of a partial file of this size is certainly on the disk, whatever happened.
inline uint64_t CertainBytes(uint64_t size, uint64_t sync_bytes) {
  return size == 0 ? 0 : (size - 1) / sync_bytes * sync_bytes;
}

class FileSnapshotStore final : public SnapshotStore {
 public:
  explicit FileSnapshotStore(SnapshotPlace place);

  absl::StatusOr<Contents> Open() override;
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Create(LogPosition id) override;
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Receive(const SnapshotInfo& expected) override;
  absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenReader(LogPosition id) override;
  absl::Status Remove(LogPosition id) override;
  absl::Status RemovePartial() override;
  [[nodiscard]] std::string NameOf(LogPosition id) const override;

  struct State;  // shared with the writers

 private:
  absl::Status KeepOnePartial(std::vector<SnapshotInfo> partials, Contents* contents);
  absl::Status RemoveIfThere(const std::string& name);
  [[nodiscard]] std::string PathOf(absl::string_view name) const;

  const SnapshotPlace place_;
  const std::shared_ptr<State> state_;
  uint64_t created_ = 0;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_FILE_SNAPSHOT_STORE_H_
