// The real disk: POSIX calls, each with its full result.
//
// A file is one descriptor, opened with O_CLOEXEC, and every access says its offset (pread, pwritev), so
// that no shared file position can go wrong. A write that the kernel cuts short is continued: the next call
// then says why (usually ENOSPC) or finishes the job. An error is never retried, EINTR excepted, and Sync not
// even after EINTR. Space is made by writing zeros and not by fallocate: blocks that
// fallocate leaves "unwritten" must be converted by a journal commit at each first write, which is what
// preallocation is to avoid.
//
// The lock is flock(2): it belongs to the open file, not to the process as fcntl's does, so two
// users within one process exclude each other, and closing another descriptor of the file doesn't drop it.
//
// A directory must be opened to be synced. One descriptor is kept in reserve for that, so that a log can still
// begin a segment in a process that has run out of descriptors (fault F-P09).
#ifndef QUORATE_BASE_POSIX_FILE_SYSTEM_H_
#define QUORATE_BASE_POSIX_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "quorate/file_system.h"

namespace quorate {

class PosixFileSystemAdapter final : public FileSystem {
 public:
  PosixFileSystemAdapter();
  ~PosixFileSystemAdapter() override;
  PosixFileSystemAdapter(const PosixFileSystemAdapter&) = delete;
  PosixFileSystemAdapter& operator=(const PosixFileSystemAdapter&) = delete;

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) override;
  absl::Status CreateDirectories(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;

 private:
  // Opens a directory, at the price of the reserve if need be.
  int OpenDirectory(const std::string& path);
  void RestoreReserve();

  std::mutex mutex_;
  int reserve_;  // guarded by mutex_; -1 while it is in use
};

}  // namespace quorate

#endif  // QUORATE_BASE_POSIX_FILE_SYSTEM_H_
