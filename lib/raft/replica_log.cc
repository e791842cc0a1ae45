#include "raft/replica_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "raft/control_records.h"

namespace quorate::raft {

ReplicaLog::ReplicaLog(const RecoveredState& recovered, VoterSet initial_voters, size_t tail_bytes_max)
    : start_(recovered.log.start),
      end_(recovered.log.end.end),
      durable_end_(recovered.log.end.end),
      epochs_(recovered.epochs, recovered.log.start),
      voters_(std::move(initial_voters)),
      tail_(tail_bytes_max) {
  // The snapshot's set stands for all records up to its end. Nothing below that is ever truncated: it is committed.
  if (recovered.snapshot.has_value()) voters_.ResetTo(recovered.snapshot->voters);
  const Offset known = voters_.AsOf(Offset(INT64_MAX)).offset;
  for (const RecoveredState::VotersAt& at : recovered.voters) {
    if (at.offset > known) voters_.Append(at.offset, VoterSet(at.voters, at.removed));
  }
}

bool ReplicaLog::Contradicts(LogPosition position) const {
  return position.end >= start_.end && position.end <= end_ && epochs_.EpochAt(position.end - 1) != position.epoch;
}

absl::Status ReplicaLog::Append(Batch batch) {
  if (batch.base_offset() != end_ || batch.epoch() < epochs_.LastEpoch()) {
    return MakeError(
        Reason::kCorruption, Outcome::kNotApplied,
        absl::StrCat("a batch at offset ", batch.base_offset().value(), " of epoch ", batch.epoch().value(),
                     " can't follow a log that ends at ", end_.value(), " in epoch ", epochs_.LastEpoch().value()));
  }
  auto sets = VoterSetsIn(batch);
  if (!sets.ok()) return sets.status();
  for (auto& [offset, voters] : *sets) voters_.Append(offset, std::move(voters));
  epochs_.Assign(batch.epoch(), end_);
  end_ = batch.end_offset();
  tail_.Append(batch);
  operations_.push_back(AppendLog{std::move(batch)});
  return absl::OkStatus();
}

void ReplicaLog::TruncateTo(Offset new_end) {
  // Appends that nobody has begun yet are taken back, not undone: else the driver's report on them would
  // come with the new generation and speak of what is cut.
  while (!operations_.empty()) {
    const auto* append = std::get_if<AppendLog>(&operations_.back());
    if (append == nullptr || append->batch.base_offset() < new_end) break;
    operations_.pop_back();
  }
  operations_.push_back(TruncateLog{new_end});
  end_ = new_end;
  durable_end_ = std::min(durable_end_, new_end);
  ++generation_;
  epochs_.TruncateTo(new_end);
  voters_.TruncateTo(new_end);
  tail_.TruncateTo(new_end);
}

void ReplicaLog::TrimTo(LogPosition start) {
  if (start.end <= start_.end) return;
  start_ = start;
  epochs_.TrimTo(start);
  voters_.TrimTo(start.end);
  tail_.TrimTo(start.end);
}

void ReplicaLog::ResetTo(LogPosition start, const RecoveredState::VotersAt& voters) {
  operations_.clear();  // nobody has begun them yet, and nothing of them would remain
  operations_.push_back(ResetLog{start});
  start_ = start;
  end_ = start.end;
  durable_end_ = std::min(durable_end_, start.end);
  ++generation_;
  // M-22: a voter set or an epoch that outlives the log it was read from splits clusters (KAFKA-9491).
  if (!QUORATE_MUTANT("M-22")) {
    epochs_.ResetTo(start);
    voters_.ResetTo(voters);
  }
  tail_.TruncateTo(Offset(0));
}

bool ReplicaLog::Durable(Offset durable_end, uint64_t generation) {
  if (generation != generation_) {
    QUORATE_MARK("C-25");  // F-D13: of a log that was cut meanwhile
    return false;
  }
  const Offset reached = std::min(durable_end, end_);
  if (reached <= durable_end_) return false;
  durable_end_ = reached;
  return true;
}

std::vector<LogOperation> ReplicaLog::TakeOperations() { return std::exchange(operations_, {}); }

}  // namespace quorate::raft
