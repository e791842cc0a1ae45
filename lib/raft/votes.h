// The count of one election round.
//
// Pure bookkeeping over the voter set that was in force when the round began: who granted, who refused. An answer
// counts once per voter and never flips (M-04); answers of replicas outside the set count nothing (M-07, I-16).
// Only a grant is a grant: that an answer carried a higher epoch, or was an error, doesn't make it one (M-05).
#ifndef QUORATE_RAFT_VOTES_H_
#define QUORATE_RAFT_VOTES_H_

#include <cstddef>
#include <map>
#include <set>
#include <vector>

#include "quorate/types.h"
#include "raft/voter_set.h"

namespace quorate::raft {

class VoteTally {
 public:
  explicit VoteTally(const VoterSet& voters);

  // The answer of `voter`; ignored when it is no voter or has answered before.
  void Record(const ReplicaKey& voter, bool granted);

  // How many may answer.
  [[nodiscard]] size_t size() const { return answers_.size(); }
  // A majority granted.
  [[nodiscard]] bool Won() const;
  // So many refused that no majority can grant any more. Once somebody refused, whom we can't reach counts as
  // refusing, too: else two survivors that split the vote would both wait for the vote of the dead third.
  [[nodiscard]] bool Lost(const std::set<NodeId>& unreachable) const;
  // In key order.
  [[nodiscard]] std::vector<ReplicaKey> Granting() const;
  [[nodiscard]] std::vector<ReplicaKey> Unanswered() const;

 private:
  enum class Answer { kNone, kGranted, kRefused };
  [[nodiscard]] size_t Count(Answer answer) const;
  [[nodiscard]] std::vector<ReplicaKey> Keys(Answer answer) const;

  std::map<ReplicaKey, Answer> answers_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_VOTES_H_
