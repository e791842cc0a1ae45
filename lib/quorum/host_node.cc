#include "quorum/host_node.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorum/guarded.h"

namespace quorate::quorum {
HostNode::HostNode(QuorumOptions options, QuorumDependencies dependencies)
    : state_machine_(dependencies.state_machine),
      log_sink_(dependencies.log_sink),
      apply_thread_(dependencies.executors->MakeSerial("quorate-apply")),
      apply_(apply_thread_.get()),
      completions_(apply_, dependencies.executors) {
  engine_ = std::make_unique<Engine>(std::move(options), std::move(dependencies), static_cast<CommitSink*>(this));
}

HostNode::~HostNode() {
  engine_->Close();
  completions_.Stop();
  apply_thread_.reset();  // runs what is left, also what that posts: completions
}

absl::Status HostNode::Start() { return engine_->Start(); }

template <typename Result>
absl::AnyInvocable<void(Result) &&> HostNode::Completing(absl::string_view what,
                                                         absl::AnyInvocable<void(Result) &&> done) {
  return [this, what, done = std::move(done)](Result result) mutable {
    completions_.Post([this, what, done = std::move(done), result = std::move(result)]() mutable {
      CallHost(what, [&] { std::move(done)(std::move(result)); });
    });
  };
}

void HostNode::Propose(Proposal proposal, absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&> done) {
  engine_->Propose(std::move(proposal), Completing("a proposal's completion failed", std::move(done)));
}

void HostNode::ReadBarrier(absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<Offset>) &&> done) {
  engine_->ReadBarrier(timeout, Completing("a read's completion failed", std::move(done)));
}

void HostNode::ReadStale(absl::AnyInvocable<void(LogPosition) &&> read) {
  apply_->Post([this, read = std::move(read)]() mutable {
    CallHost("a stale read failed", [&] { std::move(read)(applied_); });
  });
}

void HostNode::AddVoter(Voter voter, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) {
  engine_->ChangeVoters({VoterChange::Kind::kAdd, std::move(voter)}, options,
                        Completing("a voter change's completion failed", std::move(done)));
}

void HostNode::RemoveVoter(ReplicaKey key, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) {
  engine_->ChangeVoters({VoterChange::Kind::kRemove, {key, {}}}, options,
                        Completing("a voter change's completion failed", std::move(done)));
}

void HostNode::TransferLeadership(std::optional<NodeId> to, absl::Duration timeout,
                                  absl::AnyInvocable<void(absl::Status) &&> done) {
  engine_->TransferLeadership(to, timeout, Completing("a transfer's completion failed", std::move(done)));
}

void HostNode::TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&> done) {
  engine_->TakeSnapshot(Completing("a snapshot's completion failed", std::move(done)));
}

uint64_t HostNode::WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) {
  const uint64_t id = watchers_.Add([this, watcher = std::move(watcher)](const Leadership& leadership) mutable {
    CallHost("a leadership watcher failed", [&] { watcher(leadership); });
  });
  apply_->Post([this] { watchers_.Deliver(); });
  return id;
}

void HostNode::Unwatch(uint64_t id) { watchers_.Remove(id); }

absl::Status HostNode::Shutdown(absl::Duration deadline) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<absl::Status> result;
  };
  auto waiting = std::make_shared<Waiting>();
  engine_->ShutdownAsync(deadline, [waiting](absl::Status result) {
    std::lock_guard<std::mutex> lock(waiting->mutex);
    waiting->result = std::move(result);
    waiting->changed.notify_one();
  });
  {
    // The engine ends by `deadline` on its own clock; this wait only trusts it.
    std::unique_lock<std::mutex> lock(waiting->mutex);
    waiting->changed.wait(lock, [&] { return waiting->result.has_value(); });
  }
  engine_->Close();
  // Everything that was to be completed is posted by now; wait until the apply thread has run it, and the other one, if
  // ever there was need of it.
  auto drained = std::make_shared<Waiting>();
  apply_->Post([this, drained] {
    completions_.AfterRelief([drained] {
      std::lock_guard<std::mutex> lock(drained->mutex);
      drained->result = absl::OkStatus();
      drained->changed.notify_one();
    });
  });
  std::unique_lock<std::mutex> lock(drained->mutex);
  drained->changed.wait(lock, [&] { return drained->result.has_value(); });
  return *waiting->result;
}

// ---- On the strand -----------------------------------------------------------------------------------

void HostNode::Commit(CommittedChunk chunk) {
  apply_->Post([this, chunk = std::move(chunk)]() mutable { ApplyChunk(chunk); });
}

void HostNode::Capture(CaptureDone done) {
  apply_->Post([this, done = std::move(done)]() mutable { std::move(done)(CaptureNow()); });
}

absl::Status HostNode::Load(SnapshotToLoad snapshot) {
  // Chunks that were handed out before are applied before: the thread keeps the order.
  apply_->Post([this, snapshot = std::move(snapshot)]() mutable { LoadNow(snapshot); });
  return absl::OkStatus();
}

void HostNode::LeadershipChanged(const Leadership& leadership) {
  watchers_.Set(leadership);
  apply_->Post([this] { ReportLeadership(); });
}

void HostNode::Halted(const absl::Status&) { halted_ = true; }

// ---- On the apply thread -------------------------------------------------------------------------------

void HostNode::ApplyChunk(CommittedChunk& chunk) {
  auto proposal = chunk.proposals.begin();
  for (const Batch& batch : chunk.batches) {
    const bool waited_for = proposal != chunk.proposals.end() && (*proposal)->base_offset < batch.end_offset();
    std::vector<std::string> results(waited_for ? batch.record_count() : 0);
    absl::Status applied;
    if (batch.kind() == BatchKind::kData && !halted_) applied = ApplyBatch(batch, waited_for ? &results : nullptr);
    if (!applied.ok() || halted_) {
      // Committed, but not applied here, and it never will be: the others have it.
      const absl::Status cause = applied.ok() ? MakeError(Reason::kHalted, Outcome::kUnknown,
                                                          "this node stopped itself before it applied the proposal")
                                              : applied;
      for (; proposal != chunk.proposals.end(); ++proposal) (*proposal)->Complete(cause);
      if (!applied.ok()) engine_->RunOnStrand([this, applied] { engine_->Halt(applied); });
      return;
    }
    applied_ = {batch.epoch(), batch.end_offset()};
    append_time_ms_ = batch.header().append_time_ms;
    for (; proposal != chunk.proposals.end() && (*proposal)->base_offset < batch.end_offset(); ++proposal) {
      const ProposalWaiterPtr& waiter = *proposal;
      const auto first = results.begin() + (waiter->base_offset - batch.base_offset());
      const auto last = first + static_cast<int64_t>(waiter->record_count);
      waiter->Complete(Proposed{
          waiter->base_offset, batch.epoch(), {std::make_move_iterator(first), std::make_move_iterator(last)}});
    }
  }
  engine_->RunOnStrand([this, end = chunk.end()] { engine_->Applied(end); });
}

absl::Status HostNode::ApplyBatch(const Batch& batch, std::vector<std::string>* results) {
  const std::vector<absl::string_view> data = batch.Records();
  std::vector<CommittedRecord> records;
  records.reserve(data.size());
  for (size_t i = 0; i < data.size(); ++i) {
    records.push_back({batch.base_offset() + static_cast<int64_t>(i), batch.epoch(), data[i],
                       results == nullptr ? nullptr : &(*results)[i]});
  }
  return Guarded(absl::StrCat("the state machine failed at offsets ", batch.base_offset().value(), "..",
                              batch.end_offset().value() - 1),
                 [&] { return state_machine_->Apply(records); });
}

// Between two chunks, so the state is that of a batch boundary (M-21). A failure costs this snapshot, not the node: the
// state itself is as good as before (F-H07).
absl::StatusOr<CapturedState> HostNode::CaptureNow() {
  if (halted_) return MakeError(Reason::kHalted, Outcome::kNotApplied, "this node stopped itself");
  CapturedState captured{applied_, append_time_ms_, nullptr};
  absl::Status called = Guarded(
      "the state machine failed to capture a snapshot",
      [&]() -> absl::Status {
        absl::StatusOr<std::unique_ptr<SnapshotSource>> source = state_machine_->CaptureSnapshot();
        if (!source.ok()) return source.status();
        captured.source = *std::move(source);
        return absl::OkStatus();
      },
      Reason::kUnspecified);
  if (!called.ok()) return called;
  return captured;
}

void HostNode::LoadNow(SnapshotToLoad& snapshot) {
  if (halted_) return;
  absl::Status loaded = Guarded(
      absl::StrCat("the state machine failed to load the snapshot up to offset ", snapshot.position.end.value()), [&] {
        absl::Status status = state_machine_->LoadSnapshot(*snapshot.records, snapshot.position);
        // Half a state must not pass for a whole one, whatever the state machine made of the error.
        return status.ok() ? snapshot.records->status() : status;
      });
  if (!loaded.ok()) {
    engine_->RunOnStrand([this, loaded] { engine_->Halt(loaded); });
    return;
  }
  applied_ = snapshot.position;
  append_time_ms_ = snapshot.append_time_ms;
  engine_->RunOnStrand([this, position = snapshot.position] { engine_->Loaded(position); });
}

void HostNode::ReportLeadership() {
  const Leadership newest = watchers_.Get();
  if (newest == reported_) return;  // several changes were posted, and the newest was told with the first
  reported_ = newest;
  CallHost("the state machine failed in OnLeadership", [&] { state_machine_->OnLeadership(newest); });
  watchers_.Deliver();
}

void HostNode::CallHost(absl::string_view what, absl::FunctionRef<void()> call) {
  const absl::Status called = Guarded(what, [&] {
    call();
    return absl::OkStatus();
  });
  if (!called.ok()) engine_->RunOnStrand([this, called] { engine_->Halt(called); });
}

}  // namespace quorate::quorum
