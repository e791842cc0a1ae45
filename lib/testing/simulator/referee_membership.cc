// The referee on who votes: I-14, I-15.
#include "absl/strings/str_cat.h"
#include "raft/control_records.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

// I-14, at the leader, who decides.
void Referee::NoteVoters(Replica* replica, const raft::Core& core, const Batch& batch) {
  auto sets = raft::VoterSetsIn(batch);
  if (!sets.ok()) return Fail("I-14", absl::StrCat("an unreadable control batch: ", sets.status().message()));
  for (auto& [offset, voters] : *sets) {
    if (core.role() == ReplicaRole::kLeader && batch.epoch() == core.epoch()) {
      const raft::VoterSet& before = replica->voters();
      const bool first = replica->voter_records.empty();
      // M-32. What founded the quorum, or took its voters into the log, came with the leader's own first record.
      if (!first && core.high_watermark() <= core.epoch_start() && batch.base_offset() > core.epoch_start()) {
        Fail("I-14", absl::StrCat("node ", replica->node, " appends a voters record at ", offset.value(),
                                  " before it has committed a record of its epoch, at ", core.epoch_start().value()));
      }
      if (!first && replica->voter_records.back().first >= core.high_watermark()) {
        Fail("I-14",
             absl::StrCat("node ", replica->node, " appends a voters record at ", offset.value(), " while the one at ",
                          replica->voter_records.back().first.value(), " isn't committed"));
      }
      int differ = 0;
      for (const Voter& voter : before.voters()) differ += voters.Contains(voter.key) ? 0 : 1;
      for (const Voter& voter : voters.voters()) differ += before.Contains(voter.key) ? 0 : 1;
      if (!first) CheckNewVoters(*replica, core, before, voters);
      if (differ > 1) {
        Fail("I-14", absl::StrCat("the voters record at ", offset.value(), " changes ", differ, " voters at once"));
      }
    }
    replica->voter_records.emplace_back(offset, voters);
  }
  if (sets->empty()) return;
  CheckMajoritiesIntersect();
  if (core.role() == ReplicaRole::kLeader && on_moment) on_moment(replica->node, Moment::kChangesVoters);
}

// I-14: who is let in has caught up (M-34), and wants it, or an operator does (M-36).
void Referee::CheckNewVoters(const Replica& leader, const raft::Core& core, const raft::VoterSet& before,
                             const raft::VoterSet& after) {
  for (const Voter& voter : after.voters()) {
    if (before.Contains(voter.key)) continue;
    const Replica* newcomer = Find(voter.key);
    if (newcomer == nullptr || newcomer->durable <= core.epoch_start()) {
      Fail("I-14", absl::StrCat("node ", leader.node, " lets replica ", voter.key.ToString(),
                                " vote, which has no record of this epoch on its disk"));
    }
    if (history_.WasRemoved(voter.key) && !asked_.contains(voter.key)) {
      Fail("I-14", absl::StrCat("node ", leader.node, " lets replica ", voter.key.ToString(),
                                " vote again, which was removed, and nobody asked for it"));
    }
  }
}

// I-15. A node can only decide if it could lead, and only one that has all that is committed can. Of those, any two
// configurations in force must share a voter in all their majorities.
void Referee::CheckMajoritiesIntersect() {
  std::vector<const Replica*> able;
  for (const auto& [key, replica] : replicas_) {
    if (!replica->alive || !replica->voters().Contains(key)) continue;
    if (history_.committed_end() == Offset(0) ||
        replica->log.ChainAt(history_.committed_end()) == history_.committed().back().entry.chain) {
      able.push_back(replica.get());
    }
  }
  for (size_t i = 0; i < able.size(); ++i) {
    for (size_t j = i + 1; j < able.size(); ++j) {
      const raft::VoterSet& a = able[i]->voters();
      const raft::VoterSet& b = able[j]->voters();
      size_t both = 0;
      for (const Voter& voter : a.voters()) both += b.Contains(voter.key) ? 1 : 0;
      const size_t all = a.size() + b.size() - both;
      if (a.size() / 2 + 1 + b.size() / 2 + 1 > all) continue;
      Fail("I-15", absl::StrCat("nodes ", able[i]->node, " and ", able[j]->node, " could decide at the same time: ",
                                a.size(), " voters there, ", b.size(), " here, ", both, " in both"));
    }
  }
}

// I-14: the set in force is the latest in the log.
void Referee::CheckVotersInForce(const Replica& replica, const raft::Core& core) {
  const std::vector<Voter>& used = core.voters();
  const std::vector<Voter>& right = replica.voters().voters();
  bool same = used.size() == right.size();
  for (size_t i = 0; same && i < used.size(); ++i) same = used[i].key == right[i].key;
  if (same) return;
  Fail("I-14", absl::StrCat("node ", replica.node, " uses a set of ", used.size(),
                            " voters, the latest in its log has ", right.size(), " or other ones"));
}

}  // namespace quorate::testing::simulator
