// This replica's log as the core knows it: bounds, epochs, voter sets, the newest batches - and what to do to
// the real one.
//
// The core never sees the disk. It appends and truncates here, which updates what is known at once (the latest voter
// set is in force as soon as it is appended) and records operations for the driver; the driver reports how far the log
// is *durable*, which is the only position that anybody may be told (M-13, I-12).
//
// A truncation and a completion of an earlier append may cross (F-D13): "durable up to 100" may speak of bytes
// that have been cut since. Hence the generation, which each truncation moves: a report of an older one is ignored.
// Putting a snapshot in the place of the log (M-22) is one more of these.
#ifndef QUORATE_RAFT_REPLICA_LOG_H_
#define QUORATE_RAFT_REPLICA_LOG_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "quorate/batch.h"
#include "raft/core.h"
#include "raft/epoch_index.h"
#include "raft/log_tail.h"
#include "raft/voter_history.h"

namespace quorate::raft {

class ReplicaLog {
 public:
  // Everything that was recovered is durable.
  ReplicaLog(const RecoveredState& recovered, VoterSet initial_voters, size_t tail_bytes_max);

  // Where it begins; what lies below is in a snapshot.
  [[nodiscard]] LogPosition start() const { return start_; }
  [[nodiscard]] LogPosition end() const { return {epochs_.LastEpoch(), end_}; }
  [[nodiscard]] Offset end_offset() const { return end_; }
  [[nodiscard]] Offset durable_end() const { return durable_end_; }
  [[nodiscard]] uint64_t generation() const { return generation_; }
  [[nodiscard]] const VoterSet& voters() const { return voters_.Latest(); }
  [[nodiscard]] const VoterSet* voters_before(Offset committed) const { return voters_.BeforeUncommitted(committed); }
  [[nodiscard]] bool has_voters_record() const { return voters_.has_record(); }
  [[nodiscard]] const VoterHistory& voter_history() const { return voters_; }
  [[nodiscard]] const EpochIndex& epochs() const { return epochs_; }
  [[nodiscard]] const LogTail& tail() const { return tail_; }
  // This log, or the snapshot before it, contains everything that a snapshot of `position` stands for.
  [[nodiscard]] bool Covers(LogPosition position) const { return position.end <= end_ && !Contradicts(position); }
  // It reaches to `position`, but the record before that has another epoch here.
  [[nodiscard]] bool Contradicts(LogPosition position) const;

  // Continues the log. Refuses, and changes nothing, when `batch` doesn't begin at the end, its epoch is below the
  // last, or it is a control batch that can't be read.
  absl::Status Append(Batch batch);
  // `new_end` is not below the start.
  void TruncateTo(Offset new_end);
  // A snapshot covers what lies below `start`, which this log has. The driver trims the real log.
  void TrimTo(LogPosition start);
  // Drops everything for a snapshot that ends at `start`. It isn't told as durable before the driver says so.
  void ResetTo(LogPosition start, const RecoveredState::VotersAt& voters);
  // True when the durable end moved.
  bool Durable(Offset durable_end, uint64_t generation);

  // What the driver has to do to the log since the last call, in order.
  std::vector<LogOperation> TakeOperations();

 private:
  LogPosition start_;
  Offset end_;
  Offset durable_end_;
  uint64_t generation_ = 1;
  EpochIndex epochs_;
  VoterHistory voters_;
  LogTail tail_;
  std::vector<LogOperation> operations_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_REPLICA_LOG_H_
