// A snapshot file under construction: what the writer of an own one and that of a received one have in common.
//
// The file is synced in steps while it grows, and never written beyond a step that isn't synced. For a received one
// that says what is certain after a crash (file_snapshot_store.h). For both it keeps the heap of dirty pages small,
// before which the log's next fdatasync would have to wait.
#ifndef QUORATE_STORAGE_SNAPSHOT_FILE_H_
#define QUORATE_STORAGE_SNAPSHOT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/file_system.h"
#include "storage/snapshot_digest.h"

namespace quorate::storage {

class SnapshotFile {
 public:
  // `size` bytes are there, of which the whole steps below the last byte are synced.
  SnapshotFile(std::string path, std::unique_ptr<File> file, uint64_t sync_bytes, uint64_t size);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] uint64_t size() const { return size_; }

  // After an error of these, size() is what may be relied on, and nothing else may be done but CutBack.
  absl::Status Append(absl::string_view bytes);
  absl::Status Sync();
  // Makes the file as long as size() says, as well as that goes.
  void CutBack() { (void)file_->Truncate(size_); }

  // Reads back up to `bytes_max` bytes that weren't read yet, for the digest. True: all were. Appending begins anew.
  absl::StatusOr<bool> DigestSome(uint64_t bytes_max);
  // Of all bytes, once DigestSome said so.
  [[nodiscard]] uint64_t digest() const { return digest_.value(); }
  // Gives the file its name, durably; it is synced. When the directory can't be synced, the name is taken away again,
  // unless there was a file of that name before.
  static absl::Status Publish(FileSystem* files, const std::string& directory, const std::string& from,
                              const std::string& to);

 private:
  void ForgetDigest();

  std::string path_;
  std::unique_ptr<File> file_;
  uint64_t sync_bytes_;
  uint64_t size_;
  uint64_t synced_;
  SnapshotDigest digest_;  // of the first digested_ bytes, as they were read back
  uint64_t digested_ = 0;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SNAPSHOT_FILE_H_
