// A file system in memory that fails on demand, for tests and the simulator.
//
// It counts every call, and any call can be made to fail or to be the last one before a crash, so that a
// test can walk through *all* the moments at which a disk may let go:
//
//   for (uint64_t n = 1;; ++n) {
//     SimFileSystem files(seed);
//     files.CrashAtCall(n, CrashMoment::kBefore);
//     Work(&files);                       // stops getting anything done at call n
//     if (!files.crashed()) break;        // that was the last call
//     files.Restart(Survival::kRandom);   // the disk as the crash left it
//     Check(&files);
//   }
//
// After the crash point every call fails and changes nothing until Restart; files opened before stay
// dead, and their locks are gone. A failed Sync loses what was pending while later ones succeed (F-D09). A
// failed WriteAt may have written a part. What sits on the disk is a SimDisk, which can be saved and put
// back. Renames stay within one directory, which is all that quorate uses.
//
// Thread-safe, and deterministic if its callers are.
#ifndef QUORATE_TESTING_SIM_FILE_SYSTEM_H_
#define QUORATE_TESTING_SIM_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/file_system.h"
#include "testing/sim_disk.h"

namespace quorate::testing {

enum class FileCall {
  kOpen,
  kList,
  kExists,
  kIsDirectory,
  kCreateDirectories,
  kRename,
  kRemove,
  kSyncDirectory,
  kFreeBytes,
  kWrite,
  kRead,
  kSync,
  kTruncate,
  kZeroFill,
  kSize,
  kLock,
};
absl::string_view ToString(FileCall call);

struct FileCallInfo {
  uint64_t number = 0;  // 1 for the first call of this file system
  FileCall call = FileCall::kOpen;
  std::string path;
  uint64_t offset = 0;
  uint64_t length = 0;
};

enum class CrashMoment { kBefore, kAfter };

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(uint64_t seed = 1) : random_(seed) {}

  // ---- FileSystem ----
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) override;
  absl::Status CreateDirectories(const std::string& path) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override;

  // ---- Faults. `n` counts from the next call, which is 1. ----
  void CrashAtCall(uint64_t n, CrashMoment moment);
  void FailCall(uint64_t n);
  // Asked before every call, without a lock held; an error becomes the call's result. Null: none.
  void SetHook(std::function<absl::Status(const FileCallInfo&)> hook);
  // Writes that make the files larger than this in sum fail (F-D10).
  void SetQuotaBytes(uint64_t bytes);
  void DisarmCrash();  // no crash at a call any more
  // Told when a call was the last one before a crash (not for Crash). Called with a lock held: must not come back in.
  void SetCrashListener(std::function<void()> listener);
  // The machine stops now; then it is started again with what `survival` leaves on the disk.
  void Crash();
  void Restart(Survival survival);
  [[nodiscard]] bool crashed() const;

  // ---- Looking and tampering. The file must exist. ----
  [[nodiscard]] uint64_t calls() const;
  [[nodiscard]] uint64_t TotalBytes() const;
  [[nodiscard]] uint64_t CountOf(FileCall call) const;
  [[nodiscard]] std::string Contents(const std::string& path) const;
  void FlipBit(const std::string& path, uint64_t bit);
  void SetContents(const std::string& path, std::string bytes);
  [[nodiscard]] SimDisk SaveDisk() const;
  void LoadDisk(SimDisk disk);

 private:
  friend class SimFile;

  // Counts the call and decides its fate: OK to go on.
  absl::Status Begin(FileCall call, const std::string& path, uint64_t offset = 0, uint64_t length = 0);
  // To be called when the call has had its effect: an error when the crash falls between effect and result.
  absl::Status End();
  absl::Status WriteLocked(SimDisk::NodeNumber node, const std::string& path, uint64_t offset, std::string bytes);

  mutable std::mutex mutex_;
  Xoshiro random_;                                         // guarded by mutex_
  SimDisk disk_;                                           // guarded by mutex_
  std::function<absl::Status(const FileCallInfo&)> hook_;  // guarded by mutex_
  std::function<void()> crash_listener_;                   // guarded by mutex_
  std::set<SimDisk::NodeNumber> locks_;                    // guarded by mutex_
  std::multiset<SimDisk::NodeNumber> open_;                // guarded by mutex_; once per handle of this life
  std::map<FileCall, uint64_t> counts_;                    // guarded by mutex_
  uint64_t calls_ = 0;                                     // guarded by mutex_
  uint64_t fail_at_ = 0;                                   // guarded by mutex_
  uint64_t crash_before_ = 0;                              // guarded by mutex_
  uint64_t crash_after_ = 0;                               // guarded by mutex_
  uint64_t quota_bytes_ = UINT64_MAX;                      // guarded by mutex_
  uint64_t life_ = 1;                                      // guarded by mutex_; handles of earlier lives are dead
  bool crashed_ = false;                                   // guarded by mutex_
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_SIM_FILE_SYSTEM_H_
