// File: quorate/state_machine.h
//
// What a host replicates: its own state machine, fed with committed records in log order.
//
//   class Counter : public quorate::StateMachine {
//     absl::Status Apply(absl::Span<const quorate::CommittedRecord> records) override {
//       for (const auto& r : records) { value_ += Decode(r.data); if (r.result) *r.result = Text(value_); }
//       return absl::OkStatus();
//     }
//   };
#ifndef QUORATE_STATE_MACHINE_H_
#define QUORATE_STATE_MACHINE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "quorate/types.h"

namespace quorate {

struct CommittedRecord {
  Offset offset;
  Epoch epoch;
  absl::string_view data;  // valid during the call
  // Where to leave an answer for the proposer; null unless it waits on this node. Never let the state
  // depend on whether it is null: the other nodes see null.
  std::string* result = nullptr;
};

// Who leads, as this node knows it. `leader` is kNoNode while nobody is known.
struct Leadership {
  Epoch epoch;
  NodeId leader = kNoNode;
  Endpoint endpoint;     // of the leader; empty host when unknown
  bool is_self = false;  // only true once this node's first record of the epoch is committed and applied
  friend bool operator==(const Leadership&, const Leadership&) = default;
};

// A moment of a state machine's state, to be written down while the state machine goes on. Used by one thread, which
// may be another one than the apply thread; its calls may block.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // The next record of the snapshot, at most limits::kSnapshotRecordBytesMax bytes; nullopt: that was all. The same
  // state must give the same records in the same order on every node. An error abandons the snapshot (F-H07).
  virtual absl::StatusOr<std::optional<std::string>> Next() = 0;
};

// The records of a snapshot that is being loaded, as its source gave them.
class SnapshotRecords {
 public:
  virtual ~SnapshotRecords() = default;
  // nullopt: that was all. The view is valid until the next call.
  virtual absl::StatusOr<std::optional<absl::string_view>> Next() = 0;
};

// Called by one thread at a time (the node's apply thread), never with a lock of quorate held. A call
// may block; the quorum goes on without it. It may call into the QuorumNode, but must not wait there
// for its own progress. An error, or an exception, halts the node: a record is never skipped (F-H01).
class StateMachine {
 public:
  virtual ~StateMachine() = default;
  // Committed data records, in offset order, each exactly once per start of the process. Offsets may
  // skip: the quorum's own records are not shown. Must be deterministic in the records.
  virtual absl::Status Apply(absl::Span<const CommittedRecord> records) = 0;
  // Captures the state as it is now, for a snapshot that stands for everything applied so far. Must be quick - share
  // structure, copy on write - because nothing is applied meanwhile. Null: this state machine takes no snapshots, so
  // that its log is kept for ever.
  virtual absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() {
    return std::unique_ptr<SnapshotSource>();
  }
  // Replaces the whole state by that of a snapshot which stands for everything below `position.end`. Called before the
  // first Apply when the log begins with a snapshot, and later when this node fell behind further than the leader's log
  // reaches back. An error halts the node.
  virtual absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition position);
  // The latest leadership, after everything committed before it was applied. Epochs never go back.
  virtual void OnLeadership(const Leadership& leadership) { (void)leadership; }
};

}  // namespace quorate

#endif  // QUORATE_STATE_MACHINE_H_
