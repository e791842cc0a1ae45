// Handing leadership over on request (Raft thesis, section 3.10), and the host's word that a leader is dead.
//
// A leader that is to hand over waits until its successor is almost there, takes no more proposals until it has
// everything on disk, and then leaves, naming that one first: a named successor asks for real votes at once
// (election.cc), so the gap in service is two syncs and two round trips. Without the waiting the successor could lose
// against another voter, or win and be asked to fetch from nobody what the old leader had promised. If the successor
// stops fetching, or the deadline passes first, nothing has happened and this node leads on.
//
// Almost there is who has what is committed, or has caught up as a new voter must (raft/catch_up.h). Until then
// proposals are taken as always: a successor that loads a snapshot first must not stop the writes for that long. And
// for no longer than an election timeout may the log stand still, which is what a failover costs (thesis, 3.10).
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core_impl.h"

namespace quorate::raft {

void CoreImpl::TransferLeadership(Instant now, uint64_t id, std::optional<NodeId> to, Instant deadline) {
  Begin(now);
  const auto answer = [&](absl::Status status) { effects_.transfers.push_back({id, std::move(status)}); };
  const auto refuse = [&](Reason reason, absl::string_view why) {
    answer(MakeError(reason, Outcome::kNotApplied, why));
  };
  if (role_ != ReplicaRole::kLeader) return answer(NotLeaderError());
  if (transfer_.has_value()) return refuse(Reason::kChangePending, "another transfer of leadership is under way");
  if (to == config_.self.id) return answer(absl::OkStatus());
  const absl::StatusOr<ReplicaKey> target = to.has_value() ? NamedSuccessor(*to) : BestSuccessor();
  if (!target.ok()) return answer(target.status());
  if (deadline <= now_)
    return refuse(Reason::kDeadlineExceeded, "the deadline of the transfer had passed when it arrived");
  BeginTransfer(id, *target, to.has_value(), deadline);
}

void CoreImpl::BeginTransfer(uint64_t id, const ReplicaKey& target, bool named, Instant deadline) {
  transfer_ = RunningTransfer{.id = id,
                              .target = target,
                              .named = named,
                              .deadline = deadline,
                              .epoch = epoch_,
                              .catch_up = CatchUp(now_, log_.end_offset(), timing_.CatchUpRound(), timing_.Fetch()),
                              .stands_still_until = Instant::Infinite()};
}

absl::StatusOr<ReplicaKey> CoreImpl::NamedSuccessor(NodeId id) const {
  const Voter* voter = voters_in_force().FindById(id);
  if (voter == nullptr) {
    return MakeError(Reason::kVoterNotFound, Outcome::kNotApplied,
                     absl::StrCat("node ", id.value(), " is no voter; only a voter can lead"));
  }
  const raft::Progress* replica = replicas_.Find(voter->key);
  if (replica != nullptr && replica->priority == kPriorityNever) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("node ", id.value(), " doesn't lead: its priority is 0, or its state machine is ",
                                  "stuck, so that it has none at present"));
  }
  if (!FetchedLately(voter->key)) {
    return MakeError(Reason::kNotCaughtUp, Outcome::kNotApplied,
                     absl::StrCat("node ", id.value(), " doesn't fetch from this leader at present"));
  }
  return voter->key;
}

absl::StatusOr<ReplicaKey> CoreImpl::BestSuccessor() const {
  std::optional<std::tuple<uint8_t, Offset, ReplicaKey>> best;
  for (const ReplicaKey& key : OtherVoters()) {
    const raft::Progress* replica = replicas_.Find(key);
    if (!FetchedLately(key) || replica->priority == kPriorityNever) continue;
    const bool better = !best.has_value() || std::tuple(replica->priority, replica->durable_end()) >
                                                 std::tuple(std::get<0>(*best), std::get<1>(*best));
    if (better) best = {replica->priority, replica->durable_end(), key};
  }
  if (best.has_value()) return std::get<2>(*best);
  return MakeError(Reason::kNotCaughtUp, Outcome::kNotApplied, "no other voter that may lead fetches from this leader");
}

bool CoreImpl::transferring() const {
  return transfer_.has_value() && transfer_->stands_still && !transfer_->handed_over && role_ == ReplicaRole::kLeader;
}

void CoreImpl::StepTransfer() {
  if (!transfer_.has_value()) return;
  if (transfer_->handed_over) return StepHandedOver();
  if (role_ != ReplicaRole::kLeader) {
    return EndTransfer(MakeError(
        Reason::kLeadershipLost, Outcome::kNotApplied,
        absl::StrCat("leadership of epoch ", transfer_->epoch.value(), " was lost before it could be handed over")));
  }
  const ReplicaKey target = transfer_->target;
  const auto give_up = [&](Reason reason, absl::string_view why) {
    EndTransfer(
        MakeError(reason, Outcome::kNotApplied,
                  absl::StrCat("node ", target.id.value(), " ", why, "; node ", config_.self.id.value(), " leads on")));
  };
  if (now_ >= transfer_->deadline) return give_up(Reason::kDeadlineExceeded, "didn't catch up before the deadline");
  if (!voters_in_force().Contains(target)) return give_up(Reason::kVoterNotFound, "is no voter any more");
  if (!FetchedLately(target)) return give_up(Reason::kNotCaughtUp, "stopped fetching");
  const raft::Progress& replica = *replicas_.Find(target);
  if (!transfer_->stands_still) {
    const CatchUp::State state =
        transfer_->catch_up.Step(now_, log_.end_offset(), replica.durable_end(), replica.last_fetch);
    if (state == CatchUp::State::kTooSlow) return give_up(Reason::kNotCaughtUp, "falls behind what is written");
    if (state != CatchUp::State::kDone && replica.durable_end() < high_watermark_) return;
    transfer_->stands_still = true;
    transfer_->stands_still_until = now_ + timing_.HandOver();
  }
  // Durable, not only received: what the successor loses in a crash, it can't lead with (M-13).
  if (replica.durable_end() < log_.end_offset()) {
    if (now_ >= transfer_->stands_still_until) give_up(Reason::kNotCaughtUp, "doesn't store the last records");
    return;
  }
  transfer_->handed_over = true;
  BecomeResigned(/*requested=*/true);
}

void CoreImpl::StepHandedOver() {
  const bool elsewhere = role_ == ReplicaRole::kFollower && epoch_ > transfer_->epoch && leader_.id != kNoNode;
  if (elsewhere && (!transfer_->named || leader_.id == transfer_->target.id)) return EndTransfer(absl::OkStatus());
  if (elsewhere || role_ == ReplicaRole::kLeader) {
    return EndTransfer(MakeError(Reason::kLeadershipLost, Outcome::kUnknown,
                                 absl::StrCat("node ", leader_.id.value(), " was elected in epoch ", epoch_.value(),
                                              " and not node ", transfer_->target.id.value())));
  }
  if (now_ >= transfer_->deadline) {
    EndTransfer(
        MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                  absl::StrCat("leadership of epoch ", transfer_->epoch.value(), " was handed to node ",
                               transfer_->target.id.value(), ", but no new leader was seen before the deadline")));
  }
}

void CoreImpl::EndTransfer(absl::Status status) {
  if (transfer_->id != kNobodyAsked) effects_.transfers.push_back({transfer_->id, std::move(status)});
  transfer_.reset();
}

Instant CoreImpl::TransferDeadline() const {
  if (!transfer_.has_value()) return Instant::Infinite();
  if (transfer_->handed_over || role_ != ReplicaRole::kLeader) return transfer_->deadline;
  // A target that goes silent is noticed without waiting for the caller's deadline.
  const raft::Progress* replica = replicas_.Find(transfer_->target);
  if (replica == nullptr || !replica->last_fetch.has_value()) return now_;
  return std::min({transfer_->deadline, transfer_->stands_still_until, *replica->last_fetch + timing_.Fetch()});
}

void CoreImpl::SuspectLeader(Instant now, NodeId leader) {
  if (!Begin(now) || role_ != ReplicaRole::kFollower || leader_.id != leader) return;
  // As good as a broken connection, and no better: whoever still hears the leader refuses its pre-vote.
  LeaderIsGone();
}

}  // namespace quorate::raft
