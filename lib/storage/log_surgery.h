// What changes a log other than at its end: cutting its tail, forgetting its beginning, replacing it by an empty one.
//
// Each comes in two halves. The first looks, and refuses what can't be asked for; it changes nothing, and the
// log goes on after a refusal. The second acts; after an error of it nobody knows what is on the disk, and the log is
// dead until the next start.
//
// Order is everything here, because the lights may go out behind every call:
//
//   truncate  promise in the checkpoint -> newest segments removed, newest first -> rest zeroed -> promise withdrawn
//   trim      new start in both slots of the checkpoint -> done; segments below may go whenever it suits
//   reset     promise in both slots -> every segment removed -> an empty one made -> new start, promise withdrawn
//
// The new start is in both slots before anything is removed: with it in one, the loss of that slot would bring the old
// start back, to a log that has lost its beginning. Why a reset removes before it makes: it may be a full
// disk that made the node fall behind, and the promise covers the moment in which there is no segment at all.
//
// Trimmed segments are removed by SegmentRemover, on the thread that prepares segments: unlinking a large file takes
// milliseconds, and a commit may be waiting. The directory isn't synced for it. Nothing depends on those names being
// gone: recovery knows a leftover by the log's start, and any subset of them may come back after a power failure.
#ifndef QUORATE_STORAGE_LOG_SURGERY_H_
#define QUORATE_STORAGE_LOG_SURGERY_H_

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quorate/environment.h"
#include "storage/log_recovery.h"

namespace quorate::storage {

struct LogBoundary {
  size_t segment = 0;  // the one that holds what is before it
  Segment::Boundary at;
};

// Where `new_end` lies in the segments. kInvalidArgument unless it is a batch boundary of the log.
absl::StatusOr<LogBoundary> FindInLog(const RecoveredLog& log, Offset new_end);

// Cuts the log there, and the durable mark with it.
absl::Status TruncateLog(const LogPlace& place, const LogBoundary& boundary, RecoveredLog* log);

// kInvalidArgument unless the log holds a boundary at `start.end`, with the epoch that is said.
absl::Status CheckTrim(const RecoveredLog& log, LogPosition start);
// All of the log is durable when this is called. Returns the files to be removed, oldest first.
absl::StatusOr<std::vector<std::string>> TrimLog(LogPosition start, RecoveredLog* log);

// The log is empty and begins at `start` when this returns OK.
absl::Status ResetLog(const LogPlace& place, LogPosition start, RecoveredLog* log);
// The second half of it, also for recovery: removes the segments with these bases, newest first, and makes the new one.
absl::StatusOr<std::unique_ptr<Segment>> ReplaceSegments(const LogPlace& place, const std::vector<Offset>& bases,
                                                         LogPosition start);

// Removes files one by one. Thread-safe. Outlives the tasks of `executor`.
class SegmentRemover {
 public:
  SegmentRemover(FileSystem* files, std::shared_ptr<LogSink> log_sink, Executor* executor)
      : files_(files), log_sink_(std::move(log_sink)), executor_(executor) {}
  SegmentRemover(const SegmentRemover&) = delete;
  SegmentRemover& operator=(const SegmentRemover&) = delete;

  void Add(std::vector<std::string> paths);
  // What isn't removed yet is removed now, by the caller: its names may be wanted. An error of one is logged and
  // otherwise no trouble: the next start removes it.
  void Finish();

 private:
  bool RemoveOne();

  FileSystem* const files_;
  const std::shared_ptr<LogSink> log_sink_;
  Executor* const executor_;
  std::mutex removing_;  // held during one removal; taken before mutex_
  std::mutex mutex_;
  std::deque<std::string> paths_;  // guarded by mutex_
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_LOG_SURGERY_H_
