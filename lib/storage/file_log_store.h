// The log in files: a queue, one thread that works it off, and the segments.
//
// Group commit. The thread takes everything that is queued; consecutive appends become one gathered write and one
// fdatasync, however many they are, and what arrives meanwhile goes into the next group. So the load sets the size of
// a group by itself, without a linger or a timer: an idle log syncs at once, a busy one seldom and much. The batch
// bytes are written from where they lie; the store adds a 32-byte header each and no copy.
//
// Only one group is in flight. Two would hide a write behind a sync, but an fdatasync flushes whatever of the file is
// dirty, so the second could be on disk in part before the first is known to be: recovery's rule for what a
// crash may tear (R-04, segment_scan.h) rests on there being one.
//
// Callbacks run on the log's thread, in the order of the calls, reads included: a read that follows an append
// waits for its sync. After the first error of a write or sync nothing touches the disk again (F-D08, F-D09): every
// call that waits or comes completes with that error.
//
// The queue is bounded by what callers may have under way (limits.h); each call's memory is the caller's batches.
#ifndef QUORATE_STORAGE_FILE_LOG_STORE_H_
#define QUORATE_STORAGE_FILE_LOG_STORE_H_

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "quorate/environment.h"
#include "quorate/storage.h"
#include "storage/log_files.h"
#include "storage/log_recovery.h"
#include "storage/log_surgery.h"
#include "storage/segment.h"

namespace quorate::storage {

class FileLogStore final : public LogStore {
 public:
  // All that is pointed to outlives the store.
  FileLogStore(LogPlace place, Clock* clock, ExecutorFactory* executors);
  ~FileLogStore() override;
  FileLogStore(const FileLogStore&) = delete;
  FileLogStore& operator=(const FileLogStore&) = delete;

  absl::StatusOr<LogBounds> Open(absl::FunctionRef<absl::Status(const Batch&)> visit) override;
  void Append(std::vector<Batch> batches, AppendDone done) override;
  void TruncateSuffix(Offset new_end, Done done) override;
  void TrimPrefix(LogPosition start, Done done) override;
  void ResetTo(LogPosition start, Done done) override;
  void Read(Offset from, size_t max_bytes, ReadDone done) override;

 private:
  struct AppendCall {
    std::vector<Batch> batches;
    AppendDone done;
    absl::Status refusal;  // set when the batches don't continue the log
  };
  // What runs alone, behind the group before it (log_surgery.h).
  struct SurgeryCall {
    enum class Kind { kTruncate, kTrim, kReset };
    Kind kind;
    LogPosition at;  // kTruncate: only the end counts
    Done done;
  };
  struct ReadCall {
    Offset from;
    size_t max_bytes = 0;
    ReadDone done;
  };
  using Call = std::variant<AppendCall, SurgeryCall, ReadCall>;

  void Enqueue(Call call);
  // From here on: on the log's thread, or in Open and the destructor, when that thread doesn't run.
  void Drain();
  void RunGroup(absl::Span<Call> calls);  // appends and reads: one write, one sync, then the callbacks
  void RunSurgery(SurgeryCall& call);
  static void Fail(Call& call, const absl::Status& status);

  void StageAll(absl::Span<Call> calls);
  absl::Status CheckContinues(const std::vector<Batch>& batches) const;
  absl::Status Stage(const Batch& batch);
  absl::Status FlushStaged();
  absl::Status Roll();
  absl::Status Truncate(Offset new_end);
  absl::Status Trim(LogPosition start);
  absl::Status Reset(LogPosition start);
  absl::StatusOr<std::vector<Batch>> ReadNow(Offset from, size_t max_bytes) const;
  absl::Status WriteCheckpoint();
  void ArmCheckpointTimer();
  void PrepareNextSegment();  // if it is time
  // Remembers the first error of the disk for good; returns what it is given.
  absl::Status Die(absl::Status status);
  Segment& active() { return *log_->segments.back(); }

  const LogPlace place_;
  Clock* const clock_;

  std::mutex mutex_;
  std::vector<Call> queue_;  // guarded by mutex_
  bool scheduled_ = false;   // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_

  // The log's thread only.
  absl::Status dead_;
  std::optional<RecoveredLog> log_;
  Offset durable_end_;
  std::vector<Call> calls_;  // being worked off; kept for its memory
  std::vector<FrameCodec::Buffer> frame_headers_;
  std::vector<absl::string_view> staged_;
  uint64_t staged_position_ = 0;
  bool checkpoint_timer_ = false;
  bool rolled_ = false;  // a segment was filled in this life: the next one will be

  std::unique_ptr<Executor> background_;  // zeros ahead of use, trimmed segments
  SegmentPreparer preparer_;
  SegmentRemover remover_;
  std::unique_ptr<Executor> executor_;
  Executor* const runner_;  // the same, still valid for a task that the destructor waits for
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_FILE_LOG_STORE_H_
