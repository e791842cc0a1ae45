// The nemesis: does to the cluster what the plan says, when it says it, and undoes it when its time is up.
//
// It may look inside: "the leader" is whoever leads at that moment, and a strike waits for a moment in the life of a
// core - it appends, votes, is elected, commits - and falls right then, between that step and what comes of it.
//
// Damage is kept within what the library promises to survive (an atlas of faults, as TigerBeetle calls it): rot only
// where it can be told from a torn write, a disk is rolled back or replaced only while a majority of the voters
// holds everything that was committed without it. What can't be survived by anybody is a test of nothing.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_NEMESIS_H_
#define QUORATE_TESTING_SIMULATOR_NEMESIS_H_

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "testing/simulator/cluster.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/stranger.h"

namespace quorate::testing::simulator {

class Nemesis {
 public:
  Nemesis(Cluster* cluster, const SimulationPlan& plan) : cluster_(cluster), plan_(plan), random_(plan.seed * 31 + 4) {}

  void Begin();
  // Nothing happens any more, and what was done is undone.
  void End();

  // A moment came at `node`: from the referee.
  void OnMoment(int node, Moment moment);
  // `node`'s process is buried; its disk lies open.
  void OnBurial(int node);

  // So many proposals of clients are made at this node now.
  std::function<void(int node, int64_t calls)> flood;

  [[nodiscard]] const std::array<uint64_t, kFaultKinds>& done() const { return done_; }

 private:
  struct Strike {
    int node = 0;  // or kTheLeader
    Moment moment = Moment::kAppends;
    Blow blow = Blow::kPowerLoss;
    bool armed = true;
  };
  struct LastWord {
    int leader = 0;
    uint64_t life = 0;
    Offset record;  // of the voters that it let in
  };
  struct Plot {  // for a machine that is about to be buried
    std::optional<FaultKind> kind;
    uint64_t lot = 0;
  };

  void Do(const FaultAction& fault);
  bool DoToProcess(const FaultAction& fault, int node);
  bool DoToNetwork(const FaultAction& fault, int node);
  bool DoToDisk(const FaultAction& fault, int node);
  bool DoToClock(const FaultAction& fault, int node);
  bool DoToQuorum(const FaultAction& fault, int node);
  bool ChangeVoters(FaultKind kind, int node);
  bool ClaimLeadership(int node);
  bool LetAStrangerCome(const FaultAction& fault);
  void Partition(uint64_t lot, int64_t milliseconds);
  void CutFor(int from, int to, int64_t milliseconds);
  void FailACall(int node, int64_t nth, int64_t what);
  bool MayLose(int node);
  bool CanDoWithout(int node, int leader);
  void StrikeNow(int node, Blow blow);
  // nemesis_plots.cc
  bool DoPlot(const FaultAction& fault, int node);
  void Isolate(int node, int64_t milliseconds);
  bool Blackout(const FaultAction& fault, int node);
  bool Forsake(const FaultAction& fault, int node);
  bool TellFalseHistory(int node);
  void KeepFromNewcomer(int leader);
  void DieAfterLastWord(int leader);
  bool OthersAreEnough(int index);
  int Resolve(int node);
  void After(int64_t milliseconds, int node, Task task);

  Cluster* const cluster_;
  const SimulationPlan& plan_;
  Xoshiro random_;
  bool ended_ = false;
  std::vector<Strike> strikes_;
  std::optional<LastWord> last_word_;
  std::vector<Plot> plots_;
  std::vector<std::optional<SimDisk>> old_disks_;  // by node
  std::vector<std::optional<ElectionState>> old_votes_;
  std::array<uint64_t, kFaultKinds> done_{};
  std::unique_ptr<Stranger> stranger_;
  int removals_ = 0;  // that are not answered yet
  int lost_ = 0;      // disks that were rolled back or replaced
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_NEMESIS_H_
