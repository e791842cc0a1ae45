// The Raft core: one replica's consensus as a function of its inputs.
//
// The core takes one event at a time - a message, the time, "this much is on disk", "that connection broke", a
// proposal - and leaves effects: messages to send, log operations, election state to store, reads to
// make. It has no thread, clock, file, socket, log line or randomness of its own: all is handed in, so that
// the same events give the same effects, byte for byte, and a failure replays from its seed. Whoever drives it
// (lib/quorum) owns the order "store, then speak"; the core makes that order impossible to get wrong by
// holding back every message until the election state that it speaks for is stored (M-01, I-03), and by
// acknowledging only offsets that it was told are durable (M-13, M-14).
//
// Why events as methods and effects as data, and not callbacks: a callback runs in the middle of a
// transition, sees half of it, and may call back in. Effects are looked at when the event is over.
//
// The protocol is KRaft's (KIP-595, 853, 996): followers fetch, the leader never pushes to somebody who did not ask.
// Where it departs from KRaft and from the Raft paper, and why, is docs/departures.md.
//
// Single-threaded: one thread at a time, in any way the driver likes.
#ifndef QUORATE_RAFT_CORE_H_
#define QUORATE_RAFT_CORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "quorate/batch.h"
#include "quorate/environment.h"
#include "quorate/messages.h"
#include "quorate/quorum_types.h"
#include "quorate/storage.h"
#include "quorate/types.h"
#include "quorate/voter_change.h"

namespace quorate::raft {

struct CoreConfig {
  ClusterId cluster_id;
  ReplicaKey self;
  IncarnationId incarnation;
  bool may_vote = true;  // false: an observer for ever (M-12)
  uint8_t priority = kPriorityDefault;
  std::vector<Endpoint> advertised_endpoints;  // ours; empty: as the voter set says
  bool auto_join = false;
  int16_t kraft_version_min = 0;  // what this build supports
  int16_t kraft_version_max = 1;
  uint64_t snapshot_bytes_per_second = 0;   // sent, to all together; 0: no limit
  std::vector<Voter> initial_voters;        // in force while the log has no voters record
  std::vector<Endpoint> bootstrap_servers;  // asked for the leader; become peers -2, -3, …
  QuorumTimeouts timeouts;
  uint32_t fetch_credit_bytes = 4u << 20;
  size_t tail_cache_bytes = 8u << 20;
};

// What Start continues from. Filled by Recovery (raft/recovery.h) while the log is opened.
struct RecoveredState {
  struct EpochStart {
    Epoch epoch;
    Offset start;
  };
  struct VotersAt {
    Offset offset;  // of the control record
    std::vector<Voter> voters;
    std::vector<ReplicaKey> removed;  // replicas that were removed, the oldest first (M-36)
  };
  std::optional<ElectionState> election;
  // As it is after the driver has reset it to the newest snapshot, should that be ahead of it.
  LogBounds log;
  // The newest snapshot that was verified, with the voter set as of its end (M-40).
  struct Snapshot {
    SnapshotInfo info;
    VotersAt voters;  // offset kNoOffset: none recorded up to there
  };
  std::optional<Snapshot> snapshot;
  // One that was being received (M-23).
  std::optional<SnapshotInfo> partial_snapshot;
  uint64_t partial_snapshot_bytes = 0;
  std::vector<EpochStart> epochs;  // ascending
  std::vector<VotersAt> voters;    // ascending; what the log says
};

// ---- Effects, in the order in which a driver should begin them ------------------------------------

struct TruncateLog {
  Offset new_end;
};
struct AppendLog {
  Batch batch;
};
// The leader's log begins after ours ends: a snapshot was installed, the log goes on behind it (M-22).
struct ResetLog {
  LogPosition start;
};
using LogOperation = std::variant<TruncateLog, AppendLog, ResetLog>;

struct StoreElectionState {
  ElectionState state;
  uint64_t sequence = 0;  // give it back with ElectionStateStored
};
struct ReadLog {
  uint64_t id = 0;  // give it back with LogRead
  Offset from;
  size_t bytes_max = 0;
};
struct ReadOutcome {
  uint64_t id = 0;
  absl::StatusOr<Offset> offset;  // serve once applied up to here
};
struct VoterChangeOutcome {
  uint64_t id = 0;
  absl::Status status;
};
struct TransferOutcome {
  uint64_t id = 0;
  absl::Status status;
};

// ---- Snapshots. The driver keeps the files; the core decides what is done with them. ----------------

// Leader: a follower asked for a piece. Give it back with SnapshotChunkRead.
struct ReadSnapshotChunk {
  uint64_t id = 0;
  LogPosition snapshot;
  uint64_t position = 0;
  uint32_t bytes_max = 0;
};
struct SnapshotChunk {
  SnapshotInfo info;  // of the whole file
  Bytes data;
};
// Follower: a piece arrived. Report with SnapshotChunkWritten. `begin`: the file begins here, or goes on after a
// restart.
struct WriteSnapshotChunk {
  uint64_t id = 0;
  SnapshotInfo info;
  bool begin = false;
  uint64_t position = 0;
  Bytes data;
};
// Follower: all pieces are there. Finish the file, verify it, and report with SnapshotVerified; the log and what was
// applied stay as they are until the core says ResetLog and InstallSnapshot.
struct VerifySnapshot {
  uint64_t id = 0;
  SnapshotInfo info;
};
// Replace what was applied by this snapshot; the log was reset to it (`Effects::log`). Older snapshots may go.
struct InstallSnapshot {
  SnapshotInfo info;
};

struct PeerAddress {
  NodeId id;
  std::optional<Endpoint> endpoint;  // nullopt: forget it
};

struct Effects {
  std::vector<LogOperation> log;            // do in order
  uint64_t log_generation = 0;              // give it back with LogDurable
  std::optional<StoreElectionState> store;  // only the newest counts
  std::vector<PeerAddress> peers;
  std::vector<Message> send;
  std::vector<ReadLog> read_log;
  std::vector<ReadOutcome> reads;
  std::vector<VoterChangeOutcome> voter_changes;
  std::vector<TransferOutcome> transfers;
  std::vector<ReadSnapshotChunk> read_snapshot;
  std::optional<WriteSnapshotChunk> write_snapshot;
  std::optional<VerifySnapshot> verify_snapshot;
  std::optional<InstallSnapshot> install_snapshot;
  bool abandon_snapshot = false;         // what was received so far is of no use: remove it. Before write_snapshot
  std::optional<Offset> high_watermark;  // moved to
  bool leadership_changed = false;       // role, epoch or known leader; look at the accessors
  // A rule that must hold doesn't: the node must stop. Every later event is ignored.
  std::optional<absl::Status> halt;
};

// What the leader knows of another replica; for Describe.
struct ReplicaProgress {
  ReplicaKey key;
  Offset durable_end = kNoOffset;
  std::optional<Instant> last_fetch;
  std::optional<Instant> last_caught_up;
};

class Core {
 public:
  static std::unique_ptr<Core> Make(CoreConfig config, RecoveredState recovered, Random* random);
  virtual ~Core() = default;

  // ---- Events. `now` never goes back. -------------------------------------------------------------
  virtual void Start(Instant now) = 0;  // once, first
  virtual void Tick(Instant now) = 0;   // at or after NextDeadline(); earlier is harmless
  virtual void Receive(Instant now, const Message& message) = 0;
  virtual void PeerConnected(Instant now, NodeId peer) = 0;
  virtual void PeerDisconnected(Instant now, NodeId peer) = 0;
  virtual void ElectionStateStored(Instant now, uint64_t sequence) = 0;
  // The log is on disk up to `durable_end`, as of the truncations that `generation` counts (F-D13).
  virtual void LogDurable(Instant now, Offset durable_end, uint64_t generation) = 0;
  virtual void LogRead(Instant now, uint64_t id, absl::StatusOr<std::vector<Batch>> batches) = 0;
  // Appends one batch of records, in this node's epoch. Returns its base offset. Refuses with
  // kNotLeader (and a hint), kTooLarge. `wall_ms` is only recorded.
  virtual absl::StatusOr<Offset> Propose(Instant now, absl::Span<const absl::string_view> records, int64_t wall_ms) = 0;
  // A linearizable read; the answer comes as Effects::reads with this id, exactly once (also when it
  // fails). Any role. `id` is the caller's, unique.
  virtual void RequestRead(Instant now, uint64_t id) = 0;
  // Gives the answer kDeadlineExceeded up: forgets the read without an outcome.
  virtual void CancelRead(uint64_t id) = 0;
  // Asks for a change of the voter set; the end comes as Effects::voter_changes with this id, exactly once. Refused
  // at once elsewhere than on the leader. `deadline` ends the waiting, not a change that is in the log. `dry_run`: only
  // the checks that need no waiting.
  virtual void RequestVoterChange(Instant now, uint64_t id, const VoterChange& change, Instant deadline,
                                  bool dry_run) = 0;
  // Hands leadership over: to `to`, or to the best voter. The end comes as Effects::transfers with this id.
  virtual void TransferLeadership(Instant now, uint64_t id, std::optional<NodeId> to, Instant deadline) = 0;
  // The driver's state machine takes nothing any more, or it does again. While it doesn't, this node doesn't stand for
  // election, and a leader hands over as soon as there is somebody who can (F-H02).
  virtual void ApplyStalled(Instant now, bool stalled) = 0;
  // The host is sure that this leader is dead.
  virtual void SuspectLeader(Instant now, NodeId leader) = 0;
  // A snapshot of this node's own is durable and verified; `trim_to` is where the log may begin from now on (at most
  // its position; the end of the snapshot before it).
  virtual void SnapshotTaken(Instant now, const SnapshotInfo& info, LogPosition trim_to) = 0;
  virtual void SnapshotChunkRead(Instant now, uint64_t id, absl::StatusOr<SnapshotChunk> chunk) = 0;
  virtual void SnapshotChunkWritten(Instant now, uint64_t id, absl::Status written) = 0;
  // `voters`: as the snapshot says (M-40). An error: the file is bad, and was removed. kUnsupportedVersion: it is good,
  // and written by a later version; the node stops.
  virtual void SnapshotVerified(Instant now, uint64_t id, absl::StatusOr<RecoveredState::VotersAt> voters) = 0;
  // Gives leadership up and says so, the best successor first (KIP-595 EndQuorumEpoch); no-op elsewhere.
  // `shutting_down`: and doesn't stand for election again.
  virtual void Resign(Instant now, bool shutting_down) = 0;
  // The driver's own failure (storage): becomes halted with this cause, silently.
  virtual void Halt(absl::Status cause) = 0;

  // What has to be done since the last call. Call after every event or every few.
  virtual Effects TakeEffects() = 0;

  // ---- State. ------------------------------------------------------------------------------------
  virtual Instant NextDeadline() const = 0;
  virtual ReplicaRole role() const = 0;
  virtual bool is_voter() const = 0;
  virtual Epoch epoch() const = 0;
  virtual LeaderInfo leader() const = 0;  // as known; id kNoNode when unknown
  virtual LogPosition log_start() const = 0;
  virtual LogPosition snapshot() const = 0;  // the newest; {0, 0}: none
  // Leader: when somebody last asked for a piece of a snapshot that is to be had here. nullopt: nobody has.
  virtual std::optional<Instant> snapshot_asked_at() const = 0;
  virtual LogPosition log_end() const = 0;
  virtual Offset durable_end() const = 0;
  // Follower: for how long its leader may be silent at present (raft/silence.h); zero in every other role.
  virtual absl::Duration silence_timeout() const = 0;
  // Since when the oldest append or vote waits for the disk; nullopt: none does (F-D12).
  virtual std::optional<Instant> disk_waits_since() const = 0;
  virtual Offset high_watermark() const = 0;
  virtual Offset epoch_start() const = 0;  // leader: offset of its LeaderChange record
  // True while resigned on request but successors were not all told yet: shutdown should wait for false.
  virtual bool handing_over() const = 0;
  virtual const std::vector<Voter>& voters() const = 0;
  // The set before the one in force, while that isn't committed.
  virtual const std::vector<Voter>* committed_voters() const = 0;  // null: voters() is
  // The voter set in force at `end`, for a snapshot of it; offset kNoOffset: no record says (M-40).
  virtual RecoveredState::VotersAt VotersAsOf(Offset end) const = 0;
  virtual Epoch EpochAt(Offset offset) const = 0;  // of a record in the log
  virtual std::optional<PendingVoterChange> voter_change() const = 0;
  // Leadership is about to be handed over: no proposals are taken.
  virtual bool transferring() const = 0;
  virtual std::vector<ReplicaProgress> Progress() const = 0;  // leader: voters and observers
  // Batches from `from` on that are still in memory, at most `bytes_max` (but at least one). Empty: read the log.
  virtual std::vector<Batch> ReadTail(Offset from, size_t bytes_max) const = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_H_
