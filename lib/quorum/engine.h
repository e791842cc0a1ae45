// The engine: drives a Raft core with a real log, transport, clock and the committed records' taker.
//
// It owns the order that users of a bare core get wrong: store before speaking, append before
// acknowledging, apply before answering. Everything happens on one strand (quorum/strand.h). What may block is
// elsewhere: the log on its own thread, a host's callbacks on the apply thread (quorum/host_node.h).
//
// Group commit: a proposal is appended at once when no append of ours is being written, else it waits
// for that one and goes into the next batch together with whatever else arrived meanwhile. No timer, no linger.
//
// Two users: QuorumNode (quorum/host_node.h), for a host's own state machine, and the node room, whose
// metadata and controller are fast and trusted and so run on the strand itself.
//
// Threads: methods marked [any] from any thread; all others on the strand only.
#ifndef QUORATE_QUORUM_ENGINE_H_
#define QUORATE_QUORUM_ENGINE_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "quorate/quorum_node.h"
#include "quorate/status.h"
#include "quorum/pending.h"
#include "quorum/pending_calls.h"
#include "quorum/snapshot_schedule.h"
#include "quorum/snapshot_worker.h"
#include "quorum/strand.h"
#include "raft/core.h"

namespace quorate::quorum {

// Committed batches and the local proposals that they carry. Whoever applies the batches completes the
// proposals, each through Waiter::Complete, and then calls Engine::Applied.
struct CommittedChunk {
  std::vector<Batch> batches;  // data and control, in order, without a gap to the chunk before
  std::vector<std::shared_ptr<ProposalWaiter>> proposals;  // ascending; each within one batch
  [[nodiscard]] Offset end() const { return batches.back().end_offset(); }
};

// What a sink's state was at a moment between two batches, to be written down while the sink goes on.
struct CapturedState {
  LogPosition position;                    // stands for everything below; {0, 0}: nothing was applied yet
  int64_t append_time_ms = 0;              // of the last batch in it
  std::unique_ptr<SnapshotSource> source;  // null: the sink takes no snapshots
};
using CaptureDone = absl::AnyInvocable<void(absl::StatusOr<CapturedState>) &&>;

// A verified snapshot to go on from. The records are read by one thread at a time, any; reading blocks.
struct SnapshotToLoad {
  LogPosition position;
  int64_t append_time_ms = 0;  // of the last batch in it
  std::unique_ptr<SnapshotFileReader> records;
};

// Takes what the engine commits. Called on the strand; must not block.
class CommitSink {
 public:
  virtual ~CommitSink() = default;
  // Applies the chunk now or later; calls Engine::Applied(chunk.end()) when it is done, in order. At
  // most kChunksInFlight chunks are handed out before that.
  virtual void Commit(CommittedChunk chunk) = 0;
  // Captures what is applied by now, or a little later; `done` runs once, on any thread. An error is tried again.
  virtual void Capture(CaptureDone done) { std::move(done)(CapturedState()); }
  // Begins to replace everything by a snapshot, after all chunks handed out before; calls Engine::Loaded when it is
  // done, or Halt. No chunk comes before that, and the next one begins at the snapshot's end (I-23). An error: it
  // can't.
  virtual absl::Status Load(SnapshotToLoad snapshot);
  // It has been at one chunk, or at a load, for longer than apply_stall; or it goes on.
  virtual void ApplyStalled(bool stalled) { (void)stalled; }
  // The newest leadership, after all chunks handed out before. `is_self` only once applied.
  virtual void LeadershipChanged(const Leadership& leadership) = 0;
  // The node halted itself; nothing follows.
  virtual void Halted(const absl::Status& cause) = 0;
};

class Engine final : private PeerHandler {
 public:
  // Pointers in `dependencies` are non-null by now (QuorumNode::Create fills in the defaults);
  // dependencies.state_machine is not used. `sink` outlives the engine.
  Engine(QuorumOptions options, QuorumDependencies dependencies, CommitSink* sink);
  ~Engine() override;

  // Recovers log and election state (blocks), then joins the quorum. Once. [any]
  absl::Status Start();

  // Hands leadership over, then stops everything and completes every pending call. `done` runs exactly
  // once, on the timer thread: OK, or DeadlineExceeded when the hand-over didn't come to an end in time. [any]
  void ShutdownAsync(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done);
  // After `done`: closes transport and stores and waits for their callbacks. Every caller returns only when that is
  // done. Not from a callback. [any]
  void Close();

  // ---- Calls [any]. Callbacks run on the strand unless the sink completes them elsewhere. ---------------
  void RunOnStrand(Task task) { strand_.Run(std::move(task)); }
  void RunOnStrandAndWait(absl::AnyInvocable<void()> task) { strand_.RunAndWait(std::move(task)); }
  void Propose(Proposal proposal, ProposalDone done);
  void ReadBarrier(absl::Duration timeout, ReadDone done);
  void ChangeVoters(VoterChange change, VoterChangeOptions options, CallDone done);
  void TransferLeadership(std::optional<NodeId> to, absl::Duration timeout, CallDone done);
  void SuspectLeader(NodeId leader);
  void TakeSnapshot(SnapshotDone done);
  QuorumDescription Describe();

  // ---- On the strand ---------------------------------------------------------------------------------
  [[nodiscard]] Instant Now() const { return dependencies_.clock->Now(); }
  [[nodiscard]] const Leadership& leadership() const { return leadership_; }
  // Leads, and its own first record is committed and applied.
  [[nodiscard]] bool IsActiveLeader() const { return leadership_.is_self; }
  [[nodiscard]] Epoch epoch() const;
  // The offset that the first record of the next ProposeOnStrand gets.
  [[nodiscard]] Offset NextOffset() const;
  // As Propose, in the present epoch; returns the base offset that the records will have. Should that not
  // come true (the epoch ends first), `done` gets an error. An error returned here means `done` never runs.
  absl::StatusOr<Offset> ProposeOnStrand(std::vector<std::string> records, absl::Duration timeout, ProposalDone done);
  void Applied(Offset end);
  void Loaded(LogPosition position);
  [[nodiscard]] Offset applied_end() const { return applied_end_; }
  [[nodiscard]] Offset high_watermark() const;
  // Why nobody leads, in words: "no leader is known: …".
  [[nodiscard]] std::string NoLeaderText() const;
  // Runs `task` on the strand at `when`. Cancel returns true if it will not run.
  Executor::TimerId ScheduleOnStrand(Instant when, Task task);
  // Runs `task` on the snapshot thread, where it may block: for a sink that loads and has no thread of its own. Only
  // from Load on. Dropped once everything has stopped: by then that thread may be gone.
  void RunOnSnapshotThread(Task task) {
    if (!stopped_) snapshots_->Post(std::move(task));
  }
  bool CancelScheduled(Executor::TimerId id) { return timer_->Cancel(id); }
  // Stops this node for good, with a cause.
  void Halt(absl::Status cause);
  [[nodiscard]] const absl::Status& fault() const { return fault_; }

 private:
  static constexpr int kChunksInFlight = 4;
  static constexpr size_t kChunkBytes = 1u << 20;
  static constexpr int kServingFetches = 5;  // fetch timeouts for which a follower that asked for a piece counts

  // PeerHandler, on transport threads.
  void OnMessage(Message message) override;
  void OnPeerDisconnected(NodeId peer) override;
  void OnPeerConnected(NodeId peer) override;

  // engine_loop.cc
  void LogPeer(absl::string_view event, NodeId peer) const;
  void Flush();  // the strand's hook
  [[nodiscard]] bool MayAppend() const;
  bool AppendProposals();
  raft::Effects TakeEffects();  // and shows them to the observer
  void PerformEffects(raft::Effects effects);
  void PerformLogOperations(std::vector<raft::LogOperation> operations, uint64_t generation);
  void AppendToLog(std::vector<Batch> batches, uint64_t generation);
  void ExpireCalls();
  void FinishRead(raft::ReadOutcome outcome);
  void UpdateLeadership();
  void ResetLog(LogPosition start, uint64_t generation);
  void ArmTimer();
  void OnTimer();
  void AdvanceShutdown();

  // engine_commits.cc
  void FeedSink();
  // Those that end at or below `committed`, as it was when the batches were read or asked for.
  void HandOut(std::vector<Batch> batches, Offset committed);
  void ReadCommittedFromLog();
  [[nodiscard]] bool Applying() const { return chunks_in_flight_ > 0 || loading_; }
  [[nodiscard]] absl::Duration ApplyAge() const;
  [[nodiscard]] Instant ApplyStallDeadline() const;
  void WatchApply();

  // engine_snapshots.cc
  void PerformSnapshotEffects(raft::Effects& effects);
  [[nodiscard]] bool MayTakeSnapshot() const;
  void AdvanceSnapshots();
  void OnCaptured(absl::StatusOr<CapturedState> captured);
  absl::Status CheckCaptured(const CapturedState& captured) const;
  void OnSnapshotWritten(absl::StatusOr<SnapshotInfo> written);
  void TrimLog(LogPosition start);
  void Install(LogPosition snapshot);
  void LoadNewest();

  // engine.cc
  absl::Status StartCore(raft::RecoveredState recovered);
  raft::CoreConfig MakeCoreConfig() const;
  void FinishShutdown(const absl::Status& result);
  void FailPending(const absl::Status& queued, const absl::Status& appended);
  void FailCalls(Reason reason, absl::string_view why);
  absl::Status UnknownFate(Reason reason, absl::string_view why) const;
  // Runs `task` on the strand unless everything has stopped by then.
  void RunUnlessStopped(Task task);

  // engine_calls.cc
  absl::Status CheckProposal(const std::vector<std::string>& records, size_t* bytes) const;
  absl::Status Refusal() const;  // why a leader's call isn't taken now; OK when it is
  void DescribeReplicas(QuorumDescription* out) const;

  const QuorumOptions options_;
  QuorumDependencies dependencies_;
  CommitSink* const sink_;
  std::unique_ptr<Executor> timer_;  // timers, relief and fault callback; outlives the strand's use
  Strand strand_;
  std::unique_ptr<raft::Core> core_;  // null before Start
  std::set<NodeId> connected_;        // peers that we have a connection to

  PendingProposals proposals_;
  PendingReads reads_;
  PendingCalls voter_changes_;
  PendingCalls transfers_;
  int appends_in_flight_ = 0;  // ours or the leader's, handed to the log and not yet durable
  Offset handed_out_;          // everything below went to the sink
  // A high watermark within a batch, which no sane leader tells: that batch isn't committed yet (F-N17).
  Offset high_watermark_in_batch_ = kNoOffset;
  Offset applied_end_;
  int chunks_in_flight_ = 0;
  Instant apply_moved_at_;      // the sink began with what it is at, or ended with what came before
  bool apply_stalled_ = false;  // as the core and the sink were told
  bool reading_committed_ = false;
  uint64_t feed_generation_ = 0;               // counts installs: what was read from the log before is dropped
  std::unique_ptr<SnapshotWorker> snapshots_;  // null: no store for them
  SnapshotSchedule snapshot_schedule_;
  Offset capture_end_;               // of the snapshot that is being taken; unknown yet: the greatest of all
  bool loading_ = false;             // the sink is at it
  std::optional<LogPosition> load_;  // what it has to load next
  Leadership leadership_;            // as last told to the sink
  Instant timer_armed_for_ = Instant::Infinite();
  Executor::TimerId timer_id_ = Executor::kNoTimer;

  absl::Status fault_;
  bool stopping_ = false;  // ShutdownAsync was called: nothing new is taken
  bool resigned_ = false;  // and what was pending is done, or has had its time
  bool stopped_ = false;   // every call is completed; late callbacks are ignored
  std::once_flag closed_;  // [any]
  Instant drain_deadline_ = Instant::Infinite();
  Instant shutdown_deadline_ = Instant::Infinite();
  std::vector<absl::AnyInvocable<void(absl::Status) &&>> shutdown_done_;
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_ENGINE_H_
