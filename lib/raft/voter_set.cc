#include "raft/voter_set.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::raft {

VoterSet::VoterSet(std::vector<Voter> voters, std::vector<ReplicaKey> removed)
    : voters_(std::move(voters)), removed_(std::move(removed)) {
  std::sort(voters_.begin(), voters_.end(), [](const Voter& a, const Voter& b) { return a.key < b.key; });
}

absl::Status VoterSet::Check(const std::vector<Voter>& voters) {
  const auto refuse = [](const std::string& why) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, absl::StrCat("not a voter set: ", why));
  };
  if (voters.size() > limits::kVotersMax) {
    return refuse(absl::StrCat(voters.size(), " voters, the limit is ", limits::kVotersMax));
  }
  std::set<NodeId> ids;
  for (const Voter& voter : voters) {
    if (voter.key.id < NodeId(0)) return refuse(absl::StrCat("voter id ", voter.key.id.value(), " is negative"));
    if (!ids.insert(voter.key.id).second)
      return refuse(absl::StrCat("voter ", voter.key.id.value(), " is in it twice"));
    if (voter.endpoints.size() > limits::kEndpointsMax) {
      return refuse(absl::StrCat("voter ", voter.key.id.value(), " has ", voter.endpoints.size(),
                                 " endpoints, the limit is ", limits::kEndpointsMax));
    }
  }
  return absl::OkStatus();
}

bool VoterSet::WasRemoved(const ReplicaKey& key) const {
  return std::find(removed_.begin(), removed_.end(), key) != removed_.end();
}

const Voter* VoterSet::Find(const ReplicaKey& key) const {
  const Voter* voter = FindById(key.id);
  return voter != nullptr && voter->key.Matches(key) ? voter : nullptr;
}

const Voter* VoterSet::FindById(NodeId id) const {
  for (const Voter& voter : voters_) {
    if (voter.key.id == id) return &voter;
  }
  return nullptr;
}

}  // namespace quorate::raft
