// File: quorate/storage.h
//
// What a quorum member keeps on disk, as interfaces: its log and its election state. quorate brings a
// file adapter and a memory adapter (quorate/storage_adapters.h); a host may bring its own and run the
// conformance suites of quorate::testing on it.
//
// Threads: Open/Load are called once, before anything else, and may block. Every other call comes
// from one thread at a time, must not block, and completes later through its callback, which may run on
// any thread but never inside the call. Callbacks run in the order of the calls of that object, each
// exactly once, also when the object is closed or destroyed (then with kShuttingDown).
//
// Failure: after the first write or sync error a store is dead. Every later call completes with that
// same error; nothing is retried (faults F-D08, F-D09). The node halts.
#ifndef QUORATE_STORAGE_H_
#define QUORATE_STORAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/batch.h"
#include "quorate/types.h"

namespace quorate {

// Epoch, vote and leader of one replica: Raft's currentTerm and votedFor.
struct ElectionState {
  Epoch epoch;
  ReplicaKey voted_for;     // id kNoNode: nobody in this epoch yet
  NodeId leader = kNoNode;  // for information; a restarted leader never leads again in its epoch (M-02)
  friend bool operator==(const ElectionState&, const ElectionState&) = default;
};

class ElectionStateStore {
 public:
  virtual ~ElectionStateStore() = default;
  // nullopt only for a directory that was just formatted. Damage is an error, never "empty" (F-D04).
  virtual absl::StatusOr<std::optional<ElectionState>> Load() = 0;
  // `done(OK)` means: on disk. A vote leaves the node only after it (M-01).
  virtual void Store(const ElectionState& state, absl::AnyInvocable<void(absl::Status) &&> done) = 0;
};

struct LogBounds {
  LogPosition start;  // where it begins: {0, 0}, or what TrimPrefix or ResetTo said last
  LogPosition end;    // where it ends; = start when it is empty. Everything below is durable after Open
};

class LogStore {
 public:
  using Done = absl::AnyInvocable<void(absl::Status) &&>;
  using AppendDone = absl::AnyInvocable<void(absl::StatusOr<Offset>) &&>;
  using ReadDone = absl::AnyInvocable<void(absl::StatusOr<std::vector<Batch>>) &&>;

  virtual ~LogStore() = default;

  // Recovers the log: cuts a torn tail, refuses corruption, makes what is left durable
  // and calls `visit` with every batch from the start, in order. An error of `visit` ends Open with it.
  virtual absl::StatusOr<LogBounds> Open(absl::FunctionRef<absl::Status(const Batch&)> visit) = 0;

  // Appends at the end. `batches` continue the log without a gap. `done` gets the end of the durable
  // log, which covers them and may already cover later ones. Appends that arrive while a sync runs
  // share the next one (group commit).
  virtual void Append(std::vector<Batch> batches, AppendDone done) = 0;

  // Cuts everything at and above `new_end`, which is a batch boundary. Ordered with Append.
  virtual void TruncateSuffix(Offset new_end, Done done) = 0;

  // Forgets what lies below `start.end`, a batch boundary of the log; `start.epoch` is the epoch of the record before
  // it. `done(OK)`: the new start is on disk; the space comes back in time. A start at or below the present one
  // changes nothing and is OK.
  virtual void TrimPrefix(LogPosition start, Done done) = 0;

  // Drops the whole log and goes on, empty, at `start`: the end of a snapshot that was installed (M-22). A crash leaves
  // the old log or the new one. Ordered with Append.
  virtual void ResetTo(LogPosition start, Done done) = 0;

  // Whole batches from `from` (a batch boundary) on: at least one, then as many as fit into `max_bytes`.
  // Reads what was appended before this call, durable or not. OutOfRange below the start or at the end.
  virtual void Read(Offset from, size_t max_bytes, ReadDone done) = 0;
};

// ---- Snapshots -------------------------------------------------------------------------------------
//
// A snapshot is a file that stands for the log up to its position: `id.end` is exclusive, `id.epoch` the epoch of the
// record before it. The store keeps files and knows nothing of what is in them (docs/formats/snapshot.md); the bytes
// are the same on every node that has the snapshot, so that a piece from here continues one from there.
//
// Threads: every call may block; callers use a thread of their own for it. The store is used by one thread at a time,
// so is each writer and each reader; readers and writers of one store may be used at the same time.
//
// Failure: an error of a writer is an error of that snapshot only (F-D11): the writer is destroyed, nothing of the
// unfinished file stays behind (of a received one: what was there, to be resumed).

// A whole file, as its receiver learns of it before it has it.
struct SnapshotInfo {
  LogPosition id;
  uint64_t bytes = 0;
  uint64_t digest = 0;  // CRC-64/ECMA-182 over all bytes; never 0 (0 stands for "not known")
  friend bool operator==(const SnapshotInfo&, const SnapshotInfo&) = default;
};

class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  [[nodiscard]] virtual uint64_t size() const = 0;  // bytes so far
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Does some of what Finish has to check, ahead of it: reads up to `bytes_max` bytes back. True: nothing is left to
  // check. For callers that can't be busy for as long as a large file takes; Finish does what wasn't done.
  virtual absl::StatusOr<bool> CheckSome(uint64_t bytes_max) {
    (void)bytes_max;
    return true;
  }
  // The bytes reach the disk, the file gets its name, and the name reaches the disk. Once; nothing follows.
  virtual absl::Status Finish() = 0;
};

class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  [[nodiscard]] virtual uint64_t size() const = 0;
  // `length` bytes at `position` into `out` (replaced); fewer only at the end of the file.
  virtual absl::Status ReadAt(uint64_t position, size_t length, std::string* out) = 0;
};

class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;

  struct Contents {
    std::vector<LogPosition> snapshots;   // finished ones, ascending by end; not verified
    std::optional<SnapshotInfo> partial;  // one that was being received
    uint64_t partial_bytes = 0;           // and how much of it is here
  };
  // Once, first. Removes what a crash left of snapshots that this node wrote itself.
  virtual absl::StatusOr<Contents> Open() = 0;
  // Begins a snapshot of this node's own. Destroyed without Finish, it leaves nothing.
  virtual absl::StatusOr<std::unique_ptr<SnapshotWriter>> Create(LogPosition id) = 0;
  // Begins one that comes from another node, or goes on with it when the partial one is exactly this; another
  // partial one is removed. Destroyed without Finish, it stays to be resumed (M-23).
  virtual absl::StatusOr<std::unique_ptr<SnapshotWriter>> Receive(const SnapshotInfo& expected) = 0;
  // NotFound when there is none. A reader outlasts the removal of its snapshot.
  virtual absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenReader(LogPosition id) = 0;
  // Durable when it returns. OK when there is none.
  virtual absl::Status Remove(LogPosition id) = 0;
  virtual absl::Status RemovePartial() = 0;
  // What a person has to look for, in a message: the path, where there is a file.
  [[nodiscard]] virtual std::string NameOf(LogPosition id) const {
    return "the snapshot up to offset " + std::to_string(id.end.value());
  }
};

}  // namespace quorate

#endif  // QUORATE_STORAGE_H_
