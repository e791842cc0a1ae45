// A replica whose state machine is stuck (F-H02): it replicates like any other, and is of no use as a leader, because
// what it commits nobody gets an answer to. docs/elections.md tells the story.
//
// While it is stuck it behaves as a voter with priority 0: it votes and stores, and doesn't stand for election, isn't
// named as a successor, and isn't transferred to. Its leader learns that with the priority in its fetches. A leader
// hands over as on request (transfer.cc): to a voter that isn't stuck and has, or soon has, everything that is
// committed. It doesn't just resign: a successor that lacks records can't win, and if none can stand there is no leader
// at all, where before there was one that at least committed. For the same reason it leads on while there is nobody to
// hand over to: a record that gets every state machine stuck must not cost the quorum its leader as well.
//
// Nor does it go at once. A record that gets state machines stuck gets all of them stuck, the leader's a moment before
// the others'; to hand over to one that is about to find out the same could leave everybody unwilling. So the leader
// first waits until the others have had time to say so.
//
// So leadership doesn't go back and forth: whoever was found stuck takes it again only when it applies again.
#include <algorithm>
#include <optional>
#include <tuple>

#include "raft/core_impl.h"

namespace quorate::raft {

void CoreImpl::ApplyStalled(Instant now, bool stalled) {
  if (!Begin(now) || stalled == apply_stalled_) return;
  apply_stalled_ = stalled;
  relief_at_ = stalled ? now_ + timing_.Relief() : Instant::Infinite();
  switch (role_) {
    case ReplicaRole::kProspective:
    case ReplicaRole::kCandidate:
      if (!MayLead()) BecomeUnattached(epoch_);
      return;
    case ReplicaRole::kUnattached:
      if (!MayLead()) {
        election_deadline_ = Instant::Infinite();
      } else if (election_deadline_.is_infinite()) {
        election_deadline_ = now_ + timing_.Election();
      }
      return;
    case ReplicaRole::kFollower:
      // The leader counts on us as a successor, or doesn't, from what our fetches say.
      if (session_.has_value() && !session_->reopen_at.has_value()) SendFetch();
      return;
    case ReplicaRole::kLeader:
    case ReplicaRole::kResigned:
    case ReplicaRole::kHalted:
      return;
  }
}

uint8_t CoreImpl::Priority() const { return apply_stalled_ ? kPriorityNever : config_.priority; }

void CoreImpl::SeekRelief() {
  relief_at_ = now_ + timing_.Relief();
  if (transfer_.has_value()) return;  // somebody asked for one
  const std::optional<ReplicaKey> target = Relief();
  if (target.has_value()) BeginTransfer(kNobodyAsked, *target, /*named=*/false, now_ + timing_.PeerChange());
}

std::optional<ReplicaKey> CoreImpl::Relief() const {
  using Rank = std::tuple<bool, uint8_t, Offset>;
  std::optional<std::pair<Rank, ReplicaKey>> best;
  for (const ReplicaKey& key : OtherVoters()) {
    const raft::Progress* replica = replicas_.Find(key);
    if (!FetchedLately(key) || replica->priority == kPriorityNever) continue;
    // Who has what is committed goes before who would be preferred if it had.
    const Rank rank(replica->durable_end() >= high_watermark_, replica->priority, replica->durable_end());
    if (!best.has_value() || rank > best->first) best = {rank, key};
  }
  if (!best.has_value()) return std::nullopt;
  return best->second;
}

}  // namespace quorate::raft
