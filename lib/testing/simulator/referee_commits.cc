// The referee on commits: I-07 to I-10.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

void Referee::CheckHighWatermark(Replica* replica, const raft::Core& core) {
  const Offset high = core.high_watermark();
  const Offset before = replica->high_watermark;
  if (high < before || high > core.log_end().end) {
    return Fail("I-10", absl::StrCat("the high watermark of node ", replica->node, " moves from ", before.value(),
                                     " to ", high.value(), ", its log ends at ", core.log_end().end.value()));
  }
  replica->high_watermark = high;
  // A leader that commits its own removal is one no more when the step is over (M-35).
  const bool led = replica->role == ReplicaRole::kLeader && core.epoch() == replica->leads;
  if (core.role() == ReplicaRole::kLeader || led) {
    CheckBacking(*replica, high);
    if (core.epoch() == newest_epoch() && high < history_.committed_end()) {
      Fail("I-10", absl::StrCat("leader ", replica->node, " of the newest epoch moves the high watermark to ",
                                high.value(), "; it had been ", history_.committed_end().value()));
    }
  } else if (high > history_.committed_end()) {
    return Fail("I-08", absl::StrCat("node ", replica->node, " takes its log for committed up to offset ", high.value(),
                                     "; no leader committed more than ", history_.committed_end().value()));
  }
  const std::vector<LogEntry>& entries = replica->log.entries();
  for (size_t i = replica->log.IndexOf(std::max(before, replica->log.start())); i < entries.size(); ++i) {
    if (entries[i].end > high) break;
    if (auto wrong = history_.Commit(entries[i], core.epoch())) {
      return Fail("I-07", absl::StrCat("on node ", replica->node, ": ", *wrong));
    }
  }
  if (core.role() == ReplicaRole::kLeader && on_moment) on_moment(replica->node, Moment::kCommits);
}

// I-08, I-09, I-16: on the disks of a majority of the voters in force, by a record of the leader's own epoch.
void Referee::CheckBacking(const Replica& replica, Offset high) {
  const LogEntry* last = replica.log.Covering(high - 1);
  // A log that begins at the high watermark, after a snapshot, commits nothing new.
  if (last == nullptr) return;
  if (history_.IsCommitted(*last)) return;
  if (last->epoch != *replica.leads) {
    Fail("I-09", absl::StrCat("leader ", replica.node, " of epoch ", replica.leads->value(), " commits up to offset ",
                              high.value(), ", a record of epoch ", last->epoch.value()));
  }
  size_t backing = 0;
  for (const Voter& voter : replica.voters().voters()) {
    const Replica* holder = Find(voter.key);
    if (holder == nullptr || holder->durable < high) continue;
    const LogEntry* copy = holder->log.Covering(high - 1);
    backing += copy != nullptr && copy->chain == last->chain ? 1 : 0;
  }
  if (backing > replica.voters().size() / 2) return;
  Fail("I-08", absl::StrCat("leader ", replica.node, " commits up to offset ", high.value(),
                            ", which is on the disks of ", backing, " of ", replica.voters().size(), " voters"));
}

bool Referee::HoldsCommitted(const Replica& replica) const {
  if (history_.committed().empty()) return true;
  const LogEntry& last = history_.committed().back().entry;
  return replica.durable >= last.end &&
         (replica.log.start() >= last.end || replica.log.ChainAt(last.end) == last.chain);
}

bool Referee::CommittedIsSafeWithout(const std::set<ReplicaKey>& without) const {
  bool judged = false;
  for (const auto& [key, judge] : replicas_) {
    if (without.contains(key) || judge->voters().empty() || !HoldsCommitted(*judge)) continue;
    judged = true;
    size_t holding = 0;
    for (const Voter& voter : judge->voters().voters()) {
      if (without.contains(voter.key)) continue;
      for (const auto& [other, replica] : replicas_) {
        holding += other.Matches(voter.key) && HoldsCommitted(*replica) ? 1 : 0;
      }
    }
    if (holding <= judge->voters().size() / 2) return false;
  }
  return judged;
}

}  // namespace quorate::testing::simulator
