// PLACEHOLDER of the integration branch: "snapshots" writes this.
#include "raft/core_impl.h"

namespace quorate::raft {

void CoreImpl::SnapshotTaken(Instant, const SnapshotInfo&, LogPosition) {}
void CoreImpl::SnapshotChunkRead(Instant, uint64_t, absl::StatusOr<SnapshotChunk>) {}
void CoreImpl::SnapshotChunkWritten(Instant, uint64_t, absl::Status) {}
void CoreImpl::SnapshotVerified(Instant, uint64_t, absl::StatusOr<RecoveredState::VotersAt>) {}
LogPosition CoreImpl::snapshot() const { return LogPosition(); }
RecoveredState::VotersAt CoreImpl::VotersAsOf(Offset) const { return {kNoOffset, voters(), {}}; }

}  // namespace quorate::raft
