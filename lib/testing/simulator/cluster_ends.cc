// How processes of the cluster end: killed, crashed, stopped, halted; and what comes after.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "testing/simulator/cluster.h"
#include "testing/simulator/message_text.h"
#include "testing/simulator/spies.h"

namespace quorate::testing::simulator {

// ---- Ends ----------------------------------------------------------------------------------------------

// May be called from inside of the process, with locks of the disk held: only notes things.
void Cluster::DieNow(int index, bool announced) {
  Node& node = At(index);
  if (!node.up) return;
  node.up = false;
  node.dying = true;
  Trace(index, "dies");
  network_->Died(index, announced);
  referee_->LifeEnds(index);
  if (node.state != nullptr) node.state->Detach();
  if (on_death) on_death(index);
  ScheduleBurial(&node);
}

void Cluster::ScheduleBurial(Node* node) {
  scheduler_->At(scheduler_->now(), EventKind::kFault, node->index, [this, node] { Bury(node); });
  if (node->restart != Scheduler::kNoEvent) scheduler_->Cancel(node->restart);
  node->restart = Scheduler::kNoEvent;
  // Unless somebody says otherwise.
  StartAgain(node->index, absl::Milliseconds(1 + static_cast<int64_t>(random_.Below(1'000))));
}

void Cluster::Kill(int index, Survival survival, bool announced, std::optional<absl::Duration> down) {
  Node& node = At(index);
  if (!node.up) return;
  node.survival = survival;
  DieNow(index, announced);
  node.files.Crash();
  if (down.has_value()) {
    StartAgain(index, *down);
  } else {
    scheduler_->Cancel(node.restart);
  }
}

void Cluster::LoseForGood(int index, bool announced) {
  Kill(index, Survival::kRandom, announced, std::nullopt);
  At(index).gone = true;
}

void Cluster::Bury(Node* node) {
  node->machine.Resume();
  node->files.SetHook(nullptr);
  node->process.reset();
  node->storage.reset();
  node->state.reset();
  node->observer.reset();
  node->files.Restart(node->survival);
  node->files.SetQuotaBytes(UINT64_MAX);
  node->survival = Survival::kAll;
  node->excuse.clear();
  node->crash_at_send = 0;
  node->dying = false;
  if (on_burial) on_burial(node->index);
}

void Cluster::Repair(Node* node) {
  Trace(node->index, absl::StrCat("repaired: ", node->rot->path, " bit ", node->rot->bit));
  node->files.DisarmCrash();  // a crash that was to come next must not hit the repair
  node->rot->UndoOn(&node->files);
  node->rot.reset();
}

void Cluster::Trace(int node, absl::string_view what) const {
  if (trace_) trace_(absl::StrCat(TimeText(scheduler_->now()), " machine ", node, ": ", what));
}

void Cluster::CouldNotStart(Node* node, const absl::Status& why) {
  if (node->rot.has_value()) {
    // It refuses, and says which file it is (P7).
    if (!absl::StrContains(why.message(), node->rot->path)) {
      referee_->Fail("I-30", absl::StrCat("node ", node->index, " refuses to start without naming the damaged file ",
                                          node->rot->path, ": ", why.message()));
    }
    Repair(node);
  } else if (node->lost_files.has_value()) {
    // M-39: it doesn't begin anew, and says where something is missing.
    if (!absl::StrContains(why.message(), "/data")) {
      referee_->Fail("I-30", absl::StrCat("node ", node->index, " lost ", node->lost_files->what,
                                          " and refuses to start without saying where: ", why.message()));
    }
    Trace(node->index, absl::StrCat("gets back ", node->lost_files->what));
    node->files.DisarmCrash();
    node->files.LoadDisk(std::exchange(node->lost_files, std::nullopt)->before);
  } else if (node->excuse.empty()) {
    referee_->Fail("I-28", absl::StrCat("node ", node->index, " can't start: ", why.message()));
  }
  Kill(node->index, Survival::kAll, true, absl::Milliseconds(static_cast<int64_t>(random_.Below(500))));
}

void Cluster::Halted(int index, uint64_t life, const absl::Status& cause) {
  Node& node = At(index);
  if (!node.up || node.life != life) return;
  if (cause.message().empty() || !DetailOf(cause).has_value()) {
    referee_->Fail("I-30", absl::StrCat("node ", index, " stopped itself without saying why: ", cause.ToString()));
  }
  if (node.rot.has_value() && ReasonOf(cause) == Reason::kCorruption) {
    node.excuse = "its disk rots";
  }
  if (node.excuse.empty()) {
    referee_->Fail("I-30",
                   absl::StrCat("node ", index, " stopped itself, and nothing was done to it: ", cause.message()));
  }
  // Its owner has the disk repaired, and starts it again.
  if (node.rot.has_value()) Repair(&node);
  Kill(index, Survival::kAll, true, absl::Milliseconds(static_cast<int64_t>(random_.Below(1'000))));
}

void Cluster::Stop(int index, absl::Duration down) {
  Node& node = At(index);
  if (!node.up || node.process == nullptr || node.machine.paused()) return;
  const uint64_t life = node.life;
  // Whatever becomes of the hand-over, the process ends in time.
  const absl::Duration patience = node.timeouts.fetch * 3;
  auto end = [this, index, life, down] {
    if (At(index).up && At(index).life == life) Kill(index, Survival::kAll, true, down);
  };
  node.process->ShutdownAsync(
      patience, [this, index, end](absl::Status) { scheduler_->At(scheduler_->now(), EventKind::kFault, index, end); });
  scheduler_->After(patience * 4, EventKind::kFault, index, end);
}

void Cluster::Pause(int index) {
  if (At(index).up) At(index).machine.Pause();
}

void Cluster::Resume(int index) {
  if (!At(index).machine.paused()) return;
  At(index).machine.Resume();
  referee_->Resumed(index);
  network_->Resumed(index);
}

void Cluster::ReplaceDisk(int index) {
  Node& node = At(index);
  referee_->ForgetDisk(node.key);
  ++node.disks;
  node.key.directory = DirectoryId(Uuid(0xd1, 1'000 + static_cast<uint64_t>(index) * 100 + node.disks));
  node.files.LoadDisk(SimDisk());
  node.rot.reset();
  node.lost_files.reset();
  Format(&node);
}

absl::Status Cluster::OpenStorageOnce(int index) {
  Node& node = At(index);
  node.observer = referee_->LifeBegins(index, FactsOf(node));
  absl::StatusOr<Stores> stores = subject_.storage.open(StorageOf(index));
  if (!stores.ok()) return stores.status();
  {
    const std::unique_ptr<ElectionStateStore> votes =
        WatchElectionStateStore(std::move(stores->election_state), referee_, index);
    if (absl::StatusOr<std::optional<ElectionState>> vote = votes->Load(); !vote.ok()) return vote.status();
    const std::unique_ptr<LogStore> log = WatchLogStore(std::move(stores->log), referee_, index);
    absl::StatusOr<LogBounds> bounds = log->Open([](const Batch&) { return absl::OkStatus(); });
    if (!bounds.ok()) return bounds.status();
  }
  stores->snapshots.reset();
  referee_->LifeEnds(index);
  return absl::OkStatus();
}

void Cluster::Heal() {
  healing_ = true;
  network_->Heal();
  for (auto& node : nodes_) {
    const bool was_paused = node->machine.paused();
    node->machine.Heal();
    if (was_paused) referee_->Resumed(node->index);
    if (was_paused) network_->Resumed(node->index);
    node->files.SetHook(nullptr);
    node->files.SetQuotaBytes(UINT64_MAX);
    node->files.DisarmCrash();
    node->crash_at_send = 0;
  }
}

}  // namespace quorate::testing::simulator
