// What a replica asks of the voter set for itself: to be found at its present address (KIP-853, UpdateRaftVoter), to be
// let in (KIP-1186), to take the place of the disk that it lost. The leader decides; see membership.cc.
//
// A replica that was removed wants nothing (M-36): else it would come back as soon as it is gone (KAFKA-19850). It
// knows of its removal from the voters record, and the leader knows, too.
#include <algorithm>
#include <utility>

#include "base/simulation.h"
#include "raft/core_impl.h"

namespace quorate::raft {

std::optional<VoterChange> CoreImpl::Wish() const {
  const VoterSet& voters = voters_in_force();
  if (!config_.may_vote || voters.empty()) return std::nullopt;
  VoterChange wish;
  wish.automatic = true;
  wish.voter = Voter{config_.self, config_.advertised_endpoints, config_.kraft_version_min, config_.kraft_version_max};
  if (const Voter* own = voters.Find(config_.self)) {
    wish.kind = VoterChange::Kind::kUpdate;
    if (wish.voter.endpoints.empty()) wish.voter.endpoints = own->endpoints;
    return wish.voter == *own ? std::nullopt : std::make_optional(std::move(wish));
  }
  if (!config_.auto_join || config_.advertised_endpoints.empty()) return std::nullopt;
  if (voters.WasRemoved(config_.self) && !QUORATE_MUTANT("M-36")) return std::nullopt;
  if (const Voter* other = voters.FindById(config_.self.id)) {
    // M-37: our id votes from another directory, which is gone, or we would not be here.
    wish.kind = VoterChange::Kind::kRemove;
    wish.voter = *other;
    return wish;
  }
  wish.kind = VoterChange::Kind::kAdd;
  return wish;
}

void CoreImpl::UpdateWish() {
  std::optional<VoterChange> wish = Wish();
  if (wish == wish_) return;
  wish_ = std::move(wish);
  wish_id_ = 0;
  wish_at_ = wish_.has_value() ? now_ + timing_.Resend() : Instant::Infinite();
}

void CoreImpl::SendWish() {
  if (wish_id_ == 0) wish_id_ = NewRequestId();
  wish_at_ = now_ + timing_.WishPeriod();
  AskLeader(wish_id_, VoterChangeRequest{.epoch = epoch_, .change = *wish_});
}

void CoreImpl::On(const Message& message, const VoterChangeResponse& response) {
  if (role_ != ReplicaRole::kFollower || message.from.id != leader_.id || message.request_id != wish_id_) return;
  if (!AcceptAnswer(message, response.epoch, response.leader)) return;
  // Granted: the record says so, and with it the wish is gone. Refused: that may change, but not this moment.
  wish_id_ = 0;
}

}  // namespace quorate::raft
