// Linearizable reads without log entries (thesis section 6.4): a read may be answered from the high watermark of its
// arrival, once a majority has confirmed *after* its arrival that this node still leads.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "raft/core_impl.h"
#include "raft/quorum.h"

namespace quorate::raft {

void CoreImpl::RequestRead(Instant now, uint64_t id) {
  Begin(now);
  const PendingRead read{.id = id, .asker = std::nullopt};
  const auto refuse = [&](Reason reason, absl::string_view why) {
    Answer(read, MakeError(reason, Outcome::kNotApplied, why));
  };
  if (role_ == ReplicaRole::kHalted) return refuse(Reason::kHalted, "this node stopped itself; Describe() says why");
  // M-29: the same gate as for writes. A node that hands over or looks for a leader serves no reads.
  if (QUORATE_MUTANT("M-29") && role_ == ReplicaRole::kResigned) return Answer(read, high_watermark_);
  if (role_ != ReplicaRole::kLeader && role_ != ReplicaRole::kFollower) {
    return refuse(Reason::kNoLeader, absl::StrCat("no leader is known in epoch ", epoch_.value()));
  }
  if (!reads_.Add(read)) {
    refuse(Reason::kOverloaded, "too many reads wait for their quorum round (limits::kPendingReadsMax)");
  }
}

void CoreImpl::CancelRead(uint64_t id) { reads_.Cancel(id); }

void CoreImpl::RunReads() {
  if (role_ == ReplicaRole::kLeader) {
    if (transferring()) return;  // M-29: like writes; the reads wait for how it ends
    FinishLeaderRound();
    StartLeaderRound();
    FinishLeaderRound();  // a sole voter is its own majority
  } else if (role_ == ReplicaRole::kFollower) {
    ForwardReads();
  }
}

void CoreImpl::StartLeaderRound() {
  // M-27: before a record of this epoch is committed the high watermark may lie behind what the last leader committed.
  if (high_watermark_ <= epoch_start_ && !QUORATE_MUTANT("M-27")) {
    if (reads_.has_waiting()) QUORATE_MARK("C-21");
    return;
  }
  if (!reads_.has_waiting() || reads_.round_runs()) return;  // M-28: never join a round that runs
  reads_.BeginRound();
  running_read_round_ = ++read_round_;
  read_round_offset_ = high_watermark_;
  push_needed_ = true;
}

void CoreImpl::FinishLeaderRound() {
  if (!reads_.round_runs()) return;
  std::vector<uint64_t> rounds;
  for (const Voter& voter : voters_in_force().voters()) {
    const raft::Progress* replica = replicas_.Find(voter.key);
    if (voter.key.Matches(config_.self)) {
      rounds.push_back(read_round_);
    } else {
      rounds.push_back(replica == nullptr || replica->fenced() ? 0 : replica->read_round());
    }
  }
  if (ReachedByMajority(std::move(rounds), uint64_t{0}) < running_read_round_) return;
  for (const PendingRead& read : reads_.EndRound()) Answer(read, read_round_offset_);
}

void CoreImpl::ForwardReads() {
  const bool lost = reads_.round_runs() && now_ >= forward_resend_at_;
  if (!lost && (reads_.round_runs() || !reads_.has_waiting())) return;
  if (lost) QUORATE_MARK("C-22");
  if (!lost) {
    reads_.BeginRound();
    forward_id_ = NewRequestId();
    forward_floor_ = high_watermark_;
  }
  forward_resend_at_ = now_ + timing_.Resend();
  AskLeader(forward_id_, ReadRequest{.epoch = epoch_, .read_id = forward_id_});
}

void CoreImpl::On(const Message& message, const ReadRequest& request) {
  if (const PeerError error = LeaderCheck(request.epoch); error != PeerError::kNone) {
    Reply(message, ReadResponse{error, epoch_, LeaderForPeers(), request.read_id, Offset()});
    return;
  }
  // Over the bound it is dropped: the asker asks again until its caller's deadline.
  reads_.Add(
      {.id = request.read_id, .asker = PendingRead::Asker{message.from, message.from_incarnation, message.request_id}});
}

void CoreImpl::On(const Message& message, const ReadResponse& response) {
  const bool ours = role_ == ReplicaRole::kFollower && reads_.round_runs() && message.from.id == leader_.id &&
                    message.request_id == forward_id_ && response.read_id == forward_id_;
  if (!ours || !AcceptAnswer(message, response.epoch, response.leader)) return;
  if (response.error == PeerError::kNone) {
    // F-N17: what was committed here when it was asked was so there, too. It is asked again.
    if (response.read_offset < forward_floor_) return;
    for (const PendingRead& read : reads_.EndRound()) Answer(read, response.read_offset);
  } else if (response.error == PeerError::kNotLeader || response.error == PeerError::kShuttingDown) {
    LeaderIsGone();
  }
}

void CoreImpl::Answer(const PendingRead& read, absl::StatusOr<Offset> offset) {
  if (!read.asker.has_value()) {
    effects_.reads.push_back({read.id, std::move(offset)});
    return;
  }
  outbox_.Send(Message{.cluster_id = config_.cluster_id,
                       .from = config_.self,
                       .from_incarnation = config_.incarnation,
                       .to = read.asker->key,
                       .request_incarnation = read.asker->incarnation,
                       .request_id = read.asker->request_id,
                       .body = ReadResponse{.error = offset.ok() ? PeerError::kNone : PeerError::kNotLeader,
                                            .epoch = epoch_,
                                            .leader = LeaderForPeers(),
                                            .read_id = read.id,
                                            .read_offset = offset.value_or(Offset())}});
}

void CoreImpl::FailReads(Reason reason, absl::string_view why) {
  for (const PendingRead& read : reads_.TakeAll()) Answer(read, MakeError(reason, Outcome::kNotApplied, why));
}

}  // namespace quorate::raft
