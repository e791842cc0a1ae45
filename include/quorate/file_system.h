// File: quorate/file_system.h
//
// The only way to the disk (rule R-08): every file-system call of the library goes through these two
// interfaces, with its full result, so that a test can take the disk away at any call. System() in
// quorate/system.h is the real one.
//
// Contract for implementations: a call that returns OK did all of what was asked (no short writes);
// an error says call, path and errno in its message and carries Reason::kStorage. Nothing is durable
// before Sync (file contents) and SyncDirectory (names in that directory) returned OK, and after an
// error of either, nothing that was unsynced may be trusted any more (fault F-D09).
#ifndef QUORATE_FILE_SYSTEM_H_
#define QUORATE_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace quorate {

// An open file. One thread at a time, except ReadAt, which may run beside any other call.
class File {
 public:
  virtual ~File() = default;  // closes; a close error after a successful Sync is harmless
  // Writes all pieces, one after the other, at `offset`; grows the file when needed.
  virtual absl::Status WriteAt(uint64_t offset, absl::Span<const absl::string_view> pieces) = 0;
  // Reads up to `length` bytes at `offset` into `out` (replaced). Fewer only at the end of the file.
  virtual absl::Status ReadAt(uint64_t offset, size_t length, std::string* out) = 0;
  // Contents (and size) reach the disk: fdatasync.
  virtual absl::Status Sync() = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  // Writes zeros over [offset, offset + length), so that later writes there need no new blocks.
  virtual absl::Status ZeroFill(uint64_t offset, uint64_t length) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
  // Takes the exclusive advisory lock, held until the file is closed. kInUse when somebody else has it.
  virtual absl::Status TryLock() = 0;
};

enum class OpenMode {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // must not exist yet
  kOpenOrCreate,
};

// Thread-safe. Paths are absolute or relative to the process's working directory.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;
  // Names (not paths) in `directory`, sorted, without "." and "..". NotFound when it doesn't exist.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  virtual absl::StatusOr<bool> Exists(const std::string& path) = 0;
  virtual absl::StatusOr<bool> IsDirectory(const std::string& path) = 0;
  virtual absl::Status CreateDirectories(const std::string& path) = 0;
  // Atomic replacement within one file system. Durable after SyncDirectory of the parent.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status SyncDirectory(const std::string& path) = 0;
  // Bytes free for us on the file system of `path`.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;
};

}  // namespace quorate

#endif  // QUORATE_FILE_SYSTEM_H_
