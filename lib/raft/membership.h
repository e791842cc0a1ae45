// What a leader remembers of the one change of the voter set that it works on, and of a transfer of its leadership.
//
// A change has up to three phases (quorate/voter_change.h): its endpoint is probed, the newcomer catches up, the new
// set is committed. Whoever asked waits, each with a deadline of its own; who asks for the same change again joins it.
// Before the record is in the log a change that nobody waits for any more is given up; afterwards it goes on, and only
// the waiting ends.
//
// Plain values, used by membership.cc and transfer.cc.
#ifndef QUORATE_RAFT_MEMBERSHIP_H_
#define QUORATE_RAFT_MEMBERSHIP_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "quorate/environment.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"
#include "raft/catch_up.h"
#include "raft/read_queue.h"

namespace quorate::raft {

// The peer id of an endpoint that is being probed: far below those of bootstrap servers.
inline constexpr NodeId kProbePeer{std::numeric_limits<int32_t>::min()};

// Who waits for the end of a change: a call on this node, or, with `peer`, a replica that asked us.
struct ChangeAsker {
  uint64_t id = 0;
  std::optional<PendingRead::Asker> peer;
  Instant deadline;
};

struct RunningChange {
  static constexpr size_t kAskersMax = 64;

  VoterChange change;
  PendingVoterChange::Phase phase = PendingVoterChange::Phase::kProbing;
  std::vector<ChangeAsker> askers;
  // Probing.
  uint64_t probe_id = 0;
  Instant probe_resend_at;
  Instant probe_until;
  // Catching up.
  std::optional<CatchUp> catch_up;
  Offset caught_up_to = kNoOffset;
  // Committing.
  Offset record = kNoOffset;
};

struct RunningTransfer {
  uint64_t id = 0;
  ReplicaKey target;
  bool named = false;  // the caller asked for this one
  Instant deadline;
  Epoch epoch;  // that is given away
  CatchUp catch_up;
  // From when on the log stands still, so that the target can have all of it; and how long that may last.
  bool stands_still = false;
  Instant stands_still_until;
  bool handed_over = false;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_MEMBERSHIP_H_
