// PLACEHOLDER of the integration branch: "members" writes this.
#include "raft/core_impl.h"

namespace quorate::raft {

void CoreImpl::RequestVoterChange(Instant, uint64_t id, const VoterChange&, Instant, bool) {
  effects_.voter_changes.push_back({id, NotLeaderError()});
}
const std::vector<Voter>* CoreImpl::committed_voters() const { return nullptr; }
std::optional<PendingVoterChange> CoreImpl::voter_change() const { return std::nullopt; }
void CoreImpl::TransferLeadership(Instant, uint64_t id, std::optional<NodeId>, Instant) {
  effects_.transfers.push_back({id, NotLeaderError()});
}
void CoreImpl::SuspectLeader(Instant, NodeId) {}
bool CoreImpl::transferring() const { return false; }

}  // namespace quorate::raft
