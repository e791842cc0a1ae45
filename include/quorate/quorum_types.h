// File: quorate/quorum_types.h
//
// Small types that the quorum's options, description and core share.
#ifndef QUORATE_QUORUM_TYPES_H_
#define QUORATE_QUORUM_TYPES_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quorate {

// Timeouts of the quorum. Kafka's names and meanings (KIP-595), quorate's defaults: a crash is noticed by
// the broken connection, so these only bound what happens when a leader goes silent without one.
struct QuorumTimeouts {
  absl::Duration election = absl::Milliseconds(300);              // controller.quorum.election.timeout.ms
  absl::Duration fetch = absl::Milliseconds(600);                 // controller.quorum.fetch.timeout.ms
  absl::Duration election_backoff_max = absl::Milliseconds(300);  // controller.quorum.election.backoff.max.ms
  absl::Duration request = absl::Milliseconds(600);               // controller.quorum.request.timeout.ms
  absl::Duration retry_backoff = absl::Milliseconds(20);          // controller.quorum.retry.backoff.ms
};

// KRaft's states (KIP-595, 996); kHalted: this node stopped itself, see QuorumDescription::fault.
enum class ReplicaRole : uint8_t { kUnattached, kProspective, kCandidate, kLeader, kFollower, kResigned, kHalted };
absl::string_view ToString(ReplicaRole role);

}  // namespace quorate

#endif  // QUORATE_QUORUM_TYPES_H_
