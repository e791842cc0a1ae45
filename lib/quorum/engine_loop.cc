// What the engine does after each event: stores, sends, appends, commits. See engine.h.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "quorum/engine.h"
#include "raft/observer.h"

namespace quorate::quorum {

// ---- Events from outside, on their threads ------------------------------------------------------------

void Engine::OnMessage(Message message) {
  RunUnlessStopped([this, message = std::move(message)] { core_->Receive(Now(), message); });
}

void Engine::OnPeerConnected(NodeId peer) {
  RunUnlessStopped([this, peer] {
    connected_.insert(peer);
    LogPeer("peer_connected", peer);
    core_->PeerConnected(Now(), peer);
  });
}

void Engine::OnPeerDisconnected(NodeId peer) {
  RunUnlessStopped([this, peer] {
    // Said once per loss; a peer that stays away is not worth a line for each attempt.
    if (connected_.erase(peer) > 0) LogPeer("peer_disconnected", peer);
    core_->PeerDisconnected(Now(), peer);
  });
}

void Engine::LogPeer(absl::string_view event, NodeId peer) const {
  if (!dependencies_.log_sink->Enabled(LogLevel::kInfo)) return;
  dependencies_.log_sink->Write(LogLevel::kInfo, "quorum", absl::StrCat("event=", event, " peer=", peer.value()));
}

// ---- After every round of events -----------------------------------------------------------------------

void Engine::Flush() {
  if (core_ == nullptr) return;
  do {
    if (stopped_) return;
    WatchApply();
    do {
      PerformEffects(TakeEffects());
    } while (AppendProposals());
    ExpireCalls();
    FeedSink();
    UpdateLeadership();
    reads_.CompleteUpTo(applied_end_);
    AdvanceSnapshots();
    AdvanceShutdown();
    // A sink that applies on the strand may have proposed something just now.
  } while (proposals_.has_queued() && appends_in_flight_ == 0 && MayAppend() && !stopped_);
  if (!stopped_) ArmTimer();
}

// While leadership is being handed over nothing is appended: what is queued waits, and either goes on here, should the
// transfer fail, or is sent to the successor by its caller (UpdateLeadership answers it).
bool Engine::MayAppend() const {
  return fault_.ok() && core_->role() == ReplicaRole::kLeader && !core_->transferring();
}

// Appends what is queued, as one batch. True if there is something to perform now.
bool Engine::AppendProposals() {
  if (!proposals_.has_queued() || !MayAppend()) return false;
  if (appends_in_flight_ > 0 && proposals_.queued_bytes() < options_.batch_bytes_max) return false;

  const Offset base = core_->log_end().end;
  std::vector<ProposalWaiterPtr> batch;
  std::vector<absl::string_view> records;
  Offset next = base;
  for (ProposalWaiterPtr& waiter : proposals_.TakeQueued(options_.batch_bytes_max)) {
    if (waiter->epoch != core_->epoch() || (waiter->offset_promised && waiter->base_offset != next)) {
      // Promised a place that the log gave to somebody else, or taken in an earlier epoch of ours.
      waiter->Complete(MakeError(
          Reason::kEpochMismatch, Outcome::kNotApplied,
          absl::StrCat("the leadership in epoch ", waiter->epoch.value(), " ended before the proposal was appended")));
      proposals_.Drop(*waiter);
      continue;
    }
    waiter->base_offset = next;
    next += static_cast<int64_t>(waiter->record_count);
    records.insert(records.end(), waiter->records.begin(), waiter->records.end());
    batch.push_back(std::move(waiter));
  }
  if (batch.empty()) return false;
  absl::StatusOr<Offset> appended = core_->Propose(Now(), records, absl::ToUnixMillis(dependencies_.clock->WallNow()));
  for (ProposalWaiterPtr& waiter : batch) {
    if (appended.ok()) {
      proposals_.AddAppended(std::move(waiter));
    } else {
      waiter->Complete(appended.status());
      proposals_.Drop(*waiter);
    }
  }
  return true;
}

raft::Effects Engine::TakeEffects() {
  raft::Effects effects = core_->TakeEffects();
  if (dependencies_.observer != nullptr) dependencies_.observer->OnStep(*core_, effects);
  return effects;
}

void Engine::PerformEffects(raft::Effects effects) {
  PerformLogOperations(std::move(effects.log), effects.log_generation);
  if (effects.store.has_value()) {
    dependencies_.election_state->Store(effects.store->state,
                                        [this, sequence = effects.store->sequence](absl::Status stored) {
                                          RunUnlessStopped([this, sequence, stored = std::move(stored)] {
                                            stored.ok() ? core_->ElectionStateStored(Now(), sequence) : Halt(stored);
                                          });
                                        });
  }
  for (const raft::PeerAddress& peer : effects.peers) {
    if (peer.endpoint.has_value()) {
      dependencies_.transport->SetPeer(peer.id, *peer.endpoint);
    } else {
      connected_.erase(peer.id);
      dependencies_.transport->ForgetPeer(peer.id);
    }
  }
  for (Message& message : effects.send) dependencies_.transport->Send(std::move(message));
  for (const raft::ReadLog& read : effects.read_log) {
    dependencies_.log->Read(
        read.from, read.bytes_max, [this, id = read.id](absl::StatusOr<std::vector<Batch>> batches) {
          RunUnlessStopped(
              [this, id, batches = std::move(batches)]() mutable { core_->LogRead(Now(), id, std::move(batches)); });
        });
  }
  PerformSnapshotEffects(effects);
  for (raft::ReadOutcome& outcome : effects.reads) FinishRead(std::move(outcome));
  for (raft::VoterChangeOutcome& outcome : effects.voter_changes) {
    voter_changes_.Complete(outcome.id, std::move(outcome.status));
  }
  for (raft::TransferOutcome& outcome : effects.transfers) transfers_.Complete(outcome.id, std::move(outcome.status));
  if (effects.halt.has_value()) Halt(*std::move(effects.halt));
}

void Engine::PerformLogOperations(std::vector<raft::LogOperation> operations, uint64_t generation) {
  std::vector<Batch> batches;
  for (raft::LogOperation& operation : operations) {
    if (auto* append = std::get_if<raft::AppendLog>(&operation)) {
      batches.push_back(std::move(append->batch));
      continue;
    }
    if (!batches.empty()) AppendToLog(std::exchange(batches, {}), generation);
    if (const auto* reset = std::get_if<raft::ResetLog>(&operation)) {
      ResetLog(reset->start, generation);
      continue;
    }
    dependencies_.log->TruncateSuffix(std::get<raft::TruncateLog>(operation).new_end, [this](absl::Status truncated) {
      if (truncated.ok()) return;
      RunUnlessStopped([this, truncated = std::move(truncated)] { Halt(truncated); });
    });
  }
  if (!batches.empty()) AppendToLog(std::move(batches), generation);
}

void Engine::ResetLog(LogPosition start, uint64_t generation) {
  dependencies_.log->ResetTo(start, [this, start, generation](absl::Status reset) {
    RunUnlessStopped([this, start, generation, reset = std::move(reset)] {
      if (!reset.ok()) return Halt(reset);
      core_->LogDurable(Now(), start.end, generation);
      // nothing needs them any more now that the log begins behind them.
      if (snapshots_ != nullptr) snapshots_->RemoveOlderThan(start);
    });
  });
}

void Engine::AppendToLog(std::vector<Batch> batches, uint64_t generation) {
  ++appends_in_flight_;
  const Offset end = batches.back().end_offset();
  // M-14: what is only on its way to the disk counts for nothing.
  if (QUORATE_MUTANT("M-14")) core_->LogDurable(Now(), end, generation);
  dependencies_.log->Append(std::move(batches), [this, generation, end](absl::StatusOr<Offset> durable_end) {
    RunUnlessStopped([this, generation, end, durable_end = std::move(durable_end)]() mutable {
      --appends_in_flight_;
      if (!durable_end.ok() && QUORATE_MUTANT("F-D09")) durable_end = end;
      durable_end.ok() ? core_->LogDurable(Now(), *durable_end, generation) : Halt(durable_end.status());
    });
  });
}

// After the effects: what the core says of the same deadline is better than what can be said here.
void Engine::ExpireCalls() {
  if (voter_changes_.empty() && transfers_.empty()) return;
  const absl::Status late =
      MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                "the call's deadline passed before the outcome was known; it may still take effect");
  voter_changes_.Expire(Now(), late);
  transfers_.Expire(Now(), late);
}

void Engine::FinishRead(raft::ReadOutcome outcome) {
  if (outcome.offset.ok()) {
    reads_.Confirmed(outcome.id, *outcome.offset);
  } else {
    reads_.RetryAt(outcome.id, Now() + options_.timeouts.retry_backoff, outcome.offset.status());
  }
}

// ---- Leadership ----------------------------------------------------------------------------------------

void Engine::UpdateLeadership() {
  const bool leads = fault_.ok() && core_->role() == ReplicaRole::kLeader;
  if (!proposals_.empty() && (!leads || (leadership_.is_self && leadership_.epoch != core_->epoch()))) {
    // M-31: what is in the log has an open fate; what is queued certainly has none.
    absl::Status refusal = Refusal();
    if (refusal.ok()) {
      refusal = MakeError(Reason::kLeadershipLost, Outcome::kNotApplied,
                          "leadership changed before the proposal was appended");
    }
    const absl::Status open_fate = UnknownFate(Reason::kLeadershipLost, "this node lost its leadership");
    FailPending(refusal, QUORATE_MUTANT("M-31") ? refusal : open_fate);
  }
  Leadership now;
  now.epoch = core_->epoch();
  const LeaderInfo leader = core_->leader();
  now.leader = leader.id;
  if (!leader.endpoints.empty()) now.endpoint = leader.endpoints.front();
  now.is_self = leads && applied_end_ > core_->epoch_start();
  if (now == leadership_) return;
  if (now.epoch != leadership_.epoch || now.leader != leadership_.leader || now.is_self) {
    dependencies_.log_sink->Write(
        LogLevel::kInfo, "raft",
        absl::StrCat("event=leadership role=", ToString(core_->role()), " epoch=", now.epoch.value(),
                     " leader=", now.leader.value(), " log_end=", core_->log_end().end.value(),
                     " high_watermark=", core_->high_watermark().value()));
  }
  leadership_ = now;
  sink_->LeadershipChanged(leadership_);
}

// ---- Time ------------------------------------------------------------------------------------------------

void Engine::ArmTimer() {
  Instant next =
      std::min({core_->NextDeadline(), proposals_.NextDeadline(), reads_.NextDeadline(), voter_changes_.NextDeadline(),
                transfers_.NextDeadline(), snapshot_schedule_.NextDeadline(MayTakeSnapshot()), ApplyStallDeadline()});
  if (stopping_ && !stopped_) next = std::min(next, resigned_ ? shutdown_deadline_ : drain_deadline_);
  // An armed timer that is early enough stays: it costs one needless look, re-arming costs a lock each event.
  if (next.is_infinite() || timer_armed_for_ <= next) return;
  if (timer_id_ != Executor::kNoTimer) timer_->Cancel(timer_id_);
  timer_armed_for_ = next;
  timer_id_ = timer_->PostAt(next, [this] { RunUnlessStopped([this] { OnTimer(); }); });
}

void Engine::OnTimer() {
  timer_armed_for_ = Instant::Infinite();
  timer_id_ = Executor::kNoTimer;
  const Instant now = Now();
  core_->Tick(now);
  proposals_.Expire(now);
  snapshot_schedule_.Expire(now);
  for (uint64_t id : reads_.Expire(now)) core_->CancelRead(id);
  for (uint64_t id : reads_.TakeDueRetries(now)) core_->RequestRead(now, id);
}

void Engine::AdvanceShutdown() {
  if (!stopping_ || stopped_) return;
  const Instant now = Now();
  if (!resigned_ && (proposals_.empty() || now >= drain_deadline_ || !fault_.ok())) {
    resigned_ = true;
    if (fault_.ok()) core_->Resign(now, /*shutting_down=*/true);
    PerformEffects(TakeEffects());
  }
  const bool overdue = now >= shutdown_deadline_;
  if (!resigned_ || (core_->handing_over() && !overdue && fault_.ok())) return;
  FinishShutdown(core_->handing_over() && fault_.ok()
                     ? MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                                 "stopped without an orderly hand-over: no successor answered before the deadline")
                     : absl::OkStatus());
}

}  // namespace quorate::quorum
