// The engine's life: start, halt, shutdown. Its calls are in engine_calls.cc, what it does between them in
// engine_loop.cc.

#include "quorum/engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorum/recover.h"
#include "raft/observer.h"

namespace quorate::quorum {
namespace {

Endpoint DefaultEndpoint(const LeaderInfo& leader) {
  return leader.endpoints.empty() ? Endpoint{} : leader.endpoints.front();
}

absl::AnyInvocable<void(bool)> OnTurn(raft::Observer* observer) {
  if (observer == nullptr) return nullptr;
  return [observer](bool begins) { observer->OnTurn(begins); };
}

}  // namespace

Engine::Engine(QuorumOptions options, QuorumDependencies dependencies, CommitSink* sink)
    : options_(std::move(options)),
      dependencies_(std::move(dependencies)),
      sink_(sink),
      timer_(dependencies_.executors->MakeSerial("quorate-timer")),
      strand_(
          timer_.get(), [this] { Flush(); }, OnTurn(dependencies_.observer)),
      snapshot_schedule_(options_.snapshots, dependencies_.clock->Now()) {
  if (dependencies_.snapshots != nullptr) {
    snapshots_ = std::make_unique<SnapshotWorker>(options_.cluster_id, std::move(dependencies_.snapshots),
                                                  dependencies_.executors, dependencies_.clock, dependencies_.log_sink);
  } else {
    snapshot_schedule_.Disable(
        MakeError(Reason::kRefused, Outcome::kNotApplied, "this node has no store for snapshots, so it takes none"));
  }
}

Engine::~Engine() {
  Close();
  timer_.reset();  // joins: what it still runs uses the strand
}

raft::CoreConfig Engine::MakeCoreConfig() const {
  raft::CoreConfig config;
  config.cluster_id = options_.cluster_id;
  config.self = options_.self;
  // Names this life of the process: two draws, so never zero by any sane chance.
  // In two statements: which argument of a call comes first is up to the compiler, and runs must not be.
  const uint64_t incarnation_high = dependencies_.random->Next();
  config.incarnation = IncarnationId(Uuid(incarnation_high, dependencies_.random->Next()));
  config.may_vote = options_.may_vote;
  config.priority = options_.priority;
  config.advertised_endpoints = options_.advertised_endpoints;
  config.auto_join = options_.auto_join;
  config.snapshot_bytes_per_second = options_.snapshots.send_bytes_per_second;
  config.initial_voters = options_.initial_voters;
  config.bootstrap_servers = options_.bootstrap_servers;
  config.timeouts = options_.timeouts;
  config.fetch_credit_bytes = options_.fetch_credit_bytes;
  config.tail_cache_bytes = options_.tail_cache_bytes;
  return config;
}

absl::Status Engine::Start() {
  SnapshotStore* store = snapshots_ == nullptr ? nullptr : snapshots_->store();
  absl::StatusOr<RecoveredStores> recovered =
      RecoverStores(options_.cluster_id, dependencies_.log.get(), dependencies_.election_state.get(), store,
                    dependencies_.log_sink.get());
  if (!recovered.ok()) return recovered.status();
  raft::RecoveredState& state = recovered->state;
  if (snapshots_ != nullptr) {
    std::optional<SnapshotInfo> verified;
    if (state.snapshot.has_value()) verified = state.snapshot->info;
    snapshots_->Adopt(recovered->snapshots, verified);
  }
  if (!recovered->reset_log_to.has_value()) {
    absl::Status started;
    strand_.RunAndWait([&] { started = StartCore(std::move(state)); });
    return started;
  }
  // This node speaks when its log says what its snapshot says, and not before: what it would acknowledge meanwhile
  // would rest on the snapshot alone. Not waited for here: under virtual time the log's thread is this one.
  dependencies_.log->ResetTo(*recovered->reset_log_to, [this, state = std::move(state)](absl::Status reset) mutable {
    strand_.Run([this, reset = std::move(reset), state = std::move(state)]() mutable {
      if (stopped_) return;
      absl::Status started = reset.ok() ? StartCore(std::move(state)) : reset;
      if (!started.ok()) Halt(std::move(started));
    });
  });
  return absl::OkStatus();
}

absl::Status Engine::StartCore(raft::RecoveredState recovered) {
  raft::CoreConfig config = MakeCoreConfig();
  const TransportIdentity identity{config.cluster_id, config.self, config.incarnation};
  // A log that begins later begins with a snapshot: nothing is applied before that is loaded.
  handed_out_ = Offset();
  applied_end_ = Offset();
  const std::optional<raft::RecoveredState::Snapshot> snapshot = recovered.snapshot;
  core_ = raft::Core::Make(std::move(config), std::move(recovered), dependencies_.random);
  if (snapshot.has_value()) Install(snapshot->info.id);
  // Both in one task: what the transport says meanwhile waits behind it. The core doesn't hear before its start, and
  // a connection that it never heard of is one whose break means nothing to it.
  absl::Status started = dependencies_.transport->Start(identity, this);
  if (started.ok()) core_->Start(Now());
  return started;
}

void Engine::RunUnlessStopped(Task task) {
  strand_.Run([this, task = std::move(task)]() mutable {
    if (!stopped_ && core_ != nullptr) std::move(task)();
  });
}

// ---- The end ---------------------------------------------------------------------------------------

absl::Status Engine::UnknownFate(Reason reason, absl::string_view why) const {
  StatusDetail detail;
  detail.reason = reason;
  detail.outcome = Outcome::kUnknown;
  if (core_ != nullptr) {
    const LeaderInfo leader = core_->leader();
    if (leader.id != kNoNode && leader.id != options_.self.id) {
      detail.leader = LeaderHint{leader.id, core_->epoch(), DefaultEndpoint(leader)};
    }
  }
  return MakeError(detail, absl::StrCat(why, " before a majority of the voters was known to have stored the proposal; ",
                                        "it may still take effect"));
}

void Engine::FailPending(const absl::Status& queued, const absl::Status& appended) {
  // Taken first, completed after: a callback may come back in.
  const std::vector<ProposalWaiterPtr> in_log = proposals_.TakeAllAppended();
  const std::vector<ProposalWaiterPtr> waiting = proposals_.TakeAllQueued();
  for (const ProposalWaiterPtr& waiter : in_log) waiter->Complete(appended);
  for (const ProposalWaiterPtr& waiter : waiting) waiter->Complete(queued);
}

void Engine::FailCalls(Reason reason, absl::string_view why) {
  const absl::Status unknown = MakeError(reason, Outcome::kUnknown,
                                         absl::StrCat(why, " before the outcome was known; it may still take effect"));
  voter_changes_.FailAll(unknown);
  transfers_.FailAll(unknown);
}

void Engine::Halt(absl::Status cause) {
  if (!fault_.ok() || stopped_) return;
  fault_ = std::move(cause);
  if (core_ != nullptr) core_->Halt(fault_);
  dependencies_.log_sink->Write(LogLevel::kError, "quorum",
                                absl::StrCat("event=halt cause=\"", fault_.message(), "\""));
  const absl::Status refusal = Refusal();
  FailPending(refusal, UnknownFate(Reason::kHalted, "this node stopped itself"));
  FailCalls(Reason::kHalted, "this node stopped itself");
  reads_.FailAll(refusal);
  snapshot_schedule_.FailAll(refusal);
  if (snapshots_ != nullptr) snapshots_->CancelWrite();
  sink_->Halted(fault_);
  // Off the strand: stopping the transport waits for handlers that may be waiting to get in here, and the
  // host's callback is the host's. Closing the connections lets the others notice at once.
  timer_->Post([this, cause = fault_] {
    dependencies_.transport->Stop();
    if (dependencies_.on_fault) std::exchange(dependencies_.on_fault, nullptr)(cause);
  });
}

void Engine::ShutdownAsync(absl::Duration deadline, absl::AnyInvocable<void(absl::Status) &&> done) {
  strand_.Run([this, deadline, done = std::move(done)]() mutable {
    if (stopped_) {
      timer_->Post([done = std::move(done)]() mutable { std::move(done)(absl::OkStatus()); });
      return;
    }
    shutdown_done_.push_back(std::move(done));
    if (stopping_) return;
    stopping_ = true;
    if (core_ == nullptr) {  // never started: nothing to hand over
      FinishShutdown(absl::OkStatus());
      return;
    }
    const Instant now = Now();
    shutdown_deadline_ = now + deadline;
    drain_deadline_ = now + deadline / 2;
    reads_.FailAll(Refusal());
    // Flush goes on from here: AdvanceShutdown.
  });
}

void Engine::FinishShutdown(const absl::Status& result) {
  stopped_ = true;
  const absl::Status refusal = MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "this node was shut down");
  FailPending(refusal, UnknownFate(Reason::kShuttingDown, "this node was shut down"));
  FailCalls(Reason::kShuttingDown, "this node was shut down");
  reads_.FailAll(refusal);
  snapshot_schedule_.FailAll(refusal);
  if (snapshots_ != nullptr) {
    snapshots_->CancelWrite();
    snapshots_->StopReading();
  }
  for (auto& done : shutdown_done_) {
    timer_->Post([done = std::move(done), result]() mutable { std::move(done)(result); });
  }
  shutdown_done_.clear();
}

void Engine::Close() {
  std::call_once(closed_, [this] {
    strand_.RunAndWait([this] {
      stopping_ = true;
      if (!stopped_) FinishShutdown(absl::OkStatus());
    });
    dependencies_.transport->Stop();
    if (snapshots_ != nullptr) snapshots_->Stop();  // no host's code runs there any more
    dependencies_.log.reset();
    dependencies_.election_state.reset();
  });
}

}  // namespace quorate::quorum
