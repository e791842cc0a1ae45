// Plots: several blows that only together bring about what is rare. Each is something that happens to real clusters;
// left to single faults it would take thousands of seeds.
#include <utility>

#include "testing/simulator/nemesis.h"

namespace quorate::testing::simulator {

bool Nemesis::DoPlot(const FaultAction& fault, int index) {
  Cluster::Node& node = cluster_->At(index);
  if (!node.up || node.process == nullptr || node.machine.paused()) return false;
  switch (fault.kind) {
    case FaultKind::kBlackout:
      return Blackout(fault, index);
    case FaultKind::kForsake:
      return Forsake(fault, index);
    case FaultKind::kFalseHistory:
      return TellFalseHistory(index);
    default:
      return false;
  }
}

void Nemesis::Isolate(int node, int64_t milliseconds) {
  for (int peer = 0; peer < cluster_->size(); ++peer) {
    CutFor(node, peer, milliseconds);
    CutFor(peer, node, milliseconds);
  }
}

// One node is cut off and falls behind. When it is back, the power goes everywhere else: those who come up again are
// the ones that have what is committed, and the one that hasn't is the first to ask for votes (M-08, M-10).
bool Nemesis::Blackout(const FaultAction& fault, int index) {
  Isolate(index, fault.a);
  After(fault.a, index, [this, index, down = fault.b] {
    for (int other = 0; other < cluster_->size(); ++other) {
      if (other == index) continue;
      const auto late = static_cast<int64_t>(random_.Below(static_cast<uint64_t>(plan_.config.election_timeout)));
      cluster_->Kill(other, Survival::kRandom, random_.Below(2) == 0, absl::Milliseconds(down + late));
    }
  });
  return true;
}

// A leader is cut off with clients that don't know it, and goes on appending what will never be committed. The others
// elect another one, take snapshots and trim their logs: what it comes back to is a snapshot that is shorter than its
// own log, and has other records (C-12).
bool Nemesis::Forsake(const FaultAction& fault, int index) {
  if (index != cluster_->ActingLeader()) return false;
  Isolate(index, fault.a);
  if (flood) flood(index, fault.b);
  for (const int64_t at : {fault.a / 2, fault.a * 2 / 3, fault.a * 5 / 6}) {
    After(at, index, [this, index] {
      for (int other = 0; other < cluster_->size(); ++other) {
        Cluster::Node& node = cluster_->At(other);
        if (other == index || !node.up || node.process == nullptr || node.machine.paused()) continue;
        node.process->TakeSnapshot([](absl::StatusOr<LogPosition>) {});
      }
    });
  }
  return true;
}

// F-N17, M-25: its leader says that their logs part below what is committed. That can't be, and the node stops.
bool Nemesis::TellFalseHistory(int index) {
  Cluster::Node& node = cluster_->At(index);
  const Replica& replica = cluster_->referee().At(index);
  const QuorumDescription now = node.process->Describe();
  const LogEntry* last = replica.log.Covering(replica.high_watermark - 1);
  if (now.role != ReplicaRole::kFollower || now.leader == kNoNode || last == nullptr) return false;
  FetchResponse lie;
  lie.epoch = now.epoch;
  lie.leader.id = now.leader;
  lie.session = replica.session;
  lie.diverging = LogPosition{last->epoch, last->base};
  Message message;
  message.cluster_id = now.cluster_id;
  message.from = cluster_->At(now.leader.value()).key;
  message.from_incarnation = IncarnationId(Uuid(1, 1));
  message.to = node.key;
  message.request_incarnation = replica.incarnation;
  message.request_id = replica.session;
  message.body = std::move(lie);
  node.excuse = "it was told of another history";
  cluster_->network().Inject(index, message);
  return true;
}

// ---- The leader's last word ----------------------------------------------------------------------------------

// A leader has just appended the record that lets another replica vote. That one doesn't get it; once it is
// committed nevertheless, the leader dies for good: the others need the vote of one that doesn't know that it has
// one (M-06).
void Nemesis::KeepFromNewcomer(int leader) {
  const Replica& replica = cluster_->referee().At(leader);
  if (plan_.config.minority_dead == 0 || replica.voter_records.size() < 2) return;
  const raft::VoterSet& before = replica.voter_records[replica.voter_records.size() - 2].second;
  for (const Voter& voter : replica.voters().voters()) {
    if (before.Contains(voter.key)) continue;
    CutFor(leader, voter.key.id.value(), plan_.config.fetch_timeout * 20);
    last_word_ = LastWord{leader, cluster_->At(leader).life, replica.voter_records.back().first};
    return;
  }
}

void Nemesis::DieAfterLastWord(int leader) {
  if (!last_word_.has_value() || last_word_->leader != leader) return;
  const LastWord word = *last_word_;
  if (cluster_->referee().At(leader).high_watermark <= word.record) return;
  last_word_.reset();
  After(0, leader, [this, leader, word] {
    const Cluster::Node& node = cluster_->At(leader);
    const Replica& replica = cluster_->referee().At(leader);
    const bool as_it_was = node.up && node.life == word.life && replica.voter_records.back().first == word.record;
    if (as_it_was && OthersAreEnough(leader)) cluster_->LoseForGood(leader, random_.Below(2) == 0);
  });
}

// Whether those that are left of the voters, when this one never comes back, can still elect a leader.
bool Nemesis::OthersAreEnough(int index) {
  const raft::VoterSet& voters = cluster_->referee().At(index).voters();
  size_t sound = 0;
  for (const Voter& voter : voters.voters()) {
    if (voter.key.id == NodeId(index)) continue;
    const Cluster::Node& node = cluster_->At(voter.key.id.value());
    sound += node.key == voter.key && !node.lost && !node.gone && node.priority != kPriorityNever ? 1 : 0;
  }
  return sound > voters.size() / 2;
}

}  // namespace quorate::testing::simulator
