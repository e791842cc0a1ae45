// The façade: what every event has in common before and after it.
#include "raft/core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "raft/core_impl.h"

namespace quorate::raft {

std::unique_ptr<Core> Core::Make(CoreConfig config, RecoveredState recovered, Random* random) {
  return std::make_unique<CoreImpl>(std::move(config), std::move(recovered), random);
}

CoreImpl::CoreImpl(CoreConfig config, RecoveredState recovered, Random* random)
    : config_(std::move(config)),
      timing_(config_.timeouts, random),
      log_(recovered, VoterSet(config_.initial_voters), config_.tail_cache_bytes),
      high_watermark_(recovered.log.start.end),
      snapshot_budget_(config_.snapshot_bytes_per_second),
      silence_(timing_.SilenceMin(), timing_.Fetch(), timing_.KeepAlive()) {
  if (recovered.snapshot.has_value()) {
    snapshots_.push_back(recovered.snapshot->info);
    // Snapshots are of committed state: to know less after a restart is to forget commits (M-26).
    if (!QUORATE_MUTANT("M-26")) high_watermark_ = std::max(high_watermark_, recovered.snapshot->info.id.end);
  }
  if (recovered.partial_snapshot.has_value()) {
    download_ = RunningDownload{.file = {*recovered.partial_snapshot, recovered.partial_snapshot_bytes}};
  }
  if (recovered.election.has_value()) {
    epoch_ = recovered.election->epoch;
    voted_for_ = recovered.election->voted_for;
    leader_hint_ = recovered.election->leader;
  }
}

void CoreImpl::Start(Instant now) {
  now_ = now;
  started_ = true;
  if (!CheckRecovered()) return;
  // M-02: whatever this node was, it comes back without a role. Had it led its stored epoch, it may have forgotten
  // records of it that were not synced; leading it again could put other records at the same (epoch, offset).
  const bool led = voted_for_.id == config_.self.id && log_.end().epoch == epoch_;
  if (led) QUORATE_MARK("C-19");
  if (log_.end().epoch > epoch_) EnterEpoch(log_.end().epoch, ReplicaKey(), LeaderInfo());
  BecomeUnattached(epoch_);
  if (led && QUORATE_MUTANT("M-02")) {
    tally_.emplace(voters_in_force());
    return BecomeLeader();
  }
  if (MayLead() && voters_in_force().IsSoleVoter(config_.self)) {
    BecomeProspective();
  } else if (discovery_.has_value()) {
    discovery_->next_at = now_;
    leaderless_.emplace(voters_in_force());
    leaderless_->Record(config_.self, true);
  }
}

void CoreImpl::Tick(Instant now) { Begin(now); }

bool CoreImpl::Begin(Instant now) {
  if (!started_ || role_ == ReplicaRole::kHalted) return false;
  const bool paused = now - now_ > timing_.Pause();
  now_ = std::max(now_, now);
  if (paused) silence_.Interrupted();
  if (paused && role_ == ReplicaRole::kLeader) {
    // F-P06: what was in flight when we fell asleep proves nothing about who leads now.
    reads_.AbandonRound();
    leader_tick_at_ = now_;
  }
  RunTimers();
  return role_ != ReplicaRole::kHalted;
}

void CoreImpl::RunTimers() {
  switch (role_) {
    case ReplicaRole::kUnattached:
      if (discovery_.has_value() && now_ >= discovery_->next_at) Discover();
      RunElectionTimers();
      return;
    case ReplicaRole::kProspective:
    case ReplicaRole::kCandidate:
    case ReplicaRole::kResigned:
      return RunElectionTimers();
    case ReplicaRole::kFollower:
      return RunFollowerTimers();
    case ReplicaRole::kLeader:
      return RunLeaderTimers();
    case ReplicaRole::kHalted:
      return;
  }
}

Instant CoreImpl::NextDeadline() const {
  return role_ == ReplicaRole::kHalted ? Instant::Infinite() : std::min(RoleDeadline(), TransferDeadline());
}

Instant CoreImpl::RoleDeadline() const {
  switch (role_) {
    case ReplicaRole::kUnattached:
      return std::min(election_deadline_, discovery_.has_value() ? discovery_->next_at : Instant::Infinite());
    case ReplicaRole::kProspective:
    case ReplicaRole::kCandidate:
      return std::min(election_deadline_, resend_at_);
    case ReplicaRole::kResigned: {
      Instant next = std::min(election_deadline_, resignation_->resend_at);
      if (handing_over()) next = std::min(next, resignation_->hand_over_until);
      return next;
    }
    case ReplicaRole::kFollower: {
      Instant next = fetch_deadline_;
      if (session_.has_value()) {
        next = std::min(next, session_->reopen_at.value_or(session_->last_sent + timing_.KeepAlive()));
        // Without a session nobody is asked: its leader has said goodbye.
        if (download_.has_value()) next = std::min(next, download_->ask_at);
      }
      next = std::min(next, wish_at_);
      return reads_.round_runs() ? std::min(next, forward_resend_at_) : next;
    }
    case ReplicaRole::kLeader: {
      const Instant next = std::min({ChangeDeadline(), snapshot_send_at_, watermark_pace_.due()});
      if (voters_in_force().IsSoleVoter(config_.self)) return next;
      return std::min({leader_tick_at_, quorum_deadline_, relief_at_, next});
    }
    case ReplicaRole::kHalted:
      break;
  }
  return Instant::Infinite();
}

void CoreImpl::PeerConnected(Instant now, NodeId peer) {
  if (!Begin(now)) return;
  unreachable_.erase(peer);
  moved_.erase(peer);
  const Voter* voter = voters_in_force().FindById(peer);
  // Ids below -1 are bootstrap servers. Anybody else is nobody we asked to be connected with.
  if (voter == nullptr && peer != leader_.id && peer >= kNoNode) return;
  connected_.insert(peer);
  // What the broken connection swallowed is said again at once rather than at the next timer.
  if (role_ == ReplicaRole::kFollower && peer == leader_.id && session_.has_value()) {
    leader_gone_ = false;
    OpenSession();
  } else if (tally_.has_value() && !backing_off_) {
    AskForVotes();
  } else if (discovery_.has_value()) {
    discovery_->next_at = now_;
    Discover();
  } else if (role_ == ReplicaRole::kLeader && peer == kProbePeer) {
    if (change_.has_value()) change_->probe_resend_at = now_;
  } else if (role_ == ReplicaRole::kLeader && voter != nullptr && voter->key != config_.self) {
    raft::Progress& replica = replicas_.ForVoter(voter->key);
    if (!replica.begin_acknowledged) replica.begin_sent.reset();
    SendBeginEpoch();
  } else if (role_ == ReplicaRole::kResigned) {
    SendEndEpoch();
  }
}

void CoreImpl::PeerDisconnected(Instant now, NodeId peer) {
  if (!Begin(now)) return;
  // A connection that never stood says nothing about its other end.
  const bool stood = connected_.erase(peer) > 0;
  // We hung up ourselves, to connect to its new address.
  if (moved_.erase(peer) > 0) return;
  if (peers_.count(peer) > 0) unreachable_.insert(peer);
  if (stood && peer == leader_.id && leader_.id != config_.self.id) LeaderIsGone();
  // The candidate that has our vote: there is nobody to wait for any more.
  if (stood && peer == voted_for_.id && role_ == ReplicaRole::kUnattached && MayLead()) BecomeProspective();
  // It may have been the last one whose answer was still to come.
  if (role_ == ReplicaRole::kProspective) return CountPreVotes();
  if (role_ == ReplicaRole::kCandidate) CountVotes();
}

void CoreImpl::ElectionStateStored(Instant now, uint64_t sequence) {
  if (!Begin(now)) return;
  outbox_.Stored(sequence);
  disk_wait_.Stored(sequence);
  // M-01: our own vote counts like any other, once it is on disk.
  if (role_ == ReplicaRole::kCandidate && outbox_.IsStored(candidacy_store_)) {
    tally_->Record(config_.self, true);
    CountVotes();
  }
}

void CoreImpl::LogDurable(Instant now, Offset durable_end, uint64_t generation) {
  if (!Begin(now) || !log_.Durable(durable_end, generation)) return;
  disk_wait_.Durable(log_.durable_end());
  if (role_ == ReplicaRole::kLeader) AdvanceHighWatermark();
  // One message says both: this has arrived, and it is on disk.
  if (role_ == ReplicaRole::kFollower && session_.has_value() && !session_->reopen_at.has_value()) SendFetch();
}

void CoreImpl::Halt(absl::Status cause) {
  if (role_ == ReplicaRole::kHalted) return;
  const std::string why = absl::StrCat("this node stopped itself: ", cause.message());
  FailReads(Reason::kHalted, why);
  FailChange(Reason::kHalted, why);
  if (transfer_.has_value()) EndTransfer(MakeError(Reason::kHalted, Outcome::kUnknown, why));
  role_ = ReplicaRole::kHalted;
}

void CoreImpl::HaltWith(Reason reason, absl::string_view what) {
  if (role_ == ReplicaRole::kHalted) return;
  absl::Status cause = MakeError(reason, Outcome::kUnknown, what);
  effects_.halt = cause;
  Halt(std::move(cause));
}

Effects CoreImpl::TakeEffects() {
  if (role_ != ReplicaRole::kHalted) {
    StepVoterChange();
    StepTransfer();
    // Reads, pushes and peers are settled here and not in each event: what several events brought leaves together.
    RunReads();
    PushAll();
    UpdatePeers();
    effects_.log = log_.TakeOperations();
    effects_.send = outbox_.Take();
  } else {
    effects_.store.reset();
    effects_.read_log.clear();
    effects_.read_snapshot.clear();
    effects_.write_snapshot.reset();
    effects_.verify_snapshot.reset();
    effects_.install_snapshot.reset();
    effects_.abandon_snapshot = false;
  }
  effects_.log_generation = log_.generation();
  const bool knows_leader = role_ == ReplicaRole::kLeader || role_ == ReplicaRole::kFollower;
  const Seen seen{role_, epoch_, knows_leader ? leader_.id : kNoNode};
  effects_.leadership_changed = seen != seen_;
  seen_ = seen;
  return std::exchange(effects_, Effects());
}

void CoreImpl::UpdatePeers() {
  if (!std::exchange(peers_may_have_changed_, false)) return;
  UpdateWish();
  std::map<NodeId, Endpoint> wanted;
  const std::vector<Endpoint> own = EndpointsOf(config_.self.id);
  for (size_t i = 0; i < config_.bootstrap_servers.size(); ++i) {
    const Endpoint& server = config_.bootstrap_servers[i];
    const bool is_self = std::any_of(own.begin(), own.end(),
                                     [&](const Endpoint& e) { return e.host == server.host && e.port == server.port; });
    if (!is_self) wanted[NodeId(-2 - static_cast<int32_t>(i))] = server;
  }
  for (const Voter& voter : voters_in_force().voters()) {
    if (voter.key.id != config_.self.id && !voter.endpoints.empty()) wanted[voter.key.id] = voter.endpoints.front();
  }
  if (leader_.id != kNoNode && leader_.id != config_.self.id && !leader_.endpoints.empty()) {
    wanted[leader_.id] = leader_.endpoints.front();
  }
  if (change_.has_value() && change_->phase == PendingVoterChange::Phase::kProbing) {
    wanted[kProbePeer] = change_->change.voter.endpoints.front();
  }
  for (const auto& [id, endpoint] : wanted) {
    const auto known = peers_.find(id);
    if (known != peers_.end() && known->second == endpoint) continue;
    effects_.peers.push_back({id, endpoint});
    // A peer that moves isn't a peer that is lost: the end of the old connection must not cost its leadership.
    unreachable_.erase(id);
    if (connected_.erase(id) > 0) moved_.insert(id);
  }
  for (const auto& [id, endpoint] : peers_) {
    if (wanted.count(id) != 0) continue;
    effects_.peers.push_back({id, std::nullopt});
    connected_.erase(id);
    unreachable_.erase(id);
    moved_.erase(id);
  }
  peers_ = std::move(wanted);
}

LeaderInfo CoreImpl::leader() const { return LeaderForPeers(); }

bool CoreImpl::handing_over() const {
  return role_ == ReplicaRole::kResigned && resignation_->requested && !resignation_->untold.empty() &&
         now_ < resignation_->hand_over_until;
}

bool CoreImpl::MayLead() const {
  // M-12: an observer never stands, whoever asks it to. Nor does a voter with priority 0, or one that can't apply; but
  // alone it does nevertheless: there is nobody to leave it to.
  const bool able = !apply_stalled_ || voters_in_force().IsSoleVoter(config_.self);
  const bool may = config_.may_vote && config_.priority != kPriorityNever && able && CountsInQuorum();
  return (may || QUORATE_MUTANT("M-12")) && !shutting_down_;
}

bool CoreImpl::CountsInQuorum() const {
  if (is_voter()) return true;
  // Whoever isn't in its latest set, but was in the one before, may be needed to get the latest committed: it may be
  // the only one that has it (thesis section 4.2.2). It stands, and may lead, but doesn't count itself (M-07).
  const VoterSet* before = log_.voters_before(high_watermark_);
  return before != nullptr && before->Contains(config_.self);
}

std::vector<ReplicaKey> CoreImpl::OtherVoters() const {
  std::vector<ReplicaKey> keys;
  for (const Voter& voter : voters_in_force().voters()) {
    if (!voter.key.Matches(config_.self)) keys.push_back(voter.key);
  }
  return keys;
}

absl::Status CoreImpl::NotLeaderError() const {
  if (role_ == ReplicaRole::kHalted) {
    return MakeError(Reason::kHalted, Outcome::kNotApplied, "this node stopped itself; Describe() says why");
  }
  StatusDetail detail;
  detail.reason = Reason::kNotLeader;
  detail.outcome = Outcome::kNotApplied;
  const LeaderInfo known = leader();
  if (known.id == kNoNode) {
    return MakeError(detail, absl::StrCat("node ", config_.self.id.value(), " doesn't lead epoch ", epoch_.value(),
                                          " and knows nobody who does"));
  }
  detail.leader = LeaderHint{known.id, epoch_, known.endpoints.empty() ? Endpoint() : known.endpoints.front()};
  return MakeError(detail, absl::StrCat("node ", config_.self.id.value(), " doesn't lead epoch ", epoch_.value(),
                                        "; node ", known.id.value(), " does"));
}

std::vector<ReplicaProgress> CoreImpl::Progress() const {
  std::vector<ReplicaProgress> out;
  for (const auto& [key, replica] : replicas_.replicas()) {
    out.push_back({key, replica.durable_end(), replica.last_fetch, replica.last_caught_up});
  }
  return out;
}

}  // namespace quorate::raft
