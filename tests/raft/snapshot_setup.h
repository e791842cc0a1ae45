// One core that begins with a snapshot, and the words that tests of snapshot rules have in common.
#ifndef QUORATE_TESTS_RAFT_SNAPSHOT_SETUP_H_
#define QUORATE_TESTS_RAFT_SNAPSHOT_SETUP_H_

#include <cstdint>
#include <vector>

#include "raft/one_core.h"

namespace quorate::raft {

inline LogPosition At(int epoch, int64_t end) { return {Epoch(epoch), Offset(end)}; }

inline std::vector<Voter> VotersOf(const std::vector<int>& ids) {
  std::vector<Voter> voters;
  for (int id : ids) voters.push_back(Voter{OneCore::Key(id), {OneCore::Address(id)}, 0, 1});
  return voters;
}

inline RecoveredState::VotersAt SetAt(int64_t offset, const std::vector<int>& ids = {1, 2, 3}) {
  return {Offset(offset), VotersOf(ids), {}};
}

inline constexpr uint64_t kDigest = 0xD16E57;

inline SnapshotInfo Info(LogPosition id, uint64_t bytes = 25, uint64_t digest = kDigest) { return {id, bytes, digest}; }

// Node 1 with a snapshot up to 20 (epoch 3), behind which its log begins and has five records.
inline OneCoreSetup WithSnapshot() {
  return {.log = OneCore::Log(20, 5, 3),
          .election = ElectionState{Epoch(3), ReplicaKey(), kNoNode},
          .start = At(3, 20),
          .snapshot = RecoveredState::Snapshot{Info(At(3, 20)), SetAt(2)}};
}

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_SNAPSHOT_SETUP_H_
