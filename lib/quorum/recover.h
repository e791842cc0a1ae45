// What a node finds on its disk when it starts: log, election state and snapshots, put together.
//
// Snapshots are looked at from the newest to the oldest, and the first that passes every check is the one to go on
// from. A bad one is as good as none (F-D03): the one before it and the log from there say the same, because the log is
// only trimmed to the end of the snapshot before the newest. Only when the log doesn't reach back that far
// either is there something missing, and then the node must not start: a log with a hole is not a shorter log.
//
// Blocks; used once, before anything else touches the stores.
#ifndef QUORATE_QUORUM_RECOVER_H_
#define QUORATE_QUORUM_RECOVER_H_

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "quorate/log_sink.h"
#include "quorate/storage.h"
#include "raft/core.h"

namespace quorate::quorum {

struct RecoveredStores {
  raft::RecoveredState state;
  std::vector<LogPosition> snapshots;  // files that are there; the newest is state.snapshot
  // The snapshot is ahead of the log, or the log goes another way: it must go on from the snapshot before anything is
  // said about it. A crash between receiving a snapshot and resetting the log leaves this (M-22).
  std::optional<LogPosition> reset_log_to;
};

// `snapshots` may be null. kCorruption: with file and remedy.
absl::StatusOr<RecoveredStores> RecoverStores(ClusterId cluster, LogStore* log, ElectionStateStore* election_state,
                                              SnapshotStore* snapshots, LogSink* log_sink);

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_RECOVER_H_
