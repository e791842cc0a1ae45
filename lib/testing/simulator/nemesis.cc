#include "testing/simulator/nemesis.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::testing::simulator {

void Nemesis::Begin() {
  plots_.resize(static_cast<size_t>(cluster_->size()));
  old_disks_.resize(static_cast<size_t>(cluster_->size()));
  old_votes_.resize(static_cast<size_t>(cluster_->size()));
  for (const FaultAction& fault : plan_.faults) {
    if (fault.at >= plan_.config.duration) continue;
    After(fault.at, Scheduler::kNobody, [this, &fault] { Do(fault); });
  }
}

void Nemesis::After(int64_t milliseconds, int node, Task task) {
  cluster_->scheduler().After(absl::Milliseconds(milliseconds), EventKind::kFault, node,
                              [this, task = std::move(task)]() mutable {
                                if (!ended_) std::move(task)();
                              });
}

void Nemesis::End() {
  ended_ = true;
  strikes_.clear();
  stranger_.reset();
  cluster_->Heal();
}

int Nemesis::Resolve(int node) {
  if (node == kTheLeader) return cluster_->Leader();
  if (node == kAFollower) return cluster_->Follower(&random_);
  return node < cluster_->size() ? node : -1;
}

void Nemesis::Do(const FaultAction& fault) {
  const int node = Resolve(fault.node);
  const bool aims = fault.kind == FaultKind::kStrike || fault.kind == FaultKind::kPartition;
  if (node < 0 && !aims) return;
  const bool done = aims ? DoToProcess(fault, node) || DoToNetwork(fault, node)
                         : DoToProcess(fault, node) || DoToNetwork(fault, node) || DoToDisk(fault, node) ||
                               DoToClock(fault, node) || DoToQuorum(fault, node) || DoPlot(fault, node);
  if (!done) return;
  ++done_[static_cast<size_t>(fault.kind)];
  cluster_->Trace(node, absl::StrCat("fault ", ToString(fault.kind), " a=", fault.a, " b=", fault.b));
}

bool Nemesis::DoToProcess(const FaultAction& fault, int index) {
  if (fault.kind == FaultKind::kStrike) {
    strikes_.push_back({fault.node, static_cast<Moment>(fault.a), static_cast<Blow>(fault.b)});
    return true;
  }
  if (index < 0) return false;
  Cluster::Node& node = cluster_->At(index);
  if (!node.up) return false;
  switch (fault.kind) {
    case FaultKind::kKill:
      cluster_->Kill(index, Survival::kAll, true, absl::Milliseconds(fault.a));
      return true;
    case FaultKind::kPowerLoss:
      cluster_->Kill(index, random_.Below(4) == 0 ? Survival::kNone : Survival::kRandom, fault.b != 0,
                     absl::Milliseconds(fault.a));
      return true;
    case FaultKind::kCrashAtCall:
      node.survival = random_.Below(2) == 0 ? Survival::kRandom : Survival::kAll;
      node.files.CrashAtCall(static_cast<uint64_t>(fault.a), fault.b == 0 ? CrashMoment::kBefore : CrashMoment::kAfter);
      return true;
    case FaultKind::kCrashAtSend:
      node.crash_at_send = static_cast<uint64_t>(fault.a);
      node.crash_after_send = fault.b != 0;
      return true;
    case FaultKind::kStop:
      cluster_->Stop(index, absl::Milliseconds(fault.a));
      return true;
    case FaultKind::kPause:
      if (node.machine.paused()) return false;
      cluster_->Pause(index);
      After(fault.a, index, [this, index] { cluster_->Resume(index); });
      return true;
    default:
      return false;
  }
}

// ---- The network -----------------------------------------------------------------------------------------

void Nemesis::CutFor(int from, int to, int64_t milliseconds) {
  SimNetwork& network = cluster_->network();
  if (from == to || network.IsCut(from, to)) return;
  network.Cut(from, to, true);
  After(milliseconds, from, [this, from, to] { cluster_->network().Cut(from, to, false); });
}

// Halves, a ring, a bridge, one against all, or any mask of links.
void Nemesis::Partition(uint64_t lot, int64_t milliseconds) {
  Xoshiro lots(lot);
  const int count = cluster_->size();
  const uint64_t shape = lots.Below(5);
  const uint64_t side = lots.Next();
  const int special = static_cast<int>(lots.Below(static_cast<uint64_t>(count)));
  for (int from = 0; from < count; ++from) {
    for (int to = 0; to < count; ++to) {
      if (from == to) continue;
      const int apart = std::min((from - to + count) % count, (to - from + count) % count);
      const bool other_side = ((side >> from) & 1) != ((side >> to) & 1);
      bool cut = false;
      if (shape == 0) cut = other_side;                                              // halves
      if (shape == 1) cut = apart > 1;                                               // a ring
      if (shape == 2) cut = other_side && from != special && to != special;          // a bridge
      if (shape == 3) cut = from != special && to != special && lots.Below(2) == 0;  // one that sees all
      if (shape == 4) cut = lots.Below(2) == 0;                                      // anything, one way each
      if (cut) CutFor(from, to, milliseconds);
    }
  }
}

bool Nemesis::DoToNetwork(const FaultAction& fault, int node) {
  SimNetwork& network = cluster_->network();
  const int other = static_cast<int>(fault.b);
  switch (fault.kind) {
    case FaultKind::kIsolate:
      for (int peer = 0; peer < cluster_->size(); ++peer) {
        if (fault.b != 2) CutFor(node, peer, fault.a);
        if (fault.b != 1) CutFor(peer, node, fault.a);
      }
      break;
    case FaultKind::kPartition:
      Partition(static_cast<uint64_t>(fault.b), fault.a);
      break;
    case FaultKind::kCutLink:
      if (other >= cluster_->size() || other == node) return false;
      CutFor(node, other, fault.a);
      break;
    case FaultKind::kClog:
      if (other >= cluster_->size() || other == node) return false;
      network.Clog(node, other, cluster_->scheduler().now() + absl::Milliseconds(fault.a));
      return true;
    case FaultKind::kBreak:
      network.BreakConnections(node);
      return true;
    case FaultKind::kSwap:
      if (other >= cluster_->size() || other == node || network.swapped()) return false;
      network.SwapAddresses(node, other);
      After(fault.a, node, [this, node, other] { cluster_->network().SwapAddresses(node, other); });
      return true;
    default:
      return false;
  }
  if (random_.Below(2) == 0) network.BreakCutConnections();
  return true;
}

// ---- Disks and clocks ------------------------------------------------------------------------------------

void Nemesis::FailACall(int index, int64_t nth, int64_t what) {
  Cluster::Node& node = cluster_->At(index);
  auto left = std::make_shared<int64_t>(nth);
  node.files.SetHook([this, index, left, what, life = node.life](const FileCallInfo& call) -> absl::Status {
    if (*left <= 0 || (what == 1 && call.call != FileCall::kWrite) ||
        (what == 2 && call.call != FileCall::kSync && call.call != FileCall::kSyncDirectory) ||
        (what == 3 && call.call != FileCall::kRead) || --*left > 0) {
      return absl::OkStatus();
    }
    if (cluster_->At(index).life == life) cluster_->At(index).excuse = "its disk failed";
    return MakeError(Reason::kStorage, Outcome::kUnknown,
                     absl::StrCat(ToString(call.call), " ", call.path, ": Input/output error"));
  });
}

bool Nemesis::DoToDisk(const FaultAction& fault, int index) {
  Cluster::Node& node = cluster_->At(index);
  if (!node.up) return false;
  switch (fault.kind) {
    case FaultKind::kDiskStall:
      node.machine.StallDiskUntil(cluster_->scheduler().now() + absl::Milliseconds(fault.a));
      return true;
    case FaultKind::kDiskError:
      FailACall(index, fault.a, fault.b);
      return true;
    case FaultKind::kDiskFull:
      node.excuse = "its disk is full";
      node.files.SetQuotaBytes(node.files.TotalBytes() + static_cast<uint64_t>(fault.b));
      After(fault.a, index, [this, index] { cluster_->At(index).files.SetQuotaBytes(UINT64_MAX); });
      return true;
    case FaultKind::kRollBack: {
      // What would be there if the power failed now: comes back later.
      SimDisk disk = node.files.SaveDisk();
      disk.Crash(Survival::kNone, &random_);
      old_disks_[static_cast<size_t>(index)] = std::move(disk);
      old_votes_[static_cast<size_t>(index)] =
          cluster_->referee().Has(index) ? cluster_->referee().At(index).persisted : std::nullopt;
      After(fault.a, index, [this, index] {
        if (!cluster_->At(index).up) return;
        plots_[static_cast<size_t>(index)] = {FaultKind::kRollBack, 0};
        cluster_->Kill(index, Survival::kRandom, true, absl::Milliseconds(50));
      });
      return true;
    }
    case FaultKind::kBitFlip:
    case FaultKind::kTornSlot:
    case FaultKind::kLoseFiles:
    case FaultKind::kReplaceDisk:
      if (fault.kind == FaultKind::kReplaceDisk && !MayLose(index)) return false;
      plots_[static_cast<size_t>(index)] = {fault.kind, static_cast<uint64_t>(fault.b)};
      cluster_->Kill(index, Survival::kRandom, true, absl::Milliseconds(fault.a + 1));
      return true;
    default:
      return false;
  }
}

// Whether the cluster can do without what this disk holds, for ever.
bool Nemesis::MayLose(int index) {
  Referee& referee = cluster_->referee();
  if (!referee.Has(index) || lost_ >= (plan_.config.voters - 1) / 2) return false;
  const int leader = cluster_->ActingLeader();
  if (leader >= 0 && cluster_->At(leader).process != nullptr &&
      cluster_->At(leader).process->Describe().voter_change.has_value()) {
    return false;
  }
  const Replica& replica = referee.At(index);
  // Nothing may be counted on it that isn't committed yet, or the leader would have to know of the loss in time.
  return replica.durable <= referee.history().committed_end() && referee.CommittedIsSafeWithout({replica.key});
}

void Nemesis::OnBurial(int index) {
  const Plot plot = std::exchange(plots_[static_cast<size_t>(index)], {});
  if (!plot.kind.has_value() || ended_) return;
  Cluster::Node& node = cluster_->At(index);
  // Its owner will put back what was there: nothing may happen to that meanwhile.
  if (node.lost_files.has_value()) return;
  Xoshiro lots(plot.lot);
  switch (*plot.kind) {
    case FaultKind::kBitFlip:
      if (!node.rot.has_value()) node.rot = RotABit(&node.files, "/data", &lots);
      if (node.rot.has_value()) cluster_->Trace(index, absl::StrCat("rots: ", node.rot->path, " bit ", node.rot->bit));
      return;
    case FaultKind::kTornSlot:
      (void)RotASlot(&node.files, "/data", &lots);
      return;
    case FaultKind::kLoseFiles:
      if (!node.rot.has_value()) node.lost_files = LoseFiles(&node.files, "/data", lots.Next());
      if (node.lost_files.has_value()) cluster_->Trace(index, absl::StrCat("loses ", node.lost_files->what));
      return;
    case FaultKind::kReplaceDisk:
      if (!MayLose(index)) return;
      ++lost_;
      cluster_->ReplaceDisk(index);
      return;
    case FaultKind::kRollBack: {
      std::optional<SimDisk>& old = old_disks_[static_cast<size_t>(index)];
      Referee& referee = cluster_->referee();
      // A vote must not be forgotten: nobody could notice that.
      if (!old.has_value() || !MayLose(index) ||
          referee.At(index).persisted != old_votes_[static_cast<size_t>(index)]) {
        return;
      }
      ++lost_;
      referee.ForgetDisk(node.key);
      node.files.LoadDisk(*std::exchange(old, std::nullopt));
      node.lost = true;
      return;
    }
    default:
      return;
  }
}

bool Nemesis::DoToClock(const FaultAction& fault, int index) {
  Machine& machine = cluster_->At(index).machine;
  switch (fault.kind) {
    case FaultKind::kClockRate:
      machine.SetClockRate(fault.a);
      After(fault.b, index, [this, index] { cluster_->At(index).machine.SetClockRate(1000); });
      return true;
    case FaultKind::kWallJump:
      machine.JumpWall(absl::Seconds(fault.a));
      return true;
    default:
      return false;
  }
}

}  // namespace quorate::testing::simulator
