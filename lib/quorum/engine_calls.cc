// What may be asked of an engine; its life is in engine.cc, what it does between calls in engine_loop.cc.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorum/engine.h"

namespace quorate::quorum {
namespace {

constexpr size_t kRecordFramingBytes = sizeof(uint32_t);

Endpoint DefaultEndpoint(const LeaderInfo& leader) {
  return leader.endpoints.empty() ? Endpoint{} : leader.endpoints.front();
}

absl::Status CheckTimeout(absl::Duration timeout) {
  if (timeout > absl::ZeroDuration() && timeout != absl::InfiniteDuration()) return absl::OkStatus();
  return MakeError(
      Reason::kInvalidArgument, Outcome::kNotApplied,
      absl::StrCat("a timeout of ", absl::FormatDuration(timeout), " was given; it must be positive and finite"));
}

absl::Status CheckVoter(const VoterChange& change) {
  const auto bad = [&](absl::string_view what) {
    return MakeError(
        Reason::kInvalidArgument, Outcome::kNotApplied,
        absl::StrCat("the voter to ", ToString(change.kind), ", ", change.voter.key.ToString(), ", ", what));
  };
  if (change.voter.key.id.value() < 0) return bad("has a negative id; ids start at 0");
  if (change.voter.key.directory.is_zero()) {
    return bad("has no directory id; a voter is a node on a certain data directory");
  }
  if (change.kind == VoterChange::Kind::kRemove) return absl::OkStatus();
  if (change.voter.endpoints.empty()) return bad("has no endpoint; the others couldn't reach it");
  if (change.voter.endpoints.size() > limits::kEndpointsMax) {
    return bad(absl::StrCat("has ", change.voter.endpoints.size(), " endpoints, the limit is ", limits::kEndpointsMax));
  }
  for (const Endpoint& endpoint : change.voter.endpoints) {
    if (endpoint.host.empty() || endpoint.port == 0) return bad("has an endpoint without a host or a port");
    if (endpoint.host.size() > limits::kHostNameBytesMax || endpoint.listener.size() > limits::kListenerNameBytesMax) {
      return bad("has an endpoint whose host or listener name is too long");
    }
  }
  return absl::OkStatus();
}

}  // namespace

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
    if (refusal.ok()) refusal = CheckTimeout(proposal.timeout);
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
    if (refusal.ok()) refusal = CheckTimeout(timeout);
    if (!refusal.ok()) {
      std::move(done)(refusal);
      return;
    }
    absl::StatusOr<uint64_t> id = reads_.Add(Now() + timeout, std::move(done));
    if (id.ok()) core_->RequestRead(Now(), *id);
  });
}

void Engine::ChangeVoters(VoterChange change, VoterChangeOptions options, CallDone done) {
  strand_.Run([this, change = std::move(change), options, done = std::move(done)]() mutable {
    absl::Status refusal = Refusal();
    if (refusal.ok()) refusal = CheckVoter(change);
    if (refusal.ok()) refusal = CheckTimeout(options.timeout);
    const Instant deadline = Now() + options.timeout;
    const absl::StatusOr<uint64_t> id = refusal.ok() ? voter_changes_.Add(deadline, &done) : refusal;
    if (!id.ok()) return std::move(done)(id.status());
    core_->RequestVoterChange(Now(), *id, change, deadline, options.dry_run);
  });
}

void Engine::TransferLeadership(std::optional<NodeId> to, absl::Duration timeout, CallDone done) {
  strand_.Run([this, to, timeout, done = std::move(done)]() mutable {
    absl::Status refusal = Refusal();
    if (refusal.ok()) refusal = CheckTimeout(timeout);
    const Instant deadline = Now() + timeout;
    const absl::StatusOr<uint64_t> id = refusal.ok() ? transfers_.Add(deadline, &done) : refusal;
    if (!id.ok()) return std::move(done)(id.status());
    core_->TransferLeadership(Now(), *id, to, deadline);
  });
}

void Engine::SuspectLeader(NodeId leader) {
  RunUnlessStopped([this, leader] { core_->SuspectLeader(Now(), leader); });
}

void Engine::TakeSnapshot(SnapshotDone done) {
  strand_.Run([this, done = std::move(done)]() mutable {
    if (!fault_.ok() || stopping_ || stopped_ || core_ == nullptr) return std::move(done)(Refusal());
    snapshot_schedule_.Request(Now(), std::move(done));
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
    out.silence_timeout = core_->silence_timeout();
    out.log_start = core_->log_start().end;
    out.log_end = core_->log_end().end;
    out.durable_end = core_->durable_end();
    out.high_watermark = core_->high_watermark();
    out.applied_end = applied_end_;
    out.snapshot = core_->snapshot();
    out.voter_change = core_->voter_change();
    const std::optional<Instant> disk_since = core_->disk_waits_since();
    if (disk_since.has_value() && fault_.ok()) out.disk_age = Now() - *disk_since;
    if (fault_.ok()) out.apply_age = ApplyAge();
    out.apply_stalled = apply_stalled_;
    if (const std::vector<Voter>* committed = core_->committed_voters()) out.committed_voters = *committed;
    DescribeReplicas(&out);
  });
  return out;
}

void Engine::DescribeReplicas(QuorumDescription* out) const {
  const Instant now = Now();
  const absl::Time wall = dependencies_.clock->WallNow();
  auto to_wall = [&](const std::optional<Instant>& when) {
    return when.has_value() ? wall - (now - *when) : absl::InfinitePast();
  };
  for (const Voter& voter : core_->voters()) {
    out->voters.push_back({voter.key, kNoOffset, absl::InfinitePast(), absl::InfinitePast(), voter.endpoints});
  }
  if (core_->role() == ReplicaRole::kLeader) {  // its own row is as new as can be
    for (ReplicaStatus& voter : out->voters) {
      if (voter.key.Matches(options_.self)) {
        voter = {voter.key, out->log_end, wall, wall, std::move(voter.endpoints)};
      }
    }
  }
  for (const raft::ReplicaProgress& progress : core_->Progress()) {
    const ReplicaStatus status{
        progress.key, progress.durable_end, to_wall(progress.last_fetch), to_wall(progress.last_caught_up), {}};
    auto voter = std::find_if(out->voters.begin(), out->voters.end(),
                              [&](const ReplicaStatus& known) { return known.key.Matches(progress.key); });
    if (voter == out->voters.end()) {
      out->observers.push_back(status);
    } else {
      std::vector<Endpoint> endpoints = std::move(voter->endpoints);
      *voter = status;
      voter->endpoints = std::move(endpoints);
    }
  }
}

}  // namespace quorate::quorum
