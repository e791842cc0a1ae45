// The transitions between roles: the only place where role_ and epoch_ change. A change is complete in memory before
// the event returns, so nobody sees a new epoch with an old role (M-11); what is sent about it waits in the outbox
// until it is stored (M-01).
#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "raft/core_impl.h"

namespace quorate::raft {

void CoreImpl::LeaveRole() {
  if (role_ == ReplicaRole::kLeader) {
    const std::string why = absl::StrCat("leadership of epoch ", epoch_.value(), " was lost");
    FailReads(Reason::kLeadershipLost, why);
    FailChange(Reason::kLeadershipLost, why);
  } else {
    FailReads(Reason::kNoLeader, absl::StrCat("the leader of epoch ", epoch_.value(), " was lost sight of"));
  }
  // M-17: answers to what the old role asked find no session, tally or round any more.
  session_.reset();
  discovery_.reset();
  tally_.reset();
  round_id_ = 0;
  saw_better_asker_ = deferring_ = backing_off_ = false;
  resend_at_ = Instant::Infinite();
  fetch_deadline_ = Instant::Infinite();
  replicas_.Clear();
  snapshot_reads_.Clear();
  snapshot_send_at_ = Instant::Infinite();
  snapshot_asked_at_.reset();
  if (download_.has_value()) {
    download_->request_id = 0;
    download_->ask_at = Instant::Infinite();
  }
  epoch_start_ = kNoOffset;
  leader_tick_at_ = Instant::Infinite();
  watermark_pace_ = WatermarkPace();
  resignation_.reset();
}

void CoreImpl::EnterEpoch(Epoch epoch, ReplicaKey vote, const LeaderInfo& leader) {
  epoch_ = epoch;
  voted_for_ = vote;
  leader_ = leader;
  leader_gone_ = false;
  leader_deposed_ = false;
  leader_heard_.reset();
  silence_.Reset();
  read_round_seen_ = 0;
  peers_may_have_changed_ = true;
  StoreElection();
}

void CoreImpl::StoreElection() {
  const uint64_t sequence = outbox_.BeginStore();
  disk_wait_.Storing(now_, sequence);
  effects_.store = StoreElectionState{ElectionState{epoch_, voted_for_, leader_.id}, sequence};
}

void CoreImpl::BecomeUnattached(Epoch epoch) {
  if (QUORATE_MUTANT("M-11") && role_ == ReplicaRole::kLeader) {
    return EnterEpoch(epoch, ReplicaKey(), LeaderInfo(leader_));
  }
  const bool timer_runs =
      role_ != ReplicaRole::kFollower && role_ != ReplicaRole::kLeader && !election_deadline_.is_infinite();
  LeaveRole();
  if (epoch > epoch_) EnterEpoch(epoch, ReplicaKey(), LeaderInfo());
  role_ = ReplicaRole::kUnattached;
  leader_ = LeaderInfo();
  if (!MayLead()) {
    election_deadline_ = Instant::Infinite();
  } else if (!timer_runs) {
    election_deadline_ = now_ + timing_.Election();
  }
  // Not at once: most often a candidate is about to win, and will say so.
  discovery_ =
      LeaderSearch{.first_request_id = last_request_id_ + 1, .next_at = now_ + timing_.RetryBackoff(), .asked = 0};
}

void CoreImpl::BecomeFollower(Epoch epoch, const LeaderInfo& leader) {
  const bool same_epoch = epoch == epoch_;
  if (same_epoch && leader_.id != kNoNode && leader_.id != leader.id && !QUORATE_MUTANT("M-25")) {
    // M-25: an epoch has one leader, or votes were counted or remembered wrongly somewhere.
    return HaltWith(Reason::kCorruption,
                    absl::StrCat("two leaders in epoch ", epoch.value(), ": node ", leader_.id.value(), " and node ",
                                 leader.id.value(), "; one epoch must have one leader"));
  }
  const bool same_leader = same_epoch && leader_.id == leader.id;
  if (!leader.endpoints.empty() && leader_.endpoints != leader.endpoints) peers_may_have_changed_ = true;
  if (same_leader && role_ == ReplicaRole::kFollower) {
    if (!leader.endpoints.empty()) leader_.endpoints = leader.endpoints;
    return;
  }
  LeaveRole();
  leaderless_.reset();
  if (!same_epoch) EnterEpoch(epoch, ReplicaKey(), leader);
  if (!same_leader) {
    leader_ = leader;
    leader_gone_ = false;
    leader_heard_.reset();
    silence_.Reset();
    read_round_seen_ = 0;
    peers_may_have_changed_ = true;
  }
  if (leader_.endpoints.empty())
    leader_.endpoints = leader.endpoints.empty() ? EndpointsOf(leader.id) : leader.endpoints;
  role_ = ReplicaRole::kFollower;
  election_deadline_ = Instant::Infinite();
  // An observer has nothing to lose by asking elsewhere soon, if what it was told turns out to be old.
  fetch_deadline_ = now_ + (MayLead() ? timing_.Fetch() : 2 * timing_.Resend());
  OpenSession();
}

void CoreImpl::BecomeProspective() {
  leaderless_.reset();
  LeaveRole();  // but leader_ stays: if the others still hear it, we go back to it
  role_ = ReplicaRole::kProspective;
  StartRound(/*pre_vote=*/true);
}

void CoreImpl::BecomeCandidate() {
  if (epoch_.value() == INT32_MAX)
    return HaltWith(Reason::kCorruption, "epochs are used up: the last one is 2147483647");
  LeaveRole();
  EnterEpoch(epoch_ + 1, config_.self, LeaderInfo());
  candidacy_store_ = effects_.store->sequence;
  role_ = ReplicaRole::kCandidate;
  StartRound(/*pre_vote=*/false);
}

void CoreImpl::BecomeLeader() {
  const std::vector<ReplicaKey> granting = tally_->Granting();
  LeaveRole();
  ForgetDownload();  // M-23: whoever leads has everything that a snapshot stands for
  role_ = ReplicaRole::kLeader;
  leader_ = LeaderInfo{config_.self.id, EndpointsOf(config_.self.id)};
  leader_gone_ = false;
  election_deadline_ = Instant::Infinite();
  failed_rounds_ = 0;
  leader_since_ = now_;
  quorum_deadline_ = now_ + timing_.CheckQuorum();
  read_round_ = 0;
  if (apply_stalled_) relief_at_ = now_ + timing_.Relief();
  begin_id_ = NewRequestId();
  epoch_start_ = log_.end_offset();
  for (const ReplicaKey& voter : OtherVoters()) replicas_.ForVoter(voter);
  AppendLeaderChange(granting);
  SendBeginEpoch();
}

std::vector<ReplicaKey> CoreImpl::Successors() const {
  struct Place {
    bool chosen;  // by a transfer
    Offset end;
    uint8_t priority;
    ReplicaKey key;
  };
  std::vector<Place> places;
  for (const ReplicaKey& key : OtherVoters()) {
    const raft::Progress* replica = replicas_.Find(key);
    const uint8_t priority = replica == nullptr ? kPriorityDefault : replica->priority;
    if (priority == kPriorityNever) continue;
    const bool chosen = transfer_.has_value() && transfer_->target == key;
    places.push_back({chosen, replica == nullptr ? kNoOffset : replica->durable_end(), priority, key});
  }
  // Who lacks records can't win; between two that don't, the operator's wish decides.
  std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.chosen, a.end, a.priority) > std::tie(b.chosen, b.end, b.priority);
  });
  std::vector<ReplicaKey> keys;
  for (const Place& place : places) keys.push_back(place.key);
  return keys;
}

void CoreImpl::BecomeResigned(bool requested) {
  Resignation resignation;
  resignation.requested = requested;
  resignation.hand_over_until = now_ + timing_.HandOver();
  resignation.successors = Successors();
  for (const ReplicaKey& key : OtherVoters()) resignation.untold.insert(key);
  LeaveRole();
  role_ = ReplicaRole::kResigned;
  election_deadline_ = shutting_down_ ? Instant::Infinite() : now_ + timing_.Election();
  end_id_ = NewRequestId();
  resignation_ = std::move(resignation);
  SendEndEpoch();
}

}  // namespace quorate::raft
