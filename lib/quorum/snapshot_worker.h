// Everything that a node does with snapshot files, on a thread of its own ("quorate-snapshot").
//
// A snapshot may have any size, so nothing of it happens on the strand, and nothing in one piece: long work - writing
// one, reading one back - is cut into slices of about a megabyte, each a task of its own, so that a follower's chunk
// waits for one slice and not for the whole file, and a node that stops for none. No second thread for the chunks
// instead: one disk serves both.
//
// A snapshot of this node's own is only reported after it was read back from the disk and its digest found right
// one from another node likewise, before anything else is told of it (M-23).
//
// Both may be at the same position: the log came another way while a received one was being verified, and this node
// took its own. A file that was found good is never replaced, nor removed because another one of its name was not: each
// publication has a number, and what was found out about one says nothing of the next.
//
// Threads: calls from any one thread at a time (the engine's strand). Callbacks run on the snapshot thread, each
// exactly once, but for those that wait when the worker is destroyed.
#ifndef QUORATE_QUORUM_SNAPSHOT_WORKER_H_
#define QUORATE_QUORUM_SNAPSHOT_WORKER_H_

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "quorate/environment.h"
#include "quorate/log_sink.h"
#include "quorate/state_machine.h"
#include "quorate/storage.h"
#include "quorum/snapshot_file.h"
#include "raft/core.h"

namespace quorate::quorum {

class SnapshotWorker {
 public:
  using VotersAt = raft::RecoveredState::VotersAt;
  template <typename Result>
  using Done = absl::AnyInvocable<void(Result) &&>;

  SnapshotWorker(ClusterId cluster, std::unique_ptr<SnapshotStore> store, ExecutorFactory* executors, Clock* clock,
                 std::shared_ptr<LogSink> log_sink);
  ~SnapshotWorker() { Stop(); }

  // Before anything else: what is there, and the one that was verified.
  [[nodiscard]] SnapshotStore* store() { return store_.get(); }
  void Adopt(const std::vector<LogPosition>& files, const std::optional<SnapshotInfo>& verified);

  // Runs `task` on the snapshot thread: for a sink that loads a snapshot and has no thread of its own.
  void Post(Task task) { executor_->Post(std::move(task)); }

  // Writes one, finishes it, reads it back. One at a time.
  void Write(SnapshotHead head, std::unique_ptr<SnapshotSource> source, Done<absl::StatusOr<SnapshotInfo>> done);
  // The one being written is of no use any more: it ends soon, with an error.
  void CancelWrite() { ++wanted_write_; }

  // A piece for a follower. NotFound: there is no such snapshot (any more).
  void ReadChunk(LogPosition id, uint64_t position, uint32_t bytes_max, Done<absl::StatusOr<raft::SnapshotChunk>> done);

  // A piece from the leader, and what follows from it.
  void WriteChunk(raft::WriteSnapshotChunk chunk, Done<absl::Status> done);
  void Verify(SnapshotInfo info, Done<absl::StatusOr<VotersAt>> done);
  void Abandon();

  // For loading. The records may outlive the worker's last task, not the store.
  void OpenRecords(LogPosition id, Done<absl::StatusOr<std::unique_ptr<SnapshotFileReader>>> done);

  void Remove(LogPosition id);
  void RemoveOlderThan(LogPosition id);
  // From now on what is being loaded ends with an error.
  void StopReading() { stopping_->store(true); }
  // Ends the thread; nothing follows. Readers and the store stay as long as the worker.
  void Stop();

 private:
  static constexpr size_t kSliceBytes = 1u << 20;
  static constexpr size_t kReadersMax = 4;
  static constexpr absl::Duration kReaderIdleMax = absl::Seconds(30);

  struct WriteJob {
    uint64_t generation = 0;
    SnapshotHead head;
    std::unique_ptr<SnapshotSource> source;
    std::unique_ptr<SnapshotFileWriter> file;
    Done<absl::StatusOr<SnapshotInfo>> done;
  };
  struct VerifyJob {
    SnapshotInfo expected;  // digest 0: whatever it is
    std::unique_ptr<SnapshotFileReader> file;
    Done<absl::StatusOr<SnapshotInfo>> done;
  };
  struct Receiving {
    SnapshotInfo info;
    std::unique_ptr<SnapshotWriter> writer;
  };
  struct ReceivedJob {
    SnapshotInfo info;
    Done<absl::StatusOr<VotersAt>> done;
  };
  struct CachedReader {
    SnapshotInfo info;
    std::unique_ptr<SnapshotReader> reader;
    Instant last_used;
  };

  // On the snapshot thread.
  void WriteSlice(std::unique_ptr<WriteJob> job);
  absl::StatusOr<bool> WriteSome(WriteJob& job);  // true: that was all
  void FinishWrite(std::unique_ptr<WriteJob> job);
  void VerifySlice(std::unique_ptr<VerifyJob> job);
  void ReadBack(SnapshotInfo expected, Done<absl::StatusOr<SnapshotInfo>> done);
  absl::StatusOr<std::unique_ptr<SnapshotFileReader>> OpenFile(LogPosition id);
  absl::StatusOr<raft::SnapshotChunk> ReadChunkNow(LogPosition id, uint64_t position, uint32_t bytes_max);
  absl::StatusOr<CachedReader*> ReaderOf(LogPosition id);
  absl::Status WriteChunkNow(const raft::WriteSnapshotChunk& chunk);
  absl::StatusOr<VotersAt> VotersIn(LogPosition id);
  absl::Status OpenReceived(const SnapshotInfo& info);
  void CheckSlice(std::unique_ptr<ReceivedJob> job);
  void FinishReceived(std::unique_ptr<ReceivedJob> job);
  void VerifyReceived(std::unique_ptr<ReceivedJob> job);
  // There is a file of that name from now on.
  uint64_t Published(LogPosition id) { return files_[id] = ++publications_; }
  bool IsStill(LogPosition id, uint64_t publication) const;
  void RemoveNow(LogPosition id);
  void CloseIdleReaders();

  const ClusterId cluster_;
  Clock* const clock_;
  const std::shared_ptr<LogSink> log_sink_;
  const std::shared_ptr<std::atomic<bool>> stopping_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<uint64_t> wanted_write_{0};  // a write of another generation gives up
  std::unique_ptr<SnapshotStore> store_;

  // The snapshot thread's.
  std::map<LogPosition, uint64_t> files_;  // finished ones, and the numbers of their publications
  uint64_t publications_ = 0;
  std::map<LogPosition, SnapshotInfo> verified_;  // those that may be handed out
  std::optional<Receiving> receiving_;
  uint64_t abandoned_ = 0;  // how often
  std::map<LogPosition, CachedReader> readers_;
  bool sweep_armed_ = false;

  std::unique_ptr<Executor> thread_;  // null: stopped
  Executor* const executor_;          // the same; a task that runs while the thread is being ended still posts to it
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_SNAPSHOT_WORKER_H_
