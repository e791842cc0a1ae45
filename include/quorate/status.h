// File: quorate/status.h
//
// How quorate says no. Every error is an absl::Status with a message for people (what was wrong, with
// which value, what would be right) and a small machine-readable detail:
//
//   absl::Status s = ...;
//   if (OutcomeOf(s) == Outcome::kNotApplied) Retry();        // certain: it had no effect
//   else ReadBackAndDecide();                                  // unknown: it may still take effect
//   if (auto leader = LeaderHintFrom(s)) ConnectTo(*leader);   // who to ask instead
//
// The detail survives gRPC: an error reads the same in process and across the network. The table of
// reasons, with the code that each comes with, is docs/status.md.
#ifndef QUORATE_STATUS_H_
#define QUORATE_STATUS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/types.h"

namespace quorate {

// Whether the refused or failed operation can have had an effect.
enum class Outcome : uint8_t {
  kNotApplied,  // certainly not, now or later
  kUnknown,     // perhaps: it was on its way when we lost sight of it
};

// Why, in one word. Stable: names are part of the interface, values are not.
enum class Reason : uint8_t {
  kUnspecified,
  kInvalidArgument,   // the caller's input; the message says what is allowed
  kNotLeader,         // this node doesn't lead; see the leader hint
  kNoLeader,          // no leader is known: a majority of voters can't be reached, or an election runs
  kLeadershipLost,    // it led when the call began, and no longer
  kEpochMismatch,     // the caller expected another epoch
  kDeadlineExceeded,  // the call's own deadline passed
  kOverloaded,        // a bounded queue is full; the message names the limit
  kTooLarge,          // larger than a limit of limits.h
  kShuttingDown,      // this node is stopping
  kHalted,            // this node stopped itself; Describe() has the cause
  kUnreachable,       // the other side can't be connected to
  kWrongCluster,      // cluster ids differ
  kWrongReplica,      // meant for another node or data directory
  kStorage,           // the disk said no
  kCorruption,        // bytes that can't be right, with file and offset
  kNotFormatted,      // the data directory was never formatted
  kInUse,             // somebody else holds it: directory, port
  kRefused,           // a rule of the metadata says no; see KafkaErrorOf
  // Why the voter set isn't changed (KIP-853 has one error for most of these).
  kChangePending,       // another change is under way, or its record isn't committed yet
  kLeaderNotReady,      // the leader hasn't committed a record of its own epoch yet (M-32)
  kVoterExists,         // that id votes already, on another data directory (M-37)
  kVoterNotFound,       // no such voter
  kVoterRemoved,        // it was removed, and asks to be let in again by itself (M-36)
  kNotCaughtUp,         // it doesn't fetch, or not fast enough (M-34)
  kUnsupportedVersion,  // its build doesn't support the kraft.version in force
  kUnsafeChange,        // too few of the remaining voters are alive to go on
  kNoEndpoint,          // a voter has no endpoint in the voter set, so that another one couldn't reach it
};

// Where to go instead. `endpoint` is empty when only the id is known.
struct LeaderHint {
  NodeId id = kNoNode;
  Epoch epoch;
  Endpoint endpoint;
  friend bool operator==(const LeaderHint&, const LeaderHint&) = default;
};

struct StatusDetail {
  Reason reason = Reason::kUnspecified;
  Outcome outcome = Outcome::kUnknown;
  std::optional<LeaderHint> leader;
  // When to try again, if that is known; zero: as the caller likes. In whole milliseconds.
  absl::Duration retry_after = absl::ZeroDuration();
  int16_t kafka_error = 0;  // Kafka's error code where Kafka has one, else 0 (e.g. 36 TOPIC_ALREADY_EXISTS)
  friend bool operator==(const StatusDetail&, const StatusDetail&) = default;
};

// Builds an error with its detail. The absl code follows from the reason (docs/status.md), so a
// reason always looks the same. `message` is a sentence for people.
absl::Status MakeError(Reason reason, Outcome outcome, absl::string_view message);
absl::Status MakeError(const StatusDetail& detail, absl::string_view message);
// The same for a refusal that Kafka has a number for. Outcome is kNotApplied.
absl::Status MakeKafkaError(int16_t kafka_error, absl::string_view message);

// What a status carries; nullopt for OK and for a status that quorate didn't make.
std::optional<StatusDetail> DetailOf(const absl::Status& status);

// kUnknown for an error without a detail: nothing is promised about what we don't know.
Outcome OutcomeOf(const absl::Status& status);
Reason ReasonOf(const absl::Status& status);
std::optional<LeaderHint> LeaderHintFrom(const absl::Status& status);
int16_t KafkaErrorOf(const absl::Status& status);
// True when the same call may succeed later without being changed (after the leader hint is followed).
bool IsRetriable(const absl::Status& status);

absl::string_view ToString(Reason reason);
absl::string_view ToString(Outcome outcome);
// "TOPIC_ALREADY_EXISTS" for 36; "UNKNOWN" for a number that has no name.
absl::string_view KafkaErrorName(int16_t kafka_error);

// The detail as bytes and back, for transports. Decoding refuses anything malformed.
std::string EncodeStatus(const absl::Status& status);
absl::Status DecodeStatus(absl::string_view bytes);  // the decoded status, or kCorruption

}  // namespace quorate

#endif  // QUORATE_STATUS_H_
