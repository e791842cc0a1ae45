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

#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
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
  Offset start;     // 0, or the end of the snapshot that the log continues
  LogPosition end;  // of the last record; everything below is durable after Open
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

  // Whole batches from `from` (a batch boundary) on: at least one, then as many as fit into `max_bytes`.
  // Reads what was appended before this call, durable or not. OutOfRange below the start or at the end.
  virtual void Read(Offset from, size_t max_bytes, ReadDone done) = 0;
};

}  // namespace quorate

#endif  // QUORATE_STORAGE_H_
