// Elections: rounds of pre-votes (KIP-996) and votes (Raft section 5.2), and leaving (KIP-595, EndQuorumEpoch).
// docs/elections.md tells the story.
#include <algorithm>
#include <utility>

#include "base/simulation.h"
#include "raft/core_impl.h"

namespace quorate::raft {

// ---- Asking -----------------------------------------------------------------------------------------

void CoreImpl::StartRound(bool pre_vote) {
  tally_.emplace(voters_in_force());
  round_id_ = NewRequestId();
  round_began_ = now_;
  election_deadline_ = now_ + timing_.Election();
  AskForVotes();
  if (!pre_vote) return;  // our own vote counts when it is stored
  tally_->Record(config_.self, true);
  CountPreVotes();
}

void CoreImpl::AskForVotes() {
  resend_at_ = now_ + timing_.Resend();
  const bool pre_vote = role_ == ReplicaRole::kProspective;
  for (const ReplicaKey& voter : tally_->Unanswered()) {
    if (voter.Matches(config_.self)) continue;
    SendRequest(voter, round_id_, VoteRequest{.epoch = epoch_, .log_end = log_.end(), .pre_vote = pre_vote});
  }
}

void CoreImpl::CountPreVotes() {
  if (deferring_) return;
  if (tally_->Won()) {
    const bool alone = tally_->size() == 1;
    round_trip_ = std::min(now_ - round_began_, timing_.RoundTripMax());
    absl::Duration wait = alone ? absl::ZeroDuration() : timing_.PriorityStagger(config_.priority, round_trip_);
    // Two stand at the same moment and both would ask for real votes: the better one goes first.
    if (saw_better_asker_) wait = std::max(wait, timing_.Stagger(round_trip_));
    if (wait == absl::ZeroDuration()) return BecomeCandidate();
    deferring_ = true;
    election_deadline_ = now_ + wait;
  } else if (tally_->Lost(OutOfReach())) {
    PreElectionFailed();
  }
}

std::set<NodeId> CoreImpl::OutOfReach() const {
  std::set<NodeId> nodes = unreachable_;
  if (silent_leader_ != kNoNode) nodes.insert(silent_leader_);
  return nodes;
}

void CoreImpl::CountVotes() {
  if (tally_->Won()) return BecomeLeader();
  if (backing_off_ || !tally_->Lost(OutOfReach())) return;
  // Raft section 9.3's random wait, exponential, so that the next round finds one candidate.
  backing_off_ = true;
  resend_at_ = Instant::Infinite();
  election_deadline_ = now_ + timing_.Backoff(++failed_rounds_, round_trip_);
}

void CoreImpl::PreElectionFailed() {
  const absl::Duration backoff = timing_.Backoff(++failed_rounds_, round_trip_);
  if (leader_.id == kNoNode || leader_deposed_) {
    BecomeUnattached(epoch_);
    if (MayLead()) election_deadline_ = now_ + backoff;
    return;
  }
  // A majority still hears the leader, or can't be reached: follow it again. If its connection is what broke, ask
  // again soon: the others may be about to lose it too. If it was silence, ask again when theirs has become more of a
  // reason to grant, too: they do after half of their patience.
  BecomeFollower(epoch_, LeaderInfo(leader_));
  fetch_deadline_ = now_ + (leader_gone_ ? backoff : silence_.Timeout() / 2);
}

void CoreImpl::RunElectionTimers() {
  if (role_ == ReplicaRole::kResigned && now_ >= resignation_->resend_at) SendEndEpoch();
  if (tally_.has_value() && now_ >= resend_at_) AskForVotes();
  if (now_ < election_deadline_) return;
  switch (role_) {
    case ReplicaRole::kUnattached:
      return BecomeProspective();
    case ReplicaRole::kProspective:
      return deferring_ ? BecomeCandidate() : PreElectionFailed();
    case ReplicaRole::kCandidate:
      return BecomeProspective();
    case ReplicaRole::kResigned:
      // The old epoch is spent: nobody else can lead it, and this node must not again (KIP-595).
      election_deadline_ = Instant::Infinite();
      return BecomeUnattached(epoch_ + 1);
    default:
      return;
  }
}

void CoreImpl::On(const Message& message, const VoteResponse& response) {
  // M-08: an answer to a round that is over says nothing about this one.
  const uint64_t round = round_id_;
  if (!tally_.has_value() || message.request_id != round) return;
  if (response.epoch > epoch_ && QUORATE_MUTANT("M-05")) {
    tally_->Record(message.from, true);
    return role_ == ReplicaRole::kProspective ? CountPreVotes() : CountVotes();
  }
  if (!AcceptAnswer(message, response.epoch, response.leader)) return;
  if (!tally_.has_value() || round_id_ != round || response.error != PeerError::kNone) return;
  if (response.pre_vote != (role_ == ReplicaRole::kProspective)) return;
  tally_->Record(message.from, response.granted);
  if (role_ == ReplicaRole::kProspective) return CountPreVotes();
  CountVotes();
}

// ---- Answering --------------------------------------------------------------------------------------

void CoreImpl::On(const Message& message, const VoteRequest& request) {
  VoteResponse response;
  response.pre_vote = request.pre_vote;
  const auto reply = [&](PeerError error) {
    response.error = error;
    response.epoch = epoch_;
    response.leader = LeaderForPeers();
    if (!response.granted && MayLead() && QUORATE_MUTANT("M-10")) election_deadline_ = now_ + timing_.Election();
    Reply(message, response);
  };
  const Epoch epoch_max = request.pre_vote ? request.epoch : request.epoch - 1;
  if (request.epoch < Epoch(0) || request.log_end.end < Offset(0) || request.log_end.epoch < Epoch(0) ||
      request.log_end.epoch > epoch_max) {
    return reply(PeerError::kInvalidRequest);
  }
  if (request.epoch < epoch_) return reply(PeerError::kFencedEpoch);
  if (request.epoch > epoch_) BecomeUnattached(request.epoch);
  if (!message.to.Matches(config_.self)) return reply(PeerError::kWrongVoter);  // F-N10

  // M-06: also a node that knows itself for an observer answers: the record that made it a voter may be on its way.
  if (!is_voter() && QUORATE_MUTANT("M-06")) return reply(PeerError::kWrongVoter);
  if (request.pre_vote) {
    // M-08: nothing is written, no timer and no last-contact time moves.
    if (role_ == ReplicaRole::kProspective && RanksBefore(message.from, request.log_end)) saw_better_asker_ = true;
    response.granted = GrantsPreVote(request);
  } else {
    const bool voted_before = voted_for_.id != kNoNode;
    response.granted = GrantsVote(message, request);
    if (response.granted && !voted_before) {
      voted_for_ = message.from;
      StoreElection();
      leaderless_.reset();
      if (role_ == ReplicaRole::kProspective) BecomeUnattached(epoch_);
      if (MayLead()) election_deadline_ = now_ + timing_.Election();  // M-10: only a granted vote resets the timer
    }
  }
  if (response.granted && !is_voter()) QUORATE_MARK("C-16");
  reply(PeerError::kNone);
}

bool CoreImpl::IsUpToDate(const LogPosition& asker) const {
  if (QUORATE_MUTANT("M-03")) return asker.end >= log_.end_offset();
  return asker >= log_.end();  // M-03: by last epoch, then by end offset
}

bool CoreImpl::GrantsPreVote(const VoteRequest& request) const {
  if (!IsUpToDate(request.log_end) && !QUORATE_MUTANT("M-08")) {
    QUORATE_MARK("C-17");
    return false;  // M-08: liveness alone would let a stale log disturb for ever
  }
  if (role_ == ReplicaRole::kLeader) return false;
  if (role_ != ReplicaRole::kFollower) return true;
  const bool silent = !leader_heard_.has_value() || now_ - *leader_heard_ >= silence_.Timeout() / 2;
  return leader_gone_ || silent;
}

bool CoreImpl::GrantsVote(const Message& message, const VoteRequest& request) const {
  if (voted_for_.id != kNoNode && !QUORATE_MUTANT("M-04")) {
    QUORATE_MARK("C-20");
    return voted_for_.Matches(message.from);  // M-04: the same answer, however often
  }
  const bool free = role_ == ReplicaRole::kUnattached || role_ == ReplicaRole::kProspective;
  return free && leader_.id == kNoNode && IsUpToDate(request.log_end);
}

bool CoreImpl::RanksBefore(const ReplicaKey& asker, const LogPosition& asker_end) const {
  const std::vector<Voter>& voters = voters_in_force().voters();
  if (!voters_in_force().Contains(asker)) return false;
  if (asker_end != log_.end()) return asker_end > log_.end();
  // Equal logs: order by id, rotated by the epoch, so that it isn't always the same node that leads.
  const auto place = [&](NodeId id) {
    const auto at = std::find_if(voters.begin(), voters.end(), [id](const Voter& v) { return v.key.id == id; });
    return (static_cast<size_t>(at - voters.begin()) + static_cast<size_t>(epoch_.value())) % voters.size();
  };
  return place(asker.id) < place(config_.self.id);
}

// ---- Leaving ----------------------------------------------------------------------------------------

void CoreImpl::Resign(Instant now, bool shutting_down) {
  if (!Begin(now)) return;
  shutting_down_ = shutting_down_ || shutting_down;
  if (role_ == ReplicaRole::kLeader) return BecomeResigned(/*requested=*/true);
  if (!shutting_down_) return;
  election_deadline_ = Instant::Infinite();
  const bool stands = role_ == ReplicaRole::kProspective || role_ == ReplicaRole::kCandidate;
  if (stands) BecomeUnattached(epoch_);
}

void CoreImpl::SendEndEpoch() {
  resignation_->resend_at = resignation_->untold.empty() ? Instant::Infinite() : now_ + timing_.Resend();
  for (const ReplicaKey& voter : resignation_->untold) {
    SendRequest(voter, end_id_, EndEpochRequest{.epoch = epoch_, .preferred_successors = resignation_->successors});
  }
}

void CoreImpl::On(const Message& message, const EndEpochResponse& response) {
  if (role_ != ReplicaRole::kResigned || message.request_id != end_id_) return;
  if (!AcceptAnswer(message, response.epoch, response.leader) || role_ != ReplicaRole::kResigned) return;
  std::erase_if(resignation_->untold, [&](const ReplicaKey& key) { return key.Matches(message.from); });
  if (resignation_->untold.empty()) resignation_->resend_at = Instant::Infinite();
}

void CoreImpl::On(const Message& message, const EndEpochRequest& request) {
  const auto reply = [&](PeerError error) {
    Reply(message, EndEpochResponse{.error = error, .epoch = epoch_, .leader = LeaderForPeers()});
  };
  if (request.epoch < Epoch(0)) return reply(PeerError::kInvalidRequest);
  if (request.epoch < epoch_) return reply(PeerError::kFencedEpoch);
  if (request.epoch > epoch_) BecomeUnattached(request.epoch);
  if (!message.to.Matches(config_.self)) return reply(PeerError::kWrongVoter);
  reply(PeerError::kNone);
  const bool follows = role_ == ReplicaRole::kFollower && leader_.id == message.from.id;
  if (!follows && role_ != ReplicaRole::kUnattached) return;
  leader_deposed_ = true;
  if (!MayLead()) return LeaderIsGone();

  const auto& list = request.preferred_successors;
  const auto self =
      std::find_if(list.begin(), list.end(), [&](const ReplicaKey& k) { return k.Matches(config_.self); });
  const auto position = static_cast<size_t>(self - list.begin());
  // The first asks for real votes at once: the leader itself says that there is none to disturb, which is all that a
  // pre-vote would find out, and a real vote is safe at any time.
  if (position == 0 && !list.empty()) return BecomeCandidate();
  const Instant wake = now_ + timing_.SuccessorWait(position, list.size());
  leader_gone_ = true;
  session_.reset();
  // A repeated goodbye doesn't start the wait again.
  Instant& deadline = follows ? fetch_deadline_ : election_deadline_;
  deadline = std::min(deadline, wake);
}

}  // namespace quorate::raft
