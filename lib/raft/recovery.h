// Learns from the log, while it is opened, what the core has to know of it: where epochs start, who votes.
//
//   Recovery recovery;
//   bounds = log->Open([&](const Batch& batch) { return recovery.Visit(batch); });
//   if (*recovery.MustReset(*bounds, newest)) { log->ResetTo(*newest, …); bounds = {*newest, *newest}; }
//   auto core = Core::Make(config, recovery.Finish(*bounds, *election_state->Load(), snapshot), random);
//
// The newest snapshot that could be verified is what this replica knows to be committed. A crash may have come between
// the arrival of a snapshot and the reset of the log to it; MustReset sees that, and the reset is done now.
//
// The log is read once, anyway, to check its checksums; these facts fall out of that. Keeping them in a file of their
// own would be faster to read and could disagree with the log.
//
// Single-threaded; used once.
#ifndef QUORATE_RAFT_RECOVERY_H_
#define QUORATE_RAFT_RECOVERY_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quorate/batch.h"
#include "quorate/storage.h"
#include "raft/core.h"

namespace quorate::raft {

class Recovery {
 public:
  // Batches in order. Refuses a gap, an epoch that falls and a control record that can't be read: kCorruption.
  absl::Status Visit(const Batch& batch);

  // Whether the log lacks what `snapshot`, the newest, stands for: it ends below, or holds other records there, which
  // then were never committed. An error, kCorruption, when it begins behind everything that a snapshot covers.
  absl::StatusOr<bool> MustReset(const LogBounds& bounds, std::optional<LogPosition> snapshot) const;

  // `bounds` as they are by now: after a reset nothing of what was visited counts.
  RecoveredState Finish(const LogBounds& bounds, std::optional<ElectionState> election,
                        std::optional<RecoveredState::Snapshot> snapshot = std::nullopt);

 private:
  RecoveredState state_;
  std::optional<LogPosition> end_;  // behind the last batch seen
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_RECOVERY_H_
