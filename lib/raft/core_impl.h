// The core's inside: one replica, its role, and the events that move it.
//
// What can be reasoned about alone is a class of its own and is tested alone: VoteTally, Progress, ReplicaLog, Outbox,
// ReadQueue, the majority arithmetic. What is left here is the protocol itself: which event in which role causes
// which transition. It is one class, because a transition touches all of it, but one file for each part:
//
//   core.cc       the façade: events come in, due timers run first, effects go out
//   roles.cc      the transitions between roles: the only place where role_ and epoch_ change
//   inbound.cc    checks that requests and answers have in common, and where they go
//   election.cc   pre-votes and votes, asked and given; whom a dying leader names
//   leader.cc     appends, fetch sessions, high watermark, check-quorum
//   follower.cc   fetching: sessions, validation, truncation; looking for the leader
//   reads.cc      linearizable reads, on the leader and through it
//   membership.cc changes of the voter set, on the leader
//   joining.cc    what a replica asks of the voter set for itself
//   transfer.cc   handing leadership over
//   apply_stall.cc  a replica whose state machine is stuck
//   snapshots.cc  snapshots: taken, trimmed behind, handed out to followers
//   snapshot_fetch.cc  snapshots loaded from the leader, put in the place of the log
//
// A reader who wants to check a rule searches its id: each M-rule is decided in one place.
#ifndef QUORATE_RAFT_CORE_IMPL_H_
#define QUORATE_RAFT_CORE_IMPL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quorate/messages.h"
#include "quorate/status.h"
#include "raft/core.h"
#include "raft/disk_wait.h"
#include "raft/membership.h"
#include "raft/membership_rules.h"
#include "raft/outbox.h"
#include "raft/progress.h"
#include "raft/read_queue.h"
#include "raft/replica_log.h"
#include "raft/role_state.h"
#include "raft/send_budget.h"
#include "raft/silence.h"
#include "raft/snapshot_reads.h"
#include "raft/timing.h"
#include "raft/voter_set.h"
#include "raft/votes.h"
#include "raft/watermark_pace.h"

namespace quorate::raft {

class CoreImpl final : public Core {
 public:
  CoreImpl(CoreConfig config, RecoveredState recovered, Random* random);

  void Start(Instant now) override;
  void Tick(Instant now) override;
  void Receive(Instant now, const Message& message) override;
  void PeerConnected(Instant now, NodeId peer) override;
  void PeerDisconnected(Instant now, NodeId peer) override;
  void ElectionStateStored(Instant now, uint64_t sequence) override;
  void LogDurable(Instant now, Offset durable_end, uint64_t generation) override;
  void LogRead(Instant now, uint64_t id, absl::StatusOr<std::vector<Batch>> batches) override;
  absl::StatusOr<Offset> Propose(Instant now, absl::Span<const absl::string_view> records, int64_t wall_ms) override;
  void RequestRead(Instant now, uint64_t id) override;
  void CancelRead(uint64_t id) override;
  void RequestVoterChange(Instant now, uint64_t id, const VoterChange& change, Instant deadline, bool dry_run) override;
  void TransferLeadership(Instant now, uint64_t id, std::optional<NodeId> to, Instant deadline) override;
  void ApplyStalled(Instant now, bool stalled) override;
  void SuspectLeader(Instant now, NodeId leader) override;
  void SnapshotTaken(Instant now, const SnapshotInfo& info, LogPosition trim_to) override;
  void SnapshotChunkRead(Instant now, uint64_t id, absl::StatusOr<SnapshotChunk> chunk) override;
  void SnapshotChunkWritten(Instant now, uint64_t id, absl::Status written) override;
  void SnapshotVerified(Instant now, uint64_t id, absl::StatusOr<RecoveredState::VotersAt> voters) override;
  void Resign(Instant now, bool shutting_down) override;
  void Halt(absl::Status cause) override;
  Effects TakeEffects() override;

  Instant NextDeadline() const override;
  ReplicaRole role() const override { return role_; }
  bool is_voter() const override { return voters_in_force().Contains(config_.self); }
  Epoch epoch() const override { return epoch_; }
  LeaderInfo leader() const override;
  LogPosition log_start() const override { return log_.start(); }
  LogPosition snapshot() const override;
  std::optional<Instant> snapshot_asked_at() const override { return snapshot_asked_at_; }
  LogPosition log_end() const override { return log_.end(); }
  Offset durable_end() const override { return log_.durable_end(); }
  absl::Duration silence_timeout() const override {
    return role_ == ReplicaRole::kFollower ? silence_.Timeout() : absl::ZeroDuration();
  }
  std::optional<Instant> disk_waits_since() const override { return disk_wait_.since(); }
  Offset high_watermark() const override { return high_watermark_; }
  Offset epoch_start() const override { return epoch_start_; }
  bool handing_over() const override;
  const std::vector<Voter>& voters() const override { return voters_in_force().voters(); }
  const std::vector<Voter>* committed_voters() const override;
  RecoveredState::VotersAt VotersAsOf(Offset end) const override;
  Epoch EpochAt(Offset offset) const override;
  std::optional<PendingVoterChange> voter_change() const override;
  bool transferring() const override;
  std::vector<ReplicaProgress> Progress() const override;
  std::vector<Batch> ReadTail(Offset from, size_t bytes_max) const override {
    return log_.tail().Read(from, bytes_max);
  }

 private:
  // ---- core.cc -----------------------------------------------------------------------------------
  // Begins an event: time moves, and timers that are due run before the event does (F-P06). False: halted.
  bool Begin(Instant now);
  void RunTimers();
  Instant RoleDeadline() const;
  void HaltWith(Reason reason, absl::string_view what);
  void UpdatePeers();
  bool MayLead() const;         // may stand for election
  bool CountsInQuorum() const;  // a voter of the set in force, or of the one before while that isn't committed
  const VoterSet& voters_in_force() const { return log_.voters(); }
  std::vector<ReplicaKey> OtherVoters() const;
  uint64_t NewRequestId() { return ++last_request_id_; }
  absl::Status NotLeaderError() const;

  // ---- roles.cc ------------------------------------------------------------------------------------
  // In `epoch` without a leader. The election timer goes on where one ran, so that a flood of new epochs can't put
  // elections off for ever (KIP-595).
  void BecomeUnattached(Epoch epoch);
  void BecomeFollower(Epoch epoch, const LeaderInfo& leader);
  void BecomeProspective();
  void BecomeCandidate();
  void BecomeLeader();
  void BecomeResigned(bool requested);
  std::vector<ReplicaKey> Successors() const;
  // What every role leaves behind. Pending reads fail, sessions and tallies end (M-17).
  void LeaveRole();
  // Moves to `epoch`, forgetting vote and leader of the one before, and stores it (M-01).
  void EnterEpoch(Epoch epoch, ReplicaKey vote, const LeaderInfo& leader);
  void StoreElection();

  // ---- inbound.cc ------------------------------------------------------------------------------------
  void SendRequest(const ReplicaKey& to, uint64_t request_id, MessageBody body);
  void AskLeader(uint64_t request_id, MessageBody body);
  void Reply(const Message& request, MessageBody body);
  LeaderInfo LeaderForPeers() const;
  std::vector<Endpoint> EndpointsOf(NodeId id) const;
  bool IsForUs(const Message& message) const;
  // The rules that all answers share. True: the answer is of our epoch and its content may be looked at.
  bool AcceptAnswer(const Message& message, Epoch epoch, const LeaderInfo& leader);
  // The leader check of requests that only a leader serves; kNone when this is it.
  PeerError LeaderCheck(Epoch epoch) const;
  void OnRequest(const Message& message);
  void OnResponse(const Message& message);

  // ---- election.cc -----------------------------------------------------------------------------------
  void StartRound(bool pre_vote);
  void AskForVotes();
  void CountPreVotes();
  // Whose votes aren't to be expected.
  std::set<NodeId> OutOfReach() const;
  void CountVotes();
  void PreElectionFailed();
  void RunElectionTimers();
  void On(const Message& message, const VoteRequest& request);
  void On(const Message& message, const VoteResponse& response);
  bool IsUpToDate(const LogPosition& asker) const;
  bool GrantsPreVote(const VoteRequest& request) const;
  bool GrantsVote(const Message& message, const VoteRequest& request) const;
  bool RanksBefore(const ReplicaKey& asker, const LogPosition& asker_end) const;
  void On(const Message& message, const EndEpochRequest& request);
  void On(const Message& message, const EndEpochResponse& response);
  void SendEndEpoch();

  // ---- leader.cc -------------------------------------------------------------------------------------
  absl::StatusOr<Offset> AppendAsLeader(BatchKind kind, absl::Span<const absl::string_view> records, int64_t wall_ms);
  void AppendLeaderChange(const std::vector<ReplicaKey>& granting);
  void SendBeginEpoch();
  void On(const Message& message, const BeginEpochResponse& response);
  void On(const Message& message, const FetchRequest& request);
  void OpenFetch(const Message& message, const FetchRequest& request, raft::Progress& replica);
  // Asks a new life of a replica to show that it came after the one that we know.
  void AskForProof(const Message& message, const FetchRequest& request, const raft::Progress& replica);
  std::optional<FetchResponse> CheckPosition(const FetchRequest& request) const;
  void AdvanceHighWatermark();
  void PushAll();
  void PushTo(const ReplicaKey& key, raft::Progress& replica);
  void SendBatches(const ReplicaKey& key, raft::Progress& replica, std::vector<Batch> batches);
  FetchResponse FetchAnswer(PeerError error, uint64_t session) const;
  FetchResponse PushMessage(const raft::Progress& replica) const;
  void SendPush(const ReplicaKey& key, raft::Progress& replica, FetchResponse response);
  Instant MajorityContact() const;
  void RunLeaderTimers();
  bool DiskHangs() const;

  // ---- follower.cc -----------------------------------------------------------------------------------
  void On(const Message& message, const BeginEpochRequest& request);
  void On(const Message& message, const FetchResponse& response);
  void OnSessionPush(const FetchResponse& response);
  void OpenSession();
  void SendFetch();
  void HeardLeader();
  // The leader is certainly gone, or doesn't lead: stand for election, or look for another.
  void LeaderIsGone();
  void TruncateTo(const LogPosition& diverging);
  // False: something in `batches` is not what a leader of this epoch would send; the rest was dropped.
  bool AppendFetched(const FetchResponse& response);
  // What can't be appended; stops the node when it never can be.
  void RefuseFetched(const absl::Status& why);
  bool ConflictsBelowHighWatermark(const Batch& batch);
  void RaiseHighWatermark(Offset leader_high_watermark);
  void HeardOfNoLeader(const ReplicaKey& from);
  void Discover();
  void RunFollowerTimers();

  // ---- snapshots.cc --------------------------------------------------------------------------------------
  // False, and halted: log and snapshot as they were recovered don't fit together.
  bool CheckRecovered();
  void TrimLog(LogPosition start);
  // The leader's log doesn't reach back to this position, or can't tell whether it is its own.
  bool NeedsSnapshot(const FetchRequest& request) const;
  const SnapshotInfo* FindSnapshot(LogPosition id) const;
  void On(const Message& message, const SnapshotRequest& request);
  SnapshotResponse SnapshotAnswer(PeerError error, const SnapshotRequest& request) const;
  // Begins the reads that may begin now.
  void ReadSnapshots();
  void AnswerPiece(const Message& message, absl::StatusOr<SnapshotChunk> chunk);

  // ---- snapshot_fetch.cc ---------------------------------------------------------------------------------
  void On(const Message& message, const SnapshotResponse& response);
  // The leader of our session says that our position is only to be had as a snapshot.
  void OnSnapshotOffered(LogPosition id);
  void OnPiece(const SnapshotResponse& response);
  void OnOtherFile();
  void AskForPiece();
  void WritePiece(Bytes data);
  void VerifyDownload();
  // What was received is of no use.
  void AbandonDownload();
  // ... and the same will not be tried again at once.
  void DownloadFailed();
  void InstallVerified();
  // The leader sends us its log: nobody waits for a snapshot.
  void ForgetDownload();

  // ---- reads.cc --------------------------------------------------------------------------------------
  void On(const Message& message, const ReadRequest& request);
  void On(const Message& message, const ReadResponse& response);
  void RunReads();
  void StartLeaderRound();
  void FinishLeaderRound();
  void ForwardReads();
  void Answer(const PendingRead& read, absl::StatusOr<Offset> offset);
  void FailReads(Reason reason, absl::string_view why);

  // ---- membership.cc: the leader's side of voter changes -------------------------------------------------
  void On(const Message& message, const VoterChangeRequest& request);
  void On(const Message& message, const ProbeRequest& request);
  void On(const Message& message, const ProbeResponse& response);
  void AskForChange(const VoterChange& change, ChangeAsker asker);
  void JoinChange(const VoterChange& change, ChangeAsker asker);
  MembershipView LookAtVoters() const;
  bool FetchedLately(const ReplicaKey& key) const;
  absl::Status DryRun(const VoterChange& change) const;
  absl::Status NotFetchingError(const ReplicaKey& key) const;
  void BeginChange();
  // What is due: deadlines, the next phase, the end. Also lets a leader go that isn't a voter any more.
  void StepVoterChange();
  void ExpireChangeAskers();
  void StepProbe();
  void StepCatchUp();
  void AppendVoters();
  void UpdateSelf();
  void EndChange(const absl::Status& status);
  void FailChange(Reason reason, absl::string_view why);
  void AnswerChange(const ChangeAsker& asker, const absl::Status& status);
  Instant ChangeDeadline() const;

  // ---- joining.cc: what this replica asks of the voter set for itself -------------------------------------
  std::optional<VoterChange> Wish() const;
  void UpdateWish();
  void SendWish();
  void On(const Message& message, const VoterChangeResponse& response);

  // ---- transfer.cc -----------------------------------------------------------------------------------
  static constexpr uint64_t kNobodyAsked = 0;  // for a transfer; ids of drivers are others
  void BeginTransfer(uint64_t id, const ReplicaKey& target, bool named, Instant deadline);
  absl::StatusOr<ReplicaKey> NamedSuccessor(NodeId id) const;
  absl::StatusOr<ReplicaKey> BestSuccessor() const;
  void StepTransfer();
  void StepHandedOver();
  void EndTransfer(absl::Status status);
  Instant TransferDeadline() const;

  // ---- apply_stall.cc ----------------------------------------------------------------------------------
  uint8_t Priority() const;  // that holds at present
  void SeekRelief();
  std::optional<ReplicaKey> Relief() const;

  const CoreConfig config_;
  const Timing timing_;
  ReplicaLog log_;
  Outbox outbox_;
  Effects effects_;

  // What Raft stores.
  Epoch epoch_;
  ReplicaKey voted_for_;

  DiskWait disk_wait_;
  bool apply_stalled_ = false;
  Instant relief_at_ = Instant::Infinite();  // when a leader that is stuck looks for a successor (again)
  ReplicaRole role_ = ReplicaRole::kUnattached;
  LeaderInfo leader_;  // of epoch_; a Prospective node remembers here whom it followed
  Offset high_watermark_;
  Instant now_;
  uint64_t last_request_id_ = 0;
  bool started_ = false;
  bool shutting_down_ = false;
  std::set<NodeId> connected_;
  std::set<NodeId> unreachable_;      // the connection broke, or could not be made
  NodeId silent_leader_ = kNoNode;    // given up for its silence, and not heard since
  std::map<NodeId, Endpoint> peers_;  // as the driver was told
  bool peers_may_have_changed_ = true;
  NodeId leader_hint_ = kNoNode;  // led when this node stopped

  // Unattached, Prospective, Candidate, Resigned: when the present wait ends.
  Instant election_deadline_ = Instant::Infinite();
  // Prospective, Candidate.
  std::optional<VoteTally> tally_;
  uint64_t round_id_ = 0;  // the request id of the round's messages
  Instant resend_at_ = Instant::Infinite();
  Instant round_began_;
  absl::Duration round_trip_;  // of the last pre-votes that were won
  bool saw_better_asker_ = false;
  bool deferring_ = false;  // has its majority of pre-votes, lets the better asker go first
  bool backing_off_ = false;
  uint64_t candidacy_store_ = 0;  // our own vote counts once this is stored
  int failed_rounds_ = 0;

  // Follower.
  std::optional<FetchSession> session_;
  Instant fetch_deadline_ = Instant::Infinite();
  std::optional<Instant> leader_heard_;
  bool leader_gone_ = false;  // its connection broke, it said goodbye, or it denied leading
  // The leader of epoch_ has said itself that it leads no more. That is final (M-02): whoever still names it only
  // hasn't heard. Without this, such hearsay and the denial chase each other as fast as the network goes.
  bool leader_deposed_ = false;
  uint64_t read_round_seen_ = 0;
  // Unattached.
  std::optional<LeaderSearch> discovery_;
  // From this node's start until it follows somebody, votes, or stands: the voters that know no leader either.
  std::optional<VoteTally> leaderless_;

  // Leader.
  ReplicaTable replicas_;
  Offset epoch_start_ = kNoOffset;
  Instant leader_since_;
  Instant quorum_deadline_;  // when to look whether a majority still fetches
  Instant leader_tick_at_ = Instant::Infinite();
  uint64_t begin_id_ = 0;
  uint64_t last_read_id_ = 0;        // of ReadLog effects
  uint64_t read_round_ = 0;          // the newest
  uint64_t running_read_round_ = 0;  // what the present reads wait for
  Offset read_round_offset_;
  WatermarkPace watermark_pace_;
  bool push_needed_ = false;

  // Snapshots. The newest first, at most two: a follower may still be loading the one before.
  std::vector<SnapshotInfo> snapshots_;
  // Leader.
  SnapshotReads snapshot_reads_;
  SendBudget snapshot_budget_;
  Instant snapshot_send_at_ = Instant::Infinite();
  std::optional<Instant> snapshot_asked_at_;
  uint64_t last_snapshot_work_ = 0;  // of ReadSnapshotChunk, WriteSnapshotChunk and VerifySnapshot effects
  // Follower.
  std::optional<RunningDownload> download_;
  std::optional<VerifiedSnapshot> verified_;  // while this node neither follows nor leads, it isn't installed
  Instant download_not_before_;
  int failed_downloads_ = 0;

  // Resigned.
  std::optional<Resignation> resignation_;
  uint64_t end_id_ = 0;

  // Voter changes, transfers.
  std::optional<RunningChange> change_;
  std::optional<RunningTransfer> transfer_;
  std::optional<VoterChange> wish_;
  Instant wish_at_ = Instant::Infinite();
  uint64_t wish_id_ = 0;    // of the request that runs; 0: none
  std::set<NodeId> moved_;  // peers whose address changed: that the old connection ends is no news
  SilenceDetector silence_;

  ReadQueue reads_;
  uint64_t forward_id_ = 0;  // the running ReadRequest to the leader
  Offset forward_floor_;     // what was known to be committed when it was first sent
  Instant forward_resend_at_ = Instant::Infinite();

  // As the driver last saw it, to tell whether leadership changed.
  struct Seen {
    ReplicaRole role = ReplicaRole::kUnattached;
    Epoch epoch;
    NodeId leader = kNoNode;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Seen seen_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_IMPL_H_
