// What the nemesis asks of the quorum itself, and the strikes that wait for a moment in it.
#include <utility>

#include "testing/simulator/nemesis.h"

namespace quorate::testing::simulator {

// ---- The quorum's own calls ---------------------------------------------------------------------------------

bool Nemesis::DoToQuorum(const FaultAction& fault, int index) {
  Cluster::Node& node = cluster_->At(index);
  // Nobody calls a process that is stopped: whoever would is a thread of it.
  if (!node.up || node.process == nullptr || node.machine.paused()) return false;
  switch (fault.kind) {
    case FaultKind::kSnapshot:
      node.process->TakeSnapshot([](absl::StatusOr<LogPosition>) {});
      return true;
    case FaultKind::kTransfer: {
      std::optional<NodeId> to;
      if (fault.b % 2 == 0) to = NodeId(static_cast<int32_t>(fault.b));
      node.process->TransferLeadership(to, node.timeouts.fetch * 2, [](absl::Status) {});
      return true;
    }
    case FaultKind::kSuspect:
      node.process->SuspectLeader(node.state->leadership().leader);
      return true;
    case FaultKind::kAddVoter:
    case FaultKind::kRemoveVoter:
      if (fault.b != 0) (void)ChangeVoters(FaultKind::kAddVoter, (index + 1) % cluster_->size());
      return ChangeVoters(fault.kind, index);
    case FaultKind::kFalseLeader:
      return ClaimLeadership(index);
    case FaultKind::kStranger:
      return LetAStrangerCome(fault);
    default:
      return false;
  }
}

// F-N17, M-25: a second leader in its epoch can't be; a node that is told of one stops.
bool Nemesis::ClaimLeadership(int index) {
  Cluster::Node& node = cluster_->At(index);
  const QuorumDescription now = node.process->Describe();
  if (now.role != ReplicaRole::kFollower || now.leader == kNoNode || node.machine.paused()) return false;
  for (int other = 0; other < cluster_->size(); ++other) {
    const Cluster::Node& liar = cluster_->At(other);
    if (other == index || liar.key.id == now.leader) continue;
    Message lie;
    lie.cluster_id = now.cluster_id;
    lie.from = liar.key;
    lie.from_incarnation = lie.request_incarnation = IncarnationId(Uuid(1, 1));
    lie.to = node.key;
    lie.request_id = 1;
    lie.body = BeginEpochRequest{now.epoch, {liar.endpoint}};
    node.excuse = "it was told of two leaders in one epoch";
    cluster_->network().Inject(index, lie);
    return true;
  }
  return false;
}

// F-N09, M-38
bool Nemesis::LetAStrangerCome(const FaultAction& fault) {
  if (stranger_ != nullptr) return false;
  stranger_ = std::make_unique<Stranger>(cluster_, plan_.seed);
  // So late that any log here would lose against its log.
  const Epoch epoch = cluster_->referee().newest_epoch() + static_cast<int32_t>(1 + random_.Below(50));
  if (!stranger_->Start(epoch)) {
    cluster_->referee().Fail("I-28", "the node of another cluster can't be started on a disk of its own");
    return false;
  }
  After(fault.a, Scheduler::kNobody, [this] { stranger_.reset(); });
  const int leader = cluster_->ActingLeader();
  if (fault.b == 0 || leader < 0 || plan_.config.dynamic_voters == 0) return true;
  VoterChangeOptions options;
  options.timeout = cluster_->At(leader).timeouts.fetch * 5;
  QuorumNode* const process = cluster_->At(leader).process.get();
  if (process != nullptr && !cluster_->At(leader).machine.paused()) {
    process->AddVoter(stranger_->AsVoter(), options, [](absl::Status) {});
  }
  return true;
}

// Whether those that would be left include a majority whose disks are still what they were. The leader looks at who
// fetches; that a machine which is down will never come back it can't know, but its operator does.
bool Nemesis::CanDoWithout(int index, int leader) {
  size_t left = 0;
  size_t sound = 0;
  for (const Voter& voter : cluster_->referee().At(leader).voters().voters()) {
    if (voter.key.id == NodeId(index)) continue;
    const Cluster::Node& node = cluster_->At(voter.key.id.value());
    ++left;
    // One that never leads may end up with the longest log, and then nobody would.
    sound += node.key == voter.key && !node.lost && !node.gone && node.priority != kPriorityNever ? 1 : 0;
  }
  return sound > left / 2;
}

bool Nemesis::ChangeVoters(FaultKind kind, int index) {
  // Whoever acts as one, also before it may: it has to refuse then (M-32).
  const int leader = cluster_->ActingLeader();
  if (leader < 0 || plan_.config.dynamic_voters == 0 || cluster_->At(leader).process == nullptr ||
      cluster_->At(leader).machine.paused()) {
    return false;
  }
  Cluster::Node& node = cluster_->At(index);
  VoterChangeOptions options;
  options.timeout = node.timeouts.fetch * 5;
  if (kind == FaultKind::kAddVoter) {
    cluster_->referee().Asked(node.key);
    cluster_->At(leader).process->AddVoter({node.key, {node.endpoint}, 0, 1}, options, [](absl::Status) {});
  } else if (removals_ == 0 && CanDoWithout(index, leader)) {
    // As the set has it: its disk may be another one by now.
    for (const Voter& voter : cluster_->referee().At(leader).voters().voters()) {
      if (voter.key.id != node.key.id) continue;
      // One at a time: whether the rest can do without two was not asked.
      ++removals_;
      cluster_->At(leader).process->RemoveVoter(voter.key, options, [this](absl::Status) { --removals_; });
    }
  }
  return true;
}

// ---- Strikes -------------------------------------------------------------------------------------------------

// Called from inside of the core's driver: what hurts comes with the next event, at the same moment of time.
void Nemesis::OnMoment(int index, Moment moment) {
  if (ended_) return;
  if (moment == Moment::kCommits) DieAfterLastWord(index);
  for (Strike& strike : strikes_) {
    if (!strike.armed || strike.moment != moment) continue;
    if (strike.node >= 0 ? strike.node != index : false) continue;
    strike.armed = false;
    StrikeNow(index, strike.blow);
  }
  std::erase_if(strikes_, [](const Strike& strike) { return !strike.armed; });
}

void Nemesis::StrikeNow(int index, Blow blow) {
  // The disk and the network take nothing more of this very step for a power loss; the rest falls right after it.
  if (blow == Blow::kPowerLoss && random_.Below(2) == 0) {
    const bool announced = random_.Below(2) == 0;
    return cluster_->Kill(index, Survival::kRandom, announced,
                          absl::Milliseconds(1 + static_cast<int64_t>(random_.Below(500))));
  }
  if (blow == Blow::kLastWord) return KeepFromNewcomer(index);
  After(0, index, [this, index, blow] {
    const auto length = static_cast<int64_t>(1 + random_.Below(static_cast<uint64_t>(plan_.config.fetch_timeout) * 4));
    switch (blow) {
      case Blow::kChangeVoters: {
        const int first = static_cast<int>(random_.Below(static_cast<uint64_t>(cluster_->size())));
        (void)ChangeVoters(FaultKind::kAddVoter, first);
        (void)ChangeVoters(FaultKind::kRemoveVoter, (first + 1) % cluster_->size());
        (void)ChangeVoters(FaultKind::kAddVoter, (first + 2) % cluster_->size());
        return;
      }
      case Blow::kPowerLoss:
        return cluster_->Kill(index, Survival::kRandom, random_.Below(2) == 0, absl::Milliseconds(length));
      case Blow::kPause:
        if (cluster_->At(index).machine.paused()) return;
        cluster_->Pause(index);
        return After(length, index, [this, index] { cluster_->Resume(index); });
      case Blow::kIsolate:
      case Blow::kMute:
        for (int peer = 0; peer < cluster_->size(); ++peer) {
          CutFor(index, peer, length);
          if (blow == Blow::kIsolate) CutFor(peer, index, length);
        }
        return;
      case Blow::kLastWord:
        return;
    }
  });
}

}  // namespace quorate::testing::simulator
