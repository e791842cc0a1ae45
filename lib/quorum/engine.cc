// The engine's calls and life; what it does between them is in engine_loop.cc.

#include "quorum/engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/recovery.h"

namespace quorate::quorum {
namespace {

constexpr size_t kRecordFramingBytes = sizeof(uint32_t);

Endpoint DefaultEndpoint(const LeaderInfo& leader) {
  return leader.endpoints.empty() ? Endpoint{} : leader.endpoints.front();
}

}  // namespace

Engine::Engine(QuorumOptions options, QuorumDependencies dependencies, CommitSink* sink)
    : options_(std::move(options)),
      dependencies_(std::move(dependencies)),
      sink_(sink),
      timer_(dependencies_.executors->MakeSerial("quorate-timer")),
      strand_(timer_.get(), [this] { Flush(); }) {}

Engine::~Engine() {
  Close();
  timer_.reset();  // joins: what it still runs uses the strand
}

raft::CoreConfig Engine::MakeCoreConfig() const {
  raft::CoreConfig config;
  config.cluster_id = options_.cluster_id;
  config.self = options_.self;
  // Names this life of the process: two draws, so never zero by any sane chance.
  config.incarnation = IncarnationId(Uuid(dependencies_.random->Next(), dependencies_.random->Next()));
  config.may_vote = options_.may_vote;
  config.initial_voters = options_.initial_voters;
  config.bootstrap_servers = options_.bootstrap_servers;
  config.timeouts = options_.timeouts;
  config.fetch_credit_bytes = options_.fetch_credit_bytes;
  config.tail_cache_bytes = options_.tail_cache_bytes;
  return config;
}

absl::StatusOr<raft::RecoveredState> Engine::Recover() {
  absl::StatusOr<std::optional<ElectionState>> election = dependencies_.election_state->Load();
  if (!election.ok()) return election.status();
  raft::Recovery recovery;
  absl::StatusOr<LogBounds> bounds =
      dependencies_.log->Open([&recovery](const Batch& batch) { return recovery.Visit(batch); });
  if (!bounds.ok()) return bounds.status();
  return recovery.Finish(*bounds, *election);
}

absl::Status Engine::Start() {
  absl::StatusOr<raft::RecoveredState> recovered = Recover();
  if (!recovered.ok()) return recovered.status();
  raft::CoreConfig config = MakeCoreConfig();
  const TransportIdentity identity{config.cluster_id, config.self, config.incarnation};
  const Offset log_start = recovered->log.start.end;
  absl::Status started;
  strand_.RunAndWait([&] {
    core_ = raft::Core::Make(std::move(config), *std::move(recovered), dependencies_.random);
    handed_out_ = log_start;
    applied_end_ = log_start;
    // Both in one task: what the transport says meanwhile waits behind it. The core doesn't hear before its start, and
    // a connection that it never heard of is one whose break means nothing to it.
    started = dependencies_.transport->Start(identity, this);
    if (started.ok()) core_->Start(Now());
  });
  return started;
}

void Engine::RunUnlessStopped(Task task) {
  strand_.Run([this, task = std::move(task)]() mutable {
    if (!stopped_ && core_ != nullptr) std::move(task)();
  });
}

// ---- Calls -----------------------------------------------------------------------------------------

absl::Status Engine::CheckProposal(const std::vector<std::string>& records, size_t* bytes) const {
  *bytes = 0;
  for (const std::string& record : records) *bytes += record.size() + kRecordFramingBytes;
  if (records.empty()) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a proposal needs at least one record");
  }
  if (*bytes > limits::kProposalBytesMax || records.size() > limits::kBatchRecordsMax) {
    return MakeError(
        Reason::kTooLarge, Outcome::kNotApplied,
        absl::StrCat("a proposal of ", records.size(), " records and ", *bytes, " bytes is over the limit of ",
                     limits::kBatchRecordsMax, " records and ", limits::kProposalBytesMax, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status Engine::Refusal() const {
  if (!fault_.ok()) {
    return MakeError(Reason::kHalted, Outcome::kNotApplied,
                     absl::StrCat("this node stopped itself: ", fault_.message()));
  }
  if (stopping_ || stopped_) {
    return MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "this node is shutting down");
  }
  if (core_ == nullptr) return MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "this node was not started");
  if (core_->role() == ReplicaRole::kLeader) return absl::OkStatus();
  StatusDetail detail;
  detail.outcome = Outcome::kNotApplied;
  const LeaderInfo leader = core_->leader();
  if (leader.id == kNoNode || leader.id == options_.self.id) {
    detail.reason = Reason::kNoLeader;
    return MakeError(detail, NoLeaderText());
  }
  detail.reason = Reason::kNotLeader;
  detail.leader = LeaderHint{leader.id, core_->epoch(), DefaultEndpoint(leader)};
  return MakeError(detail, absl::StrCat("node ", options_.self.id.value(), " doesn't lead; node ", leader.id.value(),
                                        " does, in epoch ", core_->epoch().value()));
}

std::string Engine::NoLeaderText() const {
  if (core_ == nullptr) return "no leader is known: this node was not started";
  const std::vector<Voter>& voters = core_->voters();
  if (voters.empty()) {
    return absl::StrCat("no leader is known: node ", options_.self.id.value(),
                        " has not heard from any voter yet; it looks for them at its bootstrap servers");
  }
  const auto reachable = std::count_if(voters.begin(), voters.end(), [this](const Voter& voter) {
    return voter.key.id == options_.self.id || connected_.contains(voter.key.id);
  });
  return absl::StrCat("no leader is known: node ", options_.self.id.value(), " (", ToString(core_->role()), ", epoch ",
                      core_->epoch().value(), ") reaches ", reachable, " of ", voters.size(), " voters, a majority is ",
                      voters.size() / 2 + 1);
}

void Engine::Propose(Proposal proposal, ProposalDone done) {
  strand_.Run([this, proposal = std::move(proposal), done = std::move(done)]() mutable {
    auto waiter = std::make_shared<ProposalWaiter>();
    waiter->done = std::move(done);
    absl::Status refusal = CheckProposal(proposal.records, &waiter->bytes);
    if (refusal.ok()) refusal = Refusal();
    if (refusal.ok() && proposal.expected_epoch.has_value() && *proposal.expected_epoch != core_->epoch()) {
      refusal = MakeError(Reason::kEpochMismatch, Outcome::kNotApplied,
                          absl::StrCat("the proposal expects epoch ", proposal.expected_epoch->value(),
                                       ", this node leads epoch ", core_->epoch().value()));
    }
    if (refusal.ok() && (proposal.timeout <= absl::ZeroDuration() || proposal.timeout == absl::InfiniteDuration())) {
      refusal = MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a timeout must be positive and finite");
    }
    if (refusal.ok()) {
      waiter->record_count = proposal.records.size();
      waiter->records = std::move(proposal.records);
      waiter->deadline = Now() + proposal.timeout;
      waiter->epoch = core_->epoch();
      refusal = proposals_.Add(waiter, options_.pending_bytes_max);
    }
    if (!refusal.ok()) waiter->Complete(refusal);
  });
}

absl::StatusOr<Offset> Engine::ProposeOnStrand(std::vector<std::string> records, absl::Duration timeout,
                                               ProposalDone done) {
  auto waiter = std::make_shared<ProposalWaiter>();
  if (absl::Status bad = CheckProposal(records, &waiter->bytes); !bad.ok()) return bad;
  if (absl::Status refusal = Refusal(); !refusal.ok()) return refusal;
  waiter->record_count = records.size();
  waiter->records = std::move(records);
  waiter->deadline = Now() + timeout;
  waiter->epoch = core_->epoch();
  waiter->base_offset = NextOffset();
  waiter->offset_promised = true;
  waiter->done = std::move(done);
  const Offset base_offset = waiter->base_offset;
  if (absl::Status full = proposals_.Add(std::move(waiter), options_.pending_bytes_max); !full.ok()) return full;
  return base_offset;
}

void Engine::ReadBarrier(absl::Duration timeout, ReadDone done) {
  strand_.Run([this, timeout, done = std::move(done)]() mutable {
    absl::Status refusal;
    if (!fault_.ok() || stopping_ || stopped_ || core_ == nullptr) refusal = Refusal();
    if (timeout <= absl::ZeroDuration() || timeout == absl::InfiniteDuration()) {
      refusal = MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a timeout must be positive and finite");
    }
    if (!refusal.ok()) {
      std::move(done)(refusal);
      return;
    }
    absl::StatusOr<uint64_t> id = reads_.Add(Now() + timeout, std::move(done));
    if (id.ok()) core_->RequestRead(Now(), *id);
  });
}

Epoch Engine::epoch() const { return core_ == nullptr ? Epoch() : core_->epoch(); }

Offset Engine::NextOffset() const { return core_->log_end().end + proposals_.queued_records(); }

Offset Engine::high_watermark() const { return core_ == nullptr ? Offset() : core_->high_watermark(); }

Executor::TimerId Engine::ScheduleOnStrand(Instant when, Task task) {
  return timer_->PostAt(when, [this, task = std::move(task)]() mutable { RunUnlessStopped(std::move(task)); });
}

QuorumDescription Engine::Describe() {
  QuorumDescription out;
  out.cluster_id = options_.cluster_id;
  out.self = options_.self;
  strand_.RunAndWait([&] {
    out.fault = fault_;
    if (core_ == nullptr) return;
    out.role = fault_.ok() ? core_->role() : ReplicaRole::kHalted;
    out.is_voter = core_->is_voter();
    out.epoch = core_->epoch();
    const LeaderInfo leader = core_->leader();
    out.leader = leader.id;
    out.leader_endpoint = DefaultEndpoint(leader);
    out.log_start = core_->log_start().end;
    out.log_end = core_->log_end().end;
    out.durable_end = core_->durable_end();
    out.high_watermark = core_->high_watermark();
    out.applied_end = applied_end_;
    const Instant now = Now();
    const absl::Time wall = dependencies_.clock->WallNow();
    auto to_wall = [&](const std::optional<Instant>& when) {
      return when.has_value() ? wall - (now - *when) : absl::InfinitePast();
    };
    for (const Voter& voter : core_->voters()) {
      out.voters.push_back({voter.key, kNoOffset, absl::InfinitePast(), absl::InfinitePast(), voter.endpoints});
    }
    if (core_->role() == ReplicaRole::kLeader) {  // its own row is as new as can be
      for (ReplicaStatus& voter : out.voters) {
        if (voter.key.Matches(options_.self)) {
          voter = {voter.key, out.log_end, wall, wall, std::move(voter.endpoints)};
        }
      }
    }
    for (const raft::ReplicaProgress& progress : core_->Progress()) {
      const ReplicaStatus status{
          progress.key, progress.durable_end, to_wall(progress.last_fetch), to_wall(progress.last_caught_up), {}};
      auto voter = std::find_if(out.voters.begin(), out.voters.end(),
                                [&](const ReplicaStatus& known) { return known.key.Matches(progress.key); });
      if (voter == out.voters.end()) {
        out.observers.push_back(status);
      } else {
        std::vector<Endpoint> endpoints = std::move(voter->endpoints);
        *voter = status;
        voter->endpoints = std::move(endpoints);
      }
    }
  });
  return out;
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

void Engine::Halt(absl::Status cause) {
  if (!fault_.ok() || stopped_) return;
  fault_ = std::move(cause);
  if (core_ != nullptr) core_->Halt(fault_);
  dependencies_.log_sink->Write(LogLevel::kError, "quorum",
                                absl::StrCat("event=halt cause=\"", fault_.message(), "\""));
  const absl::Status refusal = Refusal();
  FailPending(refusal, UnknownFate(Reason::kHalted, "this node stopped itself"));
  reads_.FailAll(refusal);
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
  reads_.FailAll(refusal);
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
    dependencies_.log.reset();
    dependencies_.election_state.reset();
  });
}

}  // namespace quorate::quorum
