// Who votes: one configuration of the quorum, sorted by replica key, so that whoever iterates it does so in the
// same order everywhere (determinism), and each node id at most once (M-37).
//
// It also remembers who was removed (M-36): a removed replica that still runs must not let itself in again. That is
// part of the configuration and not of a table of its own, so that it is replicated, rolled back and put into snapshots
// with it.
//
// Membership is by replica key, not by node id: a replaced disk is a different voter (KIP-853). A directory
// id that is not recorded, on either side, matches any.
#ifndef QUORATE_RAFT_VOTER_SET_H_
#define QUORATE_RAFT_VOTER_SET_H_

#include <vector>

#include "absl/status/status.h"
#include "quorate/types.h"

namespace quorate::raft {

// Immutable value.
class VoterSet {
 public:
  VoterSet() = default;
  // Sorts. A set that Check refuses must not get here.
  explicit VoterSet(std::vector<Voter> voters, std::vector<ReplicaKey> removed = {});

  // Ids are unique and not negative, counts are within limits.h.
  static absl::Status Check(const std::vector<Voter>& voters);

  [[nodiscard]] const std::vector<Voter>& voters() const { return voters_; }
  // The oldest first; at most limits::kRemovedVotersMax.
  [[nodiscard]] const std::vector<ReplicaKey>& removed() const { return removed_; }
  // Exactly this replica, on this directory, was removed and not added since.
  [[nodiscard]] bool WasRemoved(const ReplicaKey& key) const;
  [[nodiscard]] size_t size() const { return voters_.size(); }
  [[nodiscard]] bool empty() const { return voters_.empty(); }
  // The voter that `key` names, or null.
  [[nodiscard]] const Voter* Find(const ReplicaKey& key) const;
  [[nodiscard]] const Voter* FindById(NodeId id) const;
  [[nodiscard]] bool Contains(const ReplicaKey& key) const { return Find(key) != nullptr; }
  [[nodiscard]] bool IsSoleVoter(const ReplicaKey& key) const { return size() == 1 && Contains(key); }

  friend bool operator==(const VoterSet&, const VoterSet&) = default;

 private:
  std::vector<Voter> voters_;
  std::vector<ReplicaKey> removed_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_VOTER_SET_H_
