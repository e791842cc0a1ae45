// File: quorate/messages.h
//
// What quorum members say to each other: plain structs, made and understood by lib/raft, carried by
// any Transport. They are datagrams in spirit: each may be lost, repeated, delayed or reordered, and
// every handler copes (fault F-N01). Terms and rules are KRaft's (KIP-595, 853, 996, 1166).
//
// Replication is pull with a standing order. A follower opens a *fetch session* with a FetchRequest
// that names the position to send from; the leader then pushes FetchResponses as there is something
// new, as long as no more than `credit_bytes` are on their way. Later FetchRequests of the same session
// acknowledge: `fetch_offset` says what has arrived, `durable_end` how far it is on disk. Only the
// latter counts towards a commit (rule M-13). A gap, a truncation or a role change opens a new session.
#ifndef QUORATE_MESSAGES_H_
#define QUORATE_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "quorate/batch.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"

namespace quorate {

// Answers of one member to another; Kafka's error of the same name where there is one.
enum class PeerError : uint8_t {
  kNone = 0,
  kNotLeader = 1,            // NOT_LEADER_OR_FOLLOWER
  kFencedEpoch = 2,          // FENCED_LEADER_EPOCH: your epoch is older than mine
  kUnknownEpoch = 3,         // UNKNOWN_LEADER_EPOCH: your epoch is newer than mine
  kWrongVoter = 4,           // INVALID_VOTER_KEY: not addressed to me
  kWrongCluster = 5,         // INCONSISTENT_CLUSTER_ID
  kInvalidRequest = 6,       // INVALID_REQUEST: fields that make no sense
  kFencedReplica = 7,        // this replica's disk went back in time (fault F-P11)
  kShuttingDown = 8,         // BROKER_NOT_AVAILABLE
  kSnapshotNotFound = 9,     // SNAPSHOT_NOT_FOUND: gone, or replaced by a newer one
  kPositionOutOfRange = 10,  // POSITION_OUT_OF_RANGE: behind the end of the snapshot
  kVoterChangeRefused = 11,  // a voter change that a rule forbids; the message says which
};

// Who the sender believes leads `epoch`; id kNoNode when it doesn't know.
struct LeaderInfo {
  NodeId id = kNoNode;
  std::vector<Endpoint> endpoints;
  friend bool operator==(const LeaderInfo&, const LeaderInfo&) = default;
};

// epoch: the candidate's new epoch; with pre_vote the current one, and nothing is remembered (KIP-996).
struct VoteRequest {
  Epoch epoch;
  LogPosition log_end;  // the candidate's
  bool pre_vote = false;
};
struct VoteResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;  // of the answering node
  LeaderInfo leader;
  bool pre_vote = false;
  bool granted = false;
};

// "I lead this epoch": sent by a new leader until acknowledged, and to voters that don't fetch.
struct BeginEpochRequest {
  Epoch epoch;
  std::vector<Endpoint> leader_endpoints;  // the leader is the sender
};
struct BeginEpochResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
};

// "I no longer lead this epoch": successors, the best first.
struct EndEpochRequest {
  Epoch epoch;
  std::vector<ReplicaKey> preferred_successors;
};
struct EndEpochResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
};

struct FetchRequest {
  Epoch epoch;
  uint64_t session = 0;      // grows with each new session of this replica's life; 0 is never used
  Offset fetch_offset;       // where the requester's log ends
  Epoch last_fetched_epoch;  // epoch of the record before it (0 for an empty log)
  Offset durable_end;        // how far its log is on disk; <= fetch_offset
  Offset high_watermark;     // as it knows it; lets the leader tell it news at once (KIP-1166)
  uint32_t credit_bytes = 0;
  uint64_t read_round = 0;              // echo of the latest read round seen from this leader (M-28)
  uint8_t priority = kPriorityDefault;  // the sender's; kPriorityNever: don't name it as a successor
};
struct FetchResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
  uint64_t session = 0;  // of the request
  Offset base_offset;    // where `batches` begin, or would
  Offset high_watermark;
  // Set when the logs differ: the leader's last epoch at or before the asker's, and where it ends (M-19).
  std::optional<LogPosition> diverging;
  // Set when the position is only available as a snapshot (KIP-630).
  std::optional<LogPosition> snapshot;
  uint64_t read_round = 0;  // when it grew: please answer at once
  std::vector<Batch> batches;
};

// A linearizable read on a node that doesn't lead: "from which offset on may I answer?" (thesis 6.4)
struct ReadRequest {
  Epoch epoch;
  uint64_t read_id = 0;
};
struct ReadResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
  uint64_t read_id = 0;
  Offset read_offset;  // serve once applied up to here
};

// A piece of the leader's snapshot, from byte `position` on (KIP-630). `expected` is empty in the first request and
// says from then on which file the bytes before `position` are of: another one means to begin anew (M-23).
struct SnapshotRequest {
  Epoch epoch;
  LogPosition snapshot;
  uint64_t position = 0;
  uint32_t bytes_max = 0;
  uint64_t digest = 0;  // of the whole file, as the first answer told; 0: not known yet
};
struct SnapshotResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
  LogPosition snapshot;   // of the request
  uint64_t position = 0;  // where `data` begins
  uint64_t total = 0;     // bytes of the whole file
  uint64_t digest = 0;    // CRC-64 of the whole file
  uint32_t data_crc = 0;  // CRC-32C of `data`
  Bytes data;
};

// "Who is there, and what do you speak?": a leader asks it of an endpoint before it commits it (fault F-N15).
struct ProbeRequest {
  Epoch epoch;
};
struct ProbeResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
  int16_t kraft_version_min = 0;
  int16_t kraft_version_max = 0;
};

// A replica asks the leader to change the voter set on its behalf: to join by itself (KIP-1186), or to make its new
// endpoints known (KIP-853, UpdateRaftVoter). Answered when the change is committed or refused.
struct VoterChangeRequest {
  Epoch epoch;
  VoterChange change;
};
struct VoterChangeResponse {
  PeerError error = PeerError::kNone;
  Epoch epoch;
  LeaderInfo leader;
  std::string message;  // why it was refused; at most limits::kPeerTextBytesMax bytes
};

using MessageBody =
    std::variant<VoteRequest, VoteResponse, BeginEpochRequest, BeginEpochResponse, EndEpochRequest, EndEpochResponse,
                 FetchRequest, FetchResponse, ReadRequest, ReadResponse, SnapshotRequest, SnapshotResponse,
                 ProbeRequest, ProbeResponse, VoterChangeRequest, VoterChangeResponse>;

struct Message {
  ClusterId cluster_id;
  ReplicaKey from;
  IncarnationId from_incarnation;
  // Whom it is for. An id below -1 stands for a bootstrap server whose id isn't known yet; the
  // receiver then accepts it as its own. A zero directory matches any.
  ReplicaKey to;
  // In a response: the incarnation and number of the request that it answers, so that an answer to a
  // previous life or an abandoned request is dropped (fault F-N08). In a request: its own.
  IncarnationId request_incarnation;
  uint64_t request_id = 0;
  MessageBody body;

  // Responses travel back on the connection that brought the request.
  [[nodiscard]] bool IsResponse() const;
  [[nodiscard]] absl::string_view TypeName() const;
};

}  // namespace quorate

#endif  // QUORATE_MESSAGES_H_
