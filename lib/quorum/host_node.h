// QuorumNode for a host's own state machine: an Engine whose committed records are applied on a thread
// of their own, because what a host does there may take any time.
//
// The apply thread is the only one that runs host code: Apply, OnLeadership, watchers and every completion.
// So the host needs no lock for what only its callbacks touch, and Shutdown can promise that none runs any more.
//
// Flow: the engine hands out at most four chunks of about 1 MiB; a state machine that is slow or stuck holds up
// nothing but its own results, and calls end nevertheless (fault F-H02, quorum/completions.h). Exceptions and errors of
// the host stop this node at that record (F-H01).
#ifndef QUORATE_QUORUM_HOST_NODE_H_
#define QUORATE_QUORUM_HOST_NODE_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "quorate/quorum_node.h"
#include "quorum/completions.h"
#include "quorum/engine.h"
#include "quorum/watchers.h"

namespace quorate::quorum {

class HostNode final : public QuorumNode, private CommitSink {
 public:
  HostNode(QuorumOptions options, QuorumDependencies dependencies);
  ~HostNode() override;

  absl::Status Start() override;
  void Propose(Proposal proposal, absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&> done) override;
  void ReadBarrier(absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<Offset>) &&> done) override;
  void ReadStale(absl::AnyInvocable<void(LogPosition) &&> read) override;
  void AddVoter(Voter voter, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) override;
  void RemoveVoter(ReplicaKey key, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) override;
  void TransferLeadership(std::optional<NodeId> to, absl::Duration timeout,
                          absl::AnyInvocable<void(absl::Status) &&> done) override;
  void SuspectLeader(NodeId leader) override { engine_->SuspectLeader(leader); }
  void TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&> done) override;
  uint64_t WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) override;
  void Unwatch(uint64_t id) override;
  QuorumDescription Describe() const override { return engine_->Describe(); }
  absl::Status Shutdown(absl::Duration deadline) override;
  void ShutdownAsync(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done) override {
    engine_->ShutdownAsync(deadline, std::move(done));
  }

 private:
  // CommitSink, on the strand.
  void Commit(CommittedChunk chunk) override;
  void Capture(CaptureDone done) override;
  absl::Status Load(SnapshotToLoad snapshot) override;
  void ApplyStalled(bool stalled) override { completions_.ApplyStalled(stalled); }
  void LeadershipChanged(const Leadership& leadership) override;
  void Halted(const absl::Status& cause) override;

  // On the apply thread.
  void ApplyChunk(CommittedChunk& chunk);
  absl::StatusOr<CapturedState> CaptureNow();
  void LoadNow(SnapshotToLoad& snapshot);
  absl::Status ApplyBatch(const Batch& batch, std::vector<std::string>* results);
  void ReportLeadership();
  // What `call` throws stops this node (F-H01).
  void CallHost(absl::string_view what, absl::FunctionRef<void()> call);

  // The completion of a host's call, to be run where those run.
  template <typename Result>
  absl::AnyInvocable<void(Result) &&> Completing(absl::string_view what, absl::AnyInvocable<void(Result) &&> done);

  StateMachine* const state_machine_;
  LeadershipWatchers watchers_;
  Leadership reported_;         // apply thread: what the state machine was told last
  LogPosition applied_;         // apply thread: what the state machine reflects
  int64_t append_time_ms_ = 0;  // apply thread: of the last batch in it
  std::shared_ptr<LogSink> log_sink_;
  std::atomic<bool> halted_{false};         // set on the strand; the apply thread then stops applying
  std::unique_ptr<Executor> apply_thread_;  // before engine_: outlives its callbacks
  Executor* const apply_;                   // the same, still valid for what the destructor waits for
  Completions completions_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_HOST_NODE_H_
