// What a replica remembers for as long as it does one thing: one fetch session, one search for a leader, one
// resignation, one snapshot on its way. Each is there or isn't, so that leaving a role forgets all of it at once, and
// no flag of a former life is taken for one of this.
//
// Plain data of the core (core_impl.h), which has the rules. Not thread-safe.
#ifndef QUORATE_RAFT_ROLE_STATE_H_
#define QUORATE_RAFT_ROLE_STATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "quorate/types.h"
#include "raft/core.h"
#include "raft/snapshot_download.h"

namespace quorate::raft {

// Follower: one fetch session of ours.
struct FetchSession {
  uint64_t id = 0;
  bool heard = false;           // the leader answered in it
  Instant last_sent;            // a FetchRequest of it
  uint64_t unacknowledged = 0;  // bytes received since the last FetchRequest
  std::optional<Instant> reopen_at;
};

// Unattached: the search for a leader.
struct LeaderSearch {
  uint64_t first_request_id = 0;  // answers to this and later ones count
  Instant next_at;
  uint64_t asked = 0;  // peers so far
};

struct Resignation {
  std::vector<ReplicaKey> successors;  // the best first
  std::set<ReplicaKey> untold;
  Instant resend_at;
  Instant hand_over_until;  // handing_over() holds no longer than this
  bool requested = false;   // by the host, not by check-quorum
};

// Follower: a snapshot that is being loaded. What is on disk of it outlives roles, as does what is being done about it;
// questions don't.
struct RunningDownload {
  SnapshotDownload file;
  uint64_t request_id = 0;               // the running question; 0: none
  Instant ask_at = Instant::Infinite();  // ask, or ask again
  uint64_t work_id = 0;                  // the running write or verification; 0: none
  size_t writing = 0;                    // bytes of the write
  bool verifying = false;
};

struct VerifiedSnapshot {
  SnapshotInfo info;
  RecoveredState::VotersAt voters;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_ROLE_STATE_H_
