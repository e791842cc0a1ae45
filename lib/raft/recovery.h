// Learns from the log, while it is opened, what the core has to know of it: where epochs start, who votes.
//
//   Recovery recovery;
//   bounds = log->Open([&](const Batch& batch) { return recovery.Visit(batch); });
//   auto core = Core::Make(config, recovery.Finish(*bounds, *election_state->Load()), random);
//
// The log is read once, anyway, to check its checksums; these facts fall out of that. Keeping them in a file of their
// own would be faster to read and could disagree with the log.
//
// Single-threaded; used once.
#ifndef QUORATE_RAFT_RECOVERY_H_
#define QUORATE_RAFT_RECOVERY_H_

#include <optional>

#include "absl/status/status.h"
#include "quorate/batch.h"
#include "quorate/storage.h"
#include "raft/core.h"

namespace quorate::raft {

class Recovery {
 public:
  // Batches in order. Refuses a gap, an epoch that falls and a control record that can't be read: kCorruption.
  absl::Status Visit(const Batch& batch);

  RecoveredState Finish(const LogBounds& bounds, std::optional<ElectionState> election);

 private:
  RecoveredState state_;
  std::optional<LogPosition> end_;  // behind the last batch seen
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_RECOVERY_H_
