// Makes segment files: R-01 in one place.
//
// A segment comes into being under a temporary name: zero-filled, then its header, then fsync, then the rename
// to its own name, then the sync of the directory; only then is it used. So a file with a segment's name always has
// a whole header, and a half-made one is recognised by its name.
//
// Zero-filling a segment takes longer than anybody wants to wait for a commit, so SegmentPreparer does it ahead of
// use, on another thread, in a file of its own: zeros that are written behind the data in the same file
// would be flushed by the next commit's fdatasync, with the journal. It goes in small steps, each synced, because
// a large heap of dirty zeros would stand before the log in the disk's queue; and it starts when the first segment in
// use is half full, because many a metadata log never gets there, and at once in those after it.
#ifndef QUORATE_STORAGE_LOG_FILES_H_
#define QUORATE_STORAGE_LOG_FILES_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quorate/environment.h"
#include "quorate/file_system.h"
#include "quorate/log_sink.h"
#include "storage/segment_format.h"

namespace quorate::storage {

// A segment that can't wait for its zeros gets this much of them, ahead of what it already holds.
inline constexpr uint64_t kQuickCapacityBytes = 4u << 20;

// Makes the segment of `header` in `directory` and returns its open file. `frames` go behind the header; the file
// is zero up to `capacity`. `prepared`, if any, is an open file with the name kPreparedSegmentName that is zero-filled
// and synced already; else the file is made anew. Durable when it returns.
absl::StatusOr<std::unique_ptr<File>> MakeSegmentFile(FileSystem* files, const std::string& directory,
                                                      const SegmentHeader& header, absl::string_view frames,
                                                      uint64_t capacity, std::unique_ptr<File> prepared);

// Keeps one zero-filled file ready. Start and Take come from one thread.
class SegmentPreparer {
 public:
  // Outlives the tasks of `executor`.
  SegmentPreparer(FileSystem* files, std::string directory, uint64_t bytes, Executor* executor,
                  std::shared_ptr<LogSink> log_sink);
  SegmentPreparer(const SegmentPreparer&) = delete;
  SegmentPreparer& operator=(const SegmentPreparer&) = delete;

  // Begins to prepare a file, unless one is ready or under way. Cheap to call often.
  void Start();
  // The prepared file, or null when there is none yet (or it failed: then a Start tries again). Its name
  // must be free (renamed) before the next Start.
  std::unique_ptr<File> Take();
  // The work under way, if any, ends soon.
  void Stop() { stopping_ = true; }

 private:
  void Prepare();
  absl::StatusOr<std::unique_ptr<File>> MakeFile();

  FileSystem* const files_;
  const std::string directory_;
  const uint64_t bytes_;
  const std::shared_ptr<LogSink> log_sink_;
  Executor* const executor_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  bool working_ = false;         // guarded by mutex_
  std::unique_ptr<File> ready_;  // guarded by mutex_
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_LOG_FILES_H_
