// Changes of the voter set on the leader: one at a time, from the request to the commit. What is allowed is decided in
// membership_rules.cc; docs/membership.md tells the story.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "raft/control_records.h"
#include "raft/core_impl.h"
#include "raft/membership_rules.h"

namespace quorate::raft {

using Phase = PendingVoterChange::Phase;

// ---- Asking ---------------------------------------------------------------------------------------------

void CoreImpl::RequestVoterChange(Instant now, uint64_t id, const VoterChange& change, Instant deadline, bool dry_run) {
  Begin(now);
  const ChangeAsker asker{.id = id, .peer = std::nullopt, .deadline = deadline};
  if (role_ != ReplicaRole::kLeader) return AnswerChange(asker, NotLeaderError());
  if (dry_run) return AnswerChange(asker, DryRun(change));
  AskForChange(change, asker);
}

void CoreImpl::On(const Message& message, const VoterChangeRequest& request) {
  const ChangeAsker asker{.id = 0,
                          .peer = PendingRead::Asker{message.from, message.from_incarnation, message.request_id},
                          .deadline = now_ + timing_.PeerChange()};
  const auto refuse = [&](PeerError error) {
    Reply(message, VoterChangeResponse{.error = error, .epoch = epoch_, .leader = LeaderForPeers(), .message = ""});
  };
  if (const PeerError error = LeaderCheck(request.epoch); error != PeerError::kNone) return refuse(error);
  if (!message.to.Matches(config_.self)) return refuse(PeerError::kWrongVoter);
  // A replica speaks for itself: it joins, it says where it is, or it takes the place of its own lost disk (KIP-1186).
  VoterChange change = request.change;
  const bool for_itself = change.kind == VoterChange::Kind::kRemove
                              ? change.voter.key.id == message.from.id && change.voter.key != message.from
                              : change.voter.key == message.from;
  if (!for_itself) return refuse(PeerError::kInvalidRequest);
  change.automatic = true;
  AskForChange(change, asker);
}

void CoreImpl::AskForChange(const VoterChange& change, ChangeAsker asker) {
  if (asker.deadline <= now_) {
    return AnswerChange(asker, MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied,
                                         "the deadline of the voter change had passed when it arrived"));
  }
  if (change_.has_value() && IsSameChange(change_->change, change)) return JoinChange(change, std::move(asker));
  MembershipView view = LookAtVoters();
  // A replica that repeats its wish, and never gets there, must not keep a person out.
  const bool gives_way =
      change_.has_value() && change_->change.automatic && !change.automatic && change_->phase != Phase::kCommitting;
  if (gives_way) view.running = nullptr;
  const absl::StatusOr<Verdict> verdict = JudgeVoterChange(view, change);
  if (!verdict.ok() || *verdict == Verdict::kAlreadyDone) return AnswerChange(asker, verdict.status());
  if (transferring()) {
    return AnswerChange(asker, MakeError(Reason::kLeadershipLost, Outcome::kNotApplied,
                                         absl::StrCat("leadership is being handed over to node ",
                                                      transfer_->target.id.value(), "; ask there in a moment")));
  }
  if (gives_way) {
    EndChange(MakeError(Reason::kChangePending, Outcome::kNotApplied,
                        "it was given up for a change that an operator asked for"));
  }
  change_.emplace().change = change;
  change_->askers.push_back(std::move(asker));
  BeginChange();
}

void CoreImpl::JoinChange(const VoterChange& change, ChangeAsker asker) {
  change_->change.automatic = change_->change.automatic && change.automatic;
  if (asker.peer.has_value()) {
    // A replica that repeats itself waits once, and not longer for it: else its change would never be given up.
    std::erase_if(change_->askers, [&](const ChangeAsker& other) {
      const bool same = other.peer.has_value() && other.peer->key == asker.peer->key;
      if (same) asker.deadline = other.deadline;
      return same;
    });
  }
  if (change_->askers.size() >= RunningChange::kAskersMax) {
    return AnswerChange(asker,
                        MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                                  absl::StrCat(RunningChange::kAskersMax, " callers wait for this change already")));
  }
  change_->askers.push_back(std::move(asker));
}

MembershipView CoreImpl::LookAtVoters() const {
  MembershipView view;
  view.voters = &voters_in_force();
  view.leader_ready = high_watermark_ > epoch_start_ || QUORATE_MUTANT("M-32");
  view.voters_committed = committed_voters() == nullptr || QUORATE_MUTANT("M-32");
  view.running = change_.has_value() ? &change_->change : nullptr;
  if (!leader_.endpoints.empty()) view.listener = leader_.endpoints.front().listener;
  for (const Voter& voter : voters_in_force().voters()) {
    const bool is_self = voter.key.Matches(config_.self);
    if (!is_self && !FetchedLately(voter.key)) continue;
    view.alive.push_back(voter.key);
    const uint8_t priority = is_self ? Priority() : replicas_.Find(voter.key)->priority;
    if (priority == kPriorityNever) view.never_lead.push_back(voter.key);
  }
  view.retry_after = timing_.RetryChange();
  return view;
}

bool CoreImpl::FetchedLately(const ReplicaKey& key) const {
  const raft::Progress* replica = replicas_.Find(key);
  return replica != nullptr && !replica->fenced() && replica->last_fetch.has_value() &&
         now_ - *replica->last_fetch < timing_.Fetch();
}

absl::Status CoreImpl::DryRun(const VoterChange& change) const {
  const MembershipView view = LookAtVoters();
  const absl::StatusOr<Verdict> verdict = JudgeVoterChange(view, change);
  if (!verdict.ok() || *verdict == Verdict::kAlreadyDone) return verdict.status();
  // Whoever asks before a removal is about to stop the node as well.
  if (change.kind == VoterChange::Kind::kRemove) return JudgeStop(view, change.voter.key);
  if (change.kind == VoterChange::Kind::kAdd && !FetchedLately(change.voter.key))
    return NotFetchingError(change.voter.key);
  return absl::OkStatus();
}

absl::Status CoreImpl::NotFetchingError(const ReplicaKey& key) const {
  StatusDetail detail;
  detail.reason = Reason::kNotCaughtUp;
  detail.outcome = Outcome::kNotApplied;
  detail.retry_after = timing_.RetryChange();
  detail.kafka_error = 7;  // REQUEST_TIMED_OUT
  return MakeError(detail, absl::StrCat("replica ", key.ToString(),
                                        " doesn't fetch from the leader; does it run, with this directory, and does it "
                                        "know the bootstrap servers?"));
}

// ---- The way of a change ------------------------------------------------------------------------------------

void CoreImpl::BeginChange() {
  const VoterChange& change = change_->change;
  if (QUORATE_MUTANT("M-34")) return AppendVoters();
  const Voter* known = voters_in_force().Find(change.voter.key);
  const bool new_address = change.kind == VoterChange::Kind::kAdd ||
                           (change.kind == VoterChange::Kind::kUpdate && known->endpoints != change.voter.endpoints);
  // F-N15: an address at which nobody answers, once committed, can keep the quorum from ever electing again. That of
  // this node itself is the one that it listens on.
  if (!new_address || change.voter.key.Matches(config_.self)) return AppendVoters();
  change_->phase = Phase::kProbing;
  change_->probe_id = NewRequestId();
  change_->probe_until = now_ + timing_.Probe();
  change_->probe_resend_at = now_;
  peers_may_have_changed_ = true;
}

void CoreImpl::StepVoterChange() {
  if (role_ != ReplicaRole::kLeader) return;
  if (change_.has_value()) ExpireChangeAskers();
  if (change_.has_value()) {
    switch (change_->phase) {
      case Phase::kProbing:
        StepProbe();
        break;
      case Phase::kCatchingUp:
        StepCatchUp();
        break;
      case Phase::kCommitting:
        if (change_->record < high_watermark_) EndChange(absl::OkStatus());
        break;
    }
  }
  if (role_ != ReplicaRole::kLeader) return;
  if (!is_voter() && committed_voters() == nullptr && !QUORATE_MUTANT("M-35")) {
    // M-35: it led until the set without it was committed by that set. Not a moment longer.
    QUORATE_MARK("C-14");
    return BecomeResigned(/*requested=*/true);
  }
  UpdateSelf();
}

void CoreImpl::ExpireChangeAskers() {
  const bool in_log = change_->phase == Phase::kCommitting;
  const bool asked = !change_->askers.empty();
  for (size_t i = 0; i < change_->askers.size();) {
    if (change_->askers[i].deadline > now_) {
      ++i;
      continue;
    }
    AnswerChange(change_->askers[i],
                 MakeError(Reason::kDeadlineExceeded, in_log ? Outcome::kUnknown : Outcome::kNotApplied,
                           absl::StrCat("the deadline passed while the change was ", ToString(change_->phase),
                                        in_log ? "; it may still be committed" : "; it was given up")));
    change_->askers.erase(change_->askers.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!in_log && asked && change_->askers.empty()) EndChange(absl::OkStatus());
}

void CoreImpl::StepProbe() {
  if (now_ >= change_->probe_until) {
    StatusDetail detail;
    detail.reason = Reason::kUnreachable;
    detail.outcome = Outcome::kNotApplied;
    detail.retry_after = timing_.RetryChange();
    detail.kafka_error = 7;  // REQUEST_TIMED_OUT
    const VoterChange& change = change_->change;
    return EndChange(MakeError(detail, absl::StrCat("nobody answered as replica ", change.voter.key.ToString(), " at ",
                                                    change.voter.endpoints.front().Address(), " within ",
                                                    absl::FormatDuration(timing_.Probe()))));
  }
  if (now_ < change_->probe_resend_at) return;
  change_->probe_resend_at = now_ + timing_.Resend();
  SendRequest({kProbePeer, DirectoryId()}, change_->probe_id, ProbeRequest{});
}

void CoreImpl::On(const Message& message, const ProbeRequest&) {
  Reply(message, ProbeResponse{.error = config_.may_vote ? PeerError::kNone : PeerError::kInvalidRequest,
                               .epoch = epoch_,
                               .leader = LeaderForPeers(),
                               .kraft_version_min = config_.kraft_version_min,
                               .kraft_version_max = config_.kraft_version_max});
}

void CoreImpl::On(const Message& message, const ProbeResponse& response) {
  const auto is_answer = [&] {
    return role_ == ReplicaRole::kLeader && change_.has_value() && change_->phase == Phase::kProbing &&
           change_->probe_id == message.request_id;
  };
  if (!is_answer()) return;
  // A newcomer may be far behind in epochs; only one that is ahead says something about ours.
  if (response.epoch > epoch_) AcceptAnswer(message, response.epoch, response.leader);
  if (!is_answer()) return;
  const absl::Status judged = JudgeProbe(change_->change, message.from, response, kKRaftVersion);
  if (!judged.ok()) return EndChange(judged);
  peers_may_have_changed_ = true;
  if (change_->change.kind == VoterChange::Kind::kUpdate) return AppendVoters();
  change_->phase = Phase::kCatchingUp;
  change_->catch_up.emplace(now_, log_.end_offset(), timing_.CatchUpRound(), timing_.NewcomerSilence());
}

void CoreImpl::StepCatchUp() {
  const ReplicaKey& newcomer = change_->change.voter.key;
  const raft::Progress* replica = replicas_.Find(newcomer);
  if (replica != nullptr) change_->caught_up_to = replica->durable_end();
  switch (change_->catch_up->Step(now_, log_.end_offset(), change_->caught_up_to,
                                  replica == nullptr ? std::nullopt : replica->last_fetch)) {
    case CatchUp::State::kRunning:
      return;
    case CatchUp::State::kDone:
      return AppendVoters();
    case CatchUp::State::kSilent:
      return EndChange(NotFetchingError(newcomer));
    case CatchUp::State::kTooSlow:
      return EndChange(MakeError(
          Reason::kNotCaughtUp, Outcome::kNotApplied,
          absl::StrCat("replica ", newcomer.ToString(), " is at offset ", change_->caught_up_to.value(), " of ",
                       log_.end_offset().value(), " and falls behind what is written; try again with fewer writes")));
  }
}

void CoreImpl::AppendVoters() {
  if (transferring()) return;  // the log has to stand still
  const VoterSet next = Changed(voters_in_force(), change_->change);
  const std::string record = EncodeControlRecord(VotersRecord{next.voters(), next.removed()});
  const absl::string_view view = record;
  const absl::StatusOr<Offset> offset =
      AppendAsLeader(BatchKind::kControl, absl::MakeConstSpan(&view, 1), /*wall_ms=*/0);
  if (!offset.ok()) return EndChange(offset.status());
  change_->phase = Phase::kCommitting;
  change_->record = *offset;
  // In force at once (Raft section 6). Who counts from here on may be fewer or more than a moment ago.
  replicas_.AdoptKeys(voters_in_force());
  for (const ReplicaKey& voter : OtherVoters()) replicas_.ForVoter(voter);
  leader_.endpoints = EndpointsOf(config_.self.id);
  peers_may_have_changed_ = true;
  quorum_deadline_ = leader_tick_at_ = now_;
  AdvanceHighWatermark();
}

void CoreImpl::UpdateSelf() {
  // Nobody else will ask on our behalf.
  if (change_.has_value() || transferring() || !wish_.has_value() || wish_->kind != VoterChange::Kind::kUpdate) return;
  const absl::StatusOr<Verdict> verdict = JudgeVoterChange(LookAtVoters(), *wish_);
  if (!verdict.ok() || *verdict != Verdict::kGo) return;
  change_.emplace().change = *wish_;
  BeginChange();
}

// ---- The end of a change ------------------------------------------------------------------------------------

void CoreImpl::EndChange(const absl::Status& status) {
  const RunningChange ended = *std::move(change_);
  change_.reset();
  peers_may_have_changed_ = true;
  for (const ChangeAsker& asker : ended.askers) AnswerChange(asker, status);
}

void CoreImpl::FailChange(Reason reason, absl::string_view why) {
  if (!change_.has_value()) return;
  const bool in_log = change_->phase == Phase::kCommitting && !QUORATE_MUTANT("M-31");
  EndChange(MakeError(reason, in_log ? Outcome::kUnknown : Outcome::kNotApplied, why));
}

void CoreImpl::AnswerChange(const ChangeAsker& asker, const absl::Status& status) {
  if (!asker.peer.has_value()) {
    effects_.voter_changes.push_back({asker.id, status});
    return;
  }
  VoterChangeResponse response{.error = PeerError::kNone, .epoch = epoch_, .leader = LeaderForPeers(), .message = ""};
  if (!status.ok()) {
    const Reason reason = ReasonOf(status);
    const bool elsewhere = reason == Reason::kNotLeader || reason == Reason::kLeadershipLost;
    response.error = elsewhere ? PeerError::kNotLeader : PeerError::kVoterChangeRefused;
    response.message = std::string(status.message().substr(0, limits::kPeerTextBytesMax));
  }
  outbox_.Send(Message{.cluster_id = config_.cluster_id,
                       .from = config_.self,
                       .from_incarnation = config_.incarnation,
                       .to = asker.peer->key,
                       .request_incarnation = asker.peer->incarnation,
                       .request_id = asker.peer->request_id,
                       .body = std::move(response)});
}

// ---- Looking ------------------------------------------------------------------------------------------------

Instant CoreImpl::ChangeDeadline() const {
  if (!change_.has_value()) return Instant::Infinite();
  Instant next = Instant::Infinite();
  for (const ChangeAsker& asker : change_->askers) next = std::min(next, asker.deadline);
  if (change_->phase == Phase::kProbing) next = std::min({next, change_->probe_until, change_->probe_resend_at});
  if (change_->phase == Phase::kCatchingUp) next = std::min(next, change_->catch_up->Deadline());
  return next;
}

std::optional<PendingVoterChange> CoreImpl::voter_change() const {
  if (!change_.has_value()) return std::nullopt;
  return PendingVoterChange{.change = change_->change,
                            .phase = change_->phase,
                            .record = change_->record,
                            .caught_up_to = change_->caught_up_to,
                            .catch_up_target = change_->catch_up.has_value() ? change_->catch_up->target() : kNoOffset};
}

const std::vector<Voter>* CoreImpl::committed_voters() const {
  const VoterSet* before = log_.voters_before(high_watermark_);
  return before == nullptr ? nullptr : &before->voters();
}

}  // namespace quorate::raft
