// Following: fetch sessions from the other side, what is let into the log, and the search for a leader.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "raft/core_impl.h"

namespace quorate::raft {

void CoreImpl::On(const Message& message, const BeginEpochRequest& request) {
  const auto reply = [&](PeerError error) {
    Reply(message, BeginEpochResponse{.error = error, .epoch = epoch_, .leader = LeaderForPeers()});
  };
  if (request.epoch < Epoch(0)) return reply(PeerError::kInvalidRequest);
  if (request.epoch < epoch_) return reply(PeerError::kFencedEpoch);               // F-N07
  if (request.epoch == epoch_ && leader_deposed_) return reply(PeerError::kNone);  // sent before it stopped leading
  BecomeFollower(request.epoch, LeaderInfo{message.from.id, request.leader_endpoints});
  if (role_ == ReplicaRole::kHalted) return;
  HeardLeader();
  if (!message.to.Matches(config_.self)) return reply(PeerError::kWrongVoter);  // F-N10; after the transition (KIP-853)
  reply(PeerError::kNone);
  // It says so because it doesn't hear us: whatever we sent was lost.
  if (!session_.has_value()) return OpenSession();
  if (now_ - session_->last_sent >= timing_.RetryBackoff()) SendFetch();
}

// ---- The session ------------------------------------------------------------------------------------

void CoreImpl::OpenSession() {
  // What the last session acknowledged a moment ago may be cut by now, and leaves behind the cut.
  outbox_.WithdrawFetches();
  session_ = FetchSession{.id = NewRequestId(), .last_sent = now_, .reopen_at = std::nullopt};
  SendFetch();
}

void CoreImpl::SendFetch() {
  session_->last_sent = now_;
  session_->unacknowledged = 0;
  AskLeader(session_->id,
            FetchRequest{.epoch = epoch_,
                         .session = session_->id,
                         .fetch_offset = log_.end_offset(),
                         .last_fetched_epoch = log_.end().epoch,
                         .durable_end = QUORATE_MUTANT("M-13") ? log_.end_offset()
                                                               : log_.durable_end(),  // M-13: only what is on disk
                         .high_watermark = high_watermark_,
                         .credit_bytes = config_.fetch_credit_bytes,
                         .read_round = read_round_seen_,
                         .priority = Priority()});
}

void CoreImpl::HeardLeader() {
  leader_heard_ = now_;
  // A leader's requests come on its own connection, and may be read after ours to it broke though it died before. If it
  // lives, ours stands again in a moment.
  leader_gone_ = unreachable_.count(leader_.id) > 0;
  silence_.Heard(now_);
  fetch_deadline_ = now_ + (leader_gone_ ? timing_.Resend() : silence_.Timeout());
  if (QUORATE_BUGGIFY("early-fetch-timeout")) fetch_deadline_ = now_ + timing_.RetryBackoff();
  if (!leader_gone_) failed_rounds_ = 0;
}

void CoreImpl::LeaderIsGone() {
  leader_gone_ = true;
  if (role_ != ReplicaRole::kFollower) return;
  if (MayLead()) return BecomeProspective();
  BecomeUnattached(epoch_);
}

void CoreImpl::RunFollowerTimers() {
  if (now_ >= fetch_deadline_) {
    silent_leader_ = leader_.id;
    if (MayLead()) return BecomeProspective();
    return BecomeUnattached(epoch_);
  }
  if (now_ >= wish_at_) SendWish();
  if (!session_.has_value()) return;
  if (download_.has_value() && now_ >= download_->ask_at) AskForPiece();
  if (session_->reopen_at.has_value()) {
    if (now_ >= *session_->reopen_at) OpenSession();
  } else if (now_ - session_->last_sent >= timing_.KeepAlive() || QUORATE_BUGGIFY("needless-fetch")) {
    // Nothing new to acknowledge: this asks for a sign of life, and repeats what may have been lost.
    SendFetch();
  }
}

void CoreImpl::On(const Message& message, const FetchResponse& response) {
  const bool discovers = discovery_.has_value() && message.request_id >= discovery_->first_request_id;
  // M-17: a session ends with every truncation and role change, and its answers with it.
  const bool current = session_.has_value() && (response.session == session_->id || QUORATE_MUTANT("M-17"));
  const bool in_session = current && message.from.id == leader_.id;
  if (!discovers && !in_session) {
    QUORATE_MARK("C-09");
    return;
  }
  const uint64_t session = in_session ? session_->id : 0;
  if (discovers && response.leader.id == kNoNode) HeardOfNoLeader(message.from);
  if (!AcceptAnswer(message, response.epoch, response.leader)) return;
  if (!session_.has_value() || session_->id != session) return;

  switch (response.error) {
    case PeerError::kNone:
      HeardLeader();
      session_->heard = true;
      return OnSessionPush(response);
    case PeerError::kFencedReplica:
      return HaltWith(Reason::kCorruption,
                      absl::StrCat("the leader of epoch ", epoch_.value(),
                                   " fenced this replica: its log is durable up to ", log_.durable_end().value(),
                                   ", less than it acknowledged before; the disk lost data or "
                                   "an old copy was restored. Format the directory anew and join as a new replica"));
    case PeerError::kNotLeader:
    case PeerError::kShuttingDown:
      // It says itself that it doesn't lead: waiting for its silence would be a waste.
      leader_deposed_ = true;
      return LeaderIsGone();
    default:
      session_->reopen_at = now_ + timing_.RetryBackoff();
      return;
  }
}

void CoreImpl::OnSessionPush(const FetchResponse& response) {
  if (QUORATE_MUTANT("M-18")) RaiseHighWatermark(response.high_watermark);
  if (response.diverging.has_value()) return TruncateTo(*response.diverging);
  if (response.snapshot.has_value()) return OnSnapshotOffered(*response.snapshot);
  if (response.base_offset > log_.end_offset()) return OpenSession();  // a push was lost on the way
  if (!AppendFetched(response)) {
    if (role_ == ReplicaRole::kFollower) session_->reopen_at = now_ + timing_.RetryBackoff();
    return;
  }
  RaiseHighWatermark(response.high_watermark);
  if (!response.batches.empty()) ForgetDownload();
  // Everything else is acknowledged when it is durable. At once only what somebody waits for: a read round, or
  // the leader, when the credit is half used up before the disk has answered.
  const bool new_round = response.read_round > read_round_seen_;
  read_round_seen_ = std::max(read_round_seen_, response.read_round);
  if (new_round || session_->unacknowledged > config_.fetch_credit_bytes / 2) SendFetch();
}

bool CoreImpl::AppendFetched(const FetchResponse& response) {
  for (const Batch& batch : response.batches) {
    if (batch.end_offset() <= log_.end_offset()) {  // a repeated push
      if (ConflictsBelowHighWatermark(batch)) return false;
      continue;
    }
    // M-16: nothing of a later epoch than the one we fetch in: the sender may have lost its place meanwhile.
    if (batch.epoch() > response.epoch && !QUORATE_MUTANT("M-16")) {
      QUORATE_MARK("C-08");
      return false;
    }
    if (batch.header().cluster_hash != config_.cluster_id.value().low() && !QUORATE_MUTANT("M-38")) return false;
    const size_t bytes = batch.size();
    if (batch.kind() == BatchKind::kControl) peers_may_have_changed_ = true;
    // Contiguous, epochs don't fall, control records can be read.
    if (const absl::Status appended = log_.Append(batch); !appended.ok()) {
      RefuseFetched(appended);
      return false;
    }
    disk_wait_.Appended(now_, log_.end_offset());
    session_->unacknowledged += bytes;
  }
  return true;
}

void CoreImpl::RefuseFetched(const absl::Status& why) {
  // Asked for again, what is damaged may come whole. What this build doesn't know stays unknown: to ask on would be to
  // stand still without a word, and to skip it is to have another voter set than the others (F-P12).
  if (ReasonOf(why) != Reason::kUnsupportedVersion) return;
  HaltWith(Reason::kUnsupportedVersion, absl::StrCat("node ", leader_.id.value(), ", leader of epoch ", epoch_.value(),
                                                     ", sent what this build can't read: ", why.message()));
}

bool CoreImpl::ConflictsBelowHighWatermark(const Batch& batch) {
  if (batch.base_offset() < log_.start().end || batch.base_offset() >= high_watermark_) return false;
  const Epoch ours = log_.epochs().EpochAt(batch.base_offset());
  if (ours == batch.epoch() || QUORATE_MUTANT("M-25")) return false;
  HaltWith(Reason::kCorruption, absl::StrCat("committed offset ", batch.base_offset().value(), " has epoch ",
                                             ours.value(), " here and epoch ", batch.epoch().value(), " at node ",
                                             leader_.id.value(), "; committed records never change"));
  return true;
}

void CoreImpl::RaiseHighWatermark(Offset leader_high_watermark) {
  // M-18: never over what was validated against this leader, and all of our log was: its session is open.
  const Offset reached = std::min(leader_high_watermark, log_.end_offset());
  if (reached <= high_watermark_) return;
  high_watermark_ = reached;
  effects_.high_watermark = high_watermark_;
}

void CoreImpl::TruncateTo(const LogPosition& diverging) {
  const LogPosition ours = log_.epochs().EndOffsetFor(diverging.epoch, log_.end_offset());
  const Offset new_end = ours.epoch == diverging.epoch ? std::min(ours.end, diverging.end) : ours.end;
  const bool sane = diverging.epoch >= Epoch(0) && diverging.end >= Offset(0) && new_end < log_.end_offset();
  if (!sane) {
    session_->reopen_at = now_ + timing_.RetryBackoff();
    return;
  }
  if (new_end < high_watermark_ && !QUORATE_MUTANT("M-25")) {
    // M-19, M-25: a leader that lacks committed records was not elected by the rules.
    return HaltWith(
        Reason::kCorruption,
        absl::StrCat("node ", leader_.id.value(), ", leader of epoch ", epoch_.value(),
                     ", has a log that parts from this one at offset ", new_end.value(), ", below the high watermark ",
                     high_watermark_.value(), "; committed records are never truncated"));
  }
  if (log_.epochs().EpochAt(new_end) != log_.end().epoch) QUORATE_MARK("C-07");
  log_.TruncateTo(new_end);
  disk_wait_.Truncated(new_end, log_.durable_end());
  peers_may_have_changed_ = true;
  OpenSession();
}

// ---- Looking for the leader -------------------------------------------------------------------------

// A node that has just been started need not wait for the silence of a leader of whom a majority knows nothing: the
// quorum is new, or was started as a whole. It stands after a moment, in which the others may do so. Only a pre-vote
// depends on it, which disturbs nobody should there be a leader after all (M-08).
void CoreImpl::HeardOfNoLeader(const ReplicaKey& from) {
  if (!leaderless_.has_value()) return;
  leaderless_->Record(from, true);
  if (!leaderless_->Won() || !MayLead()) return;
  leaderless_.reset();
  election_deadline_ = std::min(election_deadline_, now_ + timing_.Stagger(round_trip_));
}

void CoreImpl::Discover() {
  std::vector<ReplicaKey> targets = OtherVoters();
  // Who led when this node stopped is asked first.
  std::stable_partition(targets.begin(), targets.end(), [&](const ReplicaKey& k) { return k.id == leader_hint_; });
  for (const auto& [id, endpoint] : peers_) {
    if (id < kNoNode && id != kProbePeer) targets.push_back({id, DirectoryId()});
  }
  if (targets.empty()) {
    discovery_->next_at = Instant::Infinite();
    return;
  }
  const ReplicaKey target = targets[discovery_->asked % targets.size()];
  const uint64_t rounds = discovery_->asked / targets.size();
  ++discovery_->asked;
  discovery_->next_at = now_ + timing_.Discovery(rounds);
  const uint64_t id = NewRequestId();
  // Without credit: should this be the leader, we first become its follower and then ask for data.
  SendRequest(target, id,
              FetchRequest{.epoch = epoch_,
                           .session = id,
                           .fetch_offset = log_.end_offset(),
                           .last_fetched_epoch = log_.end().epoch,
                           .durable_end = log_.durable_end(),
                           .high_watermark = high_watermark_,
                           .credit_bytes = 0,
                           .read_round = 0,
                           .priority = Priority()});
}

}  // namespace quorate::raft
