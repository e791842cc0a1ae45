// File: quorate/voter_change.h
//
// Changes of the voter set (KIP-853): what is asked for, how far it is, and priorities of leadership. One change at a
// time, each of one voter, decided by the leader; docs/membership.md tells the story.
//
// Plain values.
#ifndef QUORATE_VOTER_CHANGE_H_
#define QUORATE_VOTER_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/types.h"

namespace quorate {

struct VoterChange {
  enum class Kind : uint8_t {
    kAdd = 1,     // `voter` joins, once it has caught up and its endpoint answers
    kRemove = 2,  // `voter.key` leaves; its directory must be given
    kUpdate = 3,  // `voter.key` is a voter; its endpoints or kraft.version range change
  };
  Kind kind = Kind::kAdd;
  Voter voter;
  // Asked for by the replica itself and not by a person: refused for a replica that was removed before (M-36).
  bool automatic = false;
  friend bool operator==(const VoterChange&, const VoterChange&) = default;
};
absl::string_view ToString(VoterChange::Kind kind);  // "add"

struct VoterChangeOptions {
  absl::Duration timeout = absl::Seconds(30);  // positive and finite
  // Only say whether it could be done now: OK, or the refusal that it would get. Nothing is changed.
  bool dry_run = false;
};

// A change that the leader works on.
struct PendingVoterChange {
  enum class Phase : uint8_t {
    kProbing,     // the endpoint is being asked who it is (fault F-N15)
    kCatchingUp,  // the newcomer fetches what it lacks (M-34)
    kCommitting,  // the new set is in the log, and in force; a majority of it has to store it
  };
  VoterChange change;
  Phase phase = Phase::kProbing;
  Offset record = kNoOffset;  // of the voters record, once it is in the log
  // While catching up: how far the newcomer is durable, and how far it has to be. kNoOffset: it hasn't fetched yet.
  Offset caught_up_to = kNoOffset;
  Offset catch_up_target = kNoOffset;
  friend bool operator==(const PendingVoterChange&, const PendingVoterChange&) = default;
};
absl::string_view ToString(PendingVoterChange::Phase phase);  // "catching-up"

// How much a voter wants to lead. A voter with a lower priority lets one with a higher one go first; one with
// kPriorityNever never stands, is never named as successor, and refuses to be transferred to.
inline constexpr uint8_t kPriorityNever = 0;
inline constexpr uint8_t kPriorityDefault = 10;
inline constexpr uint8_t kPriorityMax = 10;

}  // namespace quorate

#endif  // QUORATE_VOTER_CHANGE_H_
