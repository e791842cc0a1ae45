// The quorum's own records (KIP-595, KIP-853): who leads from here on, which kraft.version is in force, who votes.
//
// They travel in control batches, which no state machine is shown. Encoding, little endian; types are Kafka's numbers:
//
//   u16 version = 0, u16 type, then
//   2 LeaderChange   i32 leader; u16 n, n x replica key (all voters); u16 n, n x replica key (who granted)
//   5 KRaftVersion   i16 version
//   6 Voters         u16 n, n x { replica key; u16 e, e x endpoint; i16 min, i16 max }; u16 r, r x replica key
//   (removed) replica key      i32 id, u64 directory high, u64 directory low endpoint         u16 length, listener; u16
//   length, host; u16 port
//
// Not protobuf: the core links nothing but Abseil, and these bytes are part of the log for ever. Decoding is
// strict: an unknown version or type, a count over a limit, an id twice, or one byte too many is refused, never
// skipped (F-P12), because a voter record that two nodes read differently is a split cluster. What is unknown has a
// reason of its own, kUnsupportedVersion: bytes that are intact, and were written by a later version. A node stops at
// it, before it is in its log; what a record does, it does from the moment when it is there.
#ifndef QUORATE_RAFT_CONTROL_RECORDS_H_
#define QUORATE_RAFT_CONTROL_RECORDS_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/batch.h"
#include "quorate/types.h"
#include "raft/voter_set.h"

namespace quorate::raft {

// The kraft.version that this build writes: voter sets in the log (KIP-853).
inline constexpr int16_t kKRaftVersion = 1;

struct LeaderChange {
  NodeId leader = kNoNode;
  std::vector<ReplicaKey> voters;
  std::vector<ReplicaKey> granting_voters;
  friend bool operator==(const LeaderChange&, const LeaderChange&) = default;
};
struct KRaftVersion {
  int16_t version = 0;
  friend bool operator==(const KRaftVersion&, const KRaftVersion&) = default;
};
struct VotersRecord {
  std::vector<Voter> voters;
  std::vector<ReplicaKey> removed;  // the oldest first (M-36)
  friend bool operator==(const VotersRecord&, const VotersRecord&) = default;
};
using ControlRecord = std::variant<LeaderChange, KRaftVersion, VotersRecord>;

std::string EncodeControlRecord(const ControlRecord& record);
// kCorruption says what is wrong; kUnsupportedVersion, which version or type isn't known.
absl::StatusOr<ControlRecord> DecodeControlRecord(absl::string_view bytes);

// Checks every record of a control batch and returns the voter sets in it, each with its record's offset. A data
// batch has none. Errors as above, with offset and remedy; also for a kraft.version that this build doesn't support.
absl::StatusOr<std::vector<std::pair<Offset, VoterSet>>> VoterSetsIn(const Batch& batch);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CONTROL_RECORDS_H_
