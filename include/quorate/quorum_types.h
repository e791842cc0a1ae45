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
  // The silence after which a follower takes its leader for gone adapts to the leader's measured rhythm, between this
  // and `fetch` (lib/raft/silence.h has the intuition). Equal to `fetch`: it doesn't adapt.
  absl::Duration silence_min = absl::Milliseconds(150);  // quorate.quorum.silence.min.ms
  // A leader whose disk made no progress for so long resigns (F-D12).
  absl::Duration disk_stall = absl::Milliseconds(600);  // quorate.quorum.disk.stall.ms
  // A node whose state machine has been at one piece (of about a mebibyte, or a snapshot) for so long is taken to be
  // stuck: it hands leadership over if there is a voter that isn't, doesn't stand for election, and ends calls whose
  // deadline passed on another thread than the apply thread (F-H02). 0: never.
  absl::Duration apply_stall = absl::Seconds(30);  // quorate.quorum.apply.stall.ms
};

// When a node writes snapshots of its own, and how fast it hands them out (KIP-630).
struct SnapshotPolicy {
  // So many bytes of committed log since the last one: metadata.log.max.record.bytes.between.snapshots. 0: never by
  // bytes.
  uint64_t log_bytes = 20u << 20;
  // So long since the last one, if anything was committed since: metadata.log.max.snapshot.interval.ms. 0: never by
  // time.
  absl::Duration interval = absl::Hours(1);
  // What a leader sends of snapshots per second, to all followers together; 0: as fast as it goes.
  uint64_t send_bytes_per_second = 256u << 20;
};

// KRaft's states (KIP-595, 996); kHalted: this node stopped itself, see QuorumDescription::fault.
enum class ReplicaRole : uint8_t { kUnattached, kProspective, kCandidate, kLeader, kFollower, kResigned, kHalted };
absl::string_view ToString(ReplicaRole role);

}  // namespace quorate

#endif  // QUORATE_QUORUM_TYPES_H_
