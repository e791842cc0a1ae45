// Whether a change of the voter set may begin, and the set that it leads to: rules and arithmetic, without the waiting.
//
// One voter at a time (Raft thesis, section 4.1): then any majority of the old set and any majority of the new one
// share a member, and no joint consensus is needed. That only holds while nobody else's change hangs in the air. The
// bug that was found in 2015 is two leaders, each with an uncommitted change of its own to the same set: {1,2,3,4} and
// {1,2,3,5} have disjoint majorities. So a leader changes nothing before it has committed a record of its own epoch,
// which puts an end to what earlier leaders left uncommitted, nor while its own last change isn't committed (M-32).
//
// The checks come in the order of KIP-853, and each has a Reason of its own: KRaft answers seven of these with
// REQUEST_TIMED_OUT, and an operator can't tell "wait a moment" from "you mistyped the directory". What needs waiting
// (does it answer at that address, does it keep up, is it committed) is in membership.cc.
//
// Pure functions of what they are given.
#ifndef QUORATE_RAFT_MEMBERSHIP_RULES_H_
#define QUORATE_RAFT_MEMBERSHIP_RULES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/messages.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"
#include "raft/voter_set.h"

namespace quorate::raft {

// What the leader knows when it judges.
struct MembershipView {
  const VoterSet* voters = nullptr;      // in force
  bool leader_ready = false;             // it has committed a record of its own epoch
  bool voters_committed = false;         // ... and the record of `voters`
  const VoterChange* running = nullptr;  // what it works on; null: nothing
  std::string listener;                  // that every voter must have: the leader's first
  std::vector<ReplicaKey> alive;         // voters that fetched within the fetch timeout, and the leader if it is one
  std::vector<ReplicaKey> never_lead;    // of these, who has priority 0
  absl::Duration retry_after;            // what to advise where waiting helps
};

enum class Verdict {
  kGo,           // it may begin
  kAlreadyDone,  // nothing to do: the set is as asked
};

// An error: the refusal.
absl::StatusOr<Verdict> JudgeVoterChange(const MembershipView& view, const VoterChange& change);

// Whether a majority would still be alive, and somebody in it might lead, if `key`, a voter that stays one, were
// stopped.
absl::Status JudgeStop(const MembershipView& view, const ReplicaKey& key);

// What the endpoint answered when it was asked who it is. An error: the refusal.
absl::Status JudgeProbe(const VoterChange& change, const ReplicaKey& from, const ProbeResponse& answer,
                        int16_t kraft_version);

// Whether two askers want the same, so that the later one can wait with the earlier.
bool IsSameChange(const VoterChange& a, const VoterChange& b);

// The set after a change that was judged kGo.
VoterSet Changed(const VoterSet& voters, const VoterChange& change);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_MEMBERSHIP_RULES_H_
