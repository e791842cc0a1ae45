#include "raft/votes.h"

#include "raft/quorum.h"

namespace quorate::raft {

VoteTally::VoteTally(const VoterSet& voters) {
  for (const Voter& voter : voters.voters()) answers_.emplace(voter.key, Answer::kNone);
}

void VoteTally::Record(const ReplicaKey& voter, bool granted) {
  for (auto& [key, answer] : answers_) {
    if (!key.Matches(voter)) continue;
    if (answer == Answer::kNone) answer = granted ? Answer::kGranted : Answer::kRefused;
    return;
  }
}

bool VoteTally::Won() const { return Count(Answer::kGranted) >= MajorityOf(answers_.size()); }

bool VoteTally::Lost(const std::set<NodeId>& unreachable) const {
  size_t against = Count(Answer::kRefused);
  if (against == 0) return false;
  for (const ReplicaKey& voter : Unanswered()) against += unreachable.count(voter.id);
  return answers_.size() - against < MajorityOf(answers_.size());
}

std::vector<ReplicaKey> VoteTally::Granting() const { return Keys(Answer::kGranted); }
std::vector<ReplicaKey> VoteTally::Unanswered() const { return Keys(Answer::kNone); }

size_t VoteTally::Count(Answer answer) const {
  size_t count = 0;
  for (const auto& entry : answers_) count += entry.second == answer ? 1 : 0;
  return count;
}

std::vector<ReplicaKey> VoteTally::Keys(Answer answer) const {
  std::vector<ReplicaKey> keys;
  for (const auto& entry : answers_) {
    if (entry.second == answer) keys.push_back(entry.first);
  }
  return keys;
}

}  // namespace quorate::raft
