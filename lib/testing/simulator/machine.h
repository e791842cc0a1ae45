// One simulated computer: its clocks, and the executors of the process that runs on it.
//
// An executor of a node is a *lane*: tasks wait in order, and each starts after a delay drawn for what the lane does.
// A lane whose work is the disk (the log, the votes, snapshots) delays a task by a disk's latency, from a heavy tail:
// file-system calls themselves take no time, so the delay stands for the write and the sync that the task is about to
// do. Sometimes the work is done first and the lane is busy afterwards instead, which lets a completion overtake
// those of other lanes (fault F-D13). The apply lane may be slow too (F-H02).
//
// A paused machine (F-P06) runs no task; its timers fall due meanwhile, and all run when it goes on. Its clock may
// run too fast or too slow (F-P07): timers are set in the machine's own time.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_MACHINE_H_
#define QUORATE_TESTING_SIMULATOR_MACHINE_H_

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/environment.h"
#include "testing/simulator/scheduler.h"

namespace quorate::testing::simulator {

struct Latencies {
  absl::Duration disk = absl::Milliseconds(1);   // the usual one
  uint32_t disk_tail_permille = 5;               // how often it is up to 50 times that
  absl::Duration apply = absl::Microseconds(5);  // the host's state machine, per chunk
  uint32_t apply_tail_permille = 0;              // how often it is up to 500 times that
};

class Machine final : private Clock, private ExecutorFactory {
 public:
  Machine(Scheduler* scheduler, int node, uint64_t seed, const Latencies& latencies)
      : scheduler_(scheduler), node_(node), random_(seed), latencies_(latencies) {}
  ~Machine() override;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Clock* clock() { return this; }
  ExecutorFactory* executors() { return this; }

  void Pause() { paused_ = true; }
  void Resume();
  [[nodiscard]] bool paused() const { return paused_; }
  // 1000: as it should be; 500: half as fast.
  void SetClockRate(int64_t permille);
  [[nodiscard]] int64_t clock_rate() const { return rate_permille_; }
  // The wall clock jumps, in either direction.
  void JumpWall(absl::Duration by) { wall_offset_ += by; }
  // Nothing gets through to the disk until then (F-D12).
  void StallDiskUntil(Instant when) { disk_stalled_until_ = std::max(disk_stalled_until_, when); }
  // From now on everything is as quick as it should be.
  void Heal();

  // Tasks and timers that wait (I-25).
  [[nodiscard]] size_t pending() const;

 private:
  class Lane;
  enum class Work { kProcessor, kDisk, kApply };

  Instant Now() override;
  absl::Time WallNow() override;
  std::unique_ptr<Executor> MakeSerial(absl::string_view name) override;

  // When it is `when` on this machine's clock.
  [[nodiscard]] Instant GlobalTime(Instant when);
  absl::Duration DrawDelay(Work work);

  Scheduler* const scheduler_;
  const int node_;
  Xoshiro random_;
  Latencies latencies_;
  bool paused_ = false;
  int64_t rate_permille_ = 1000;
  Instant rate_since_ = Instant::FromNanos(0);           // in global time
  Instant local_at_rate_since_ = Instant::FromNanos(0);  // what the clock showed then
  absl::Duration wall_offset_ = absl::ZeroDuration();
  Instant disk_stalled_until_ = Instant::FromNanos(0);
  std::vector<Lane*> lanes_;  // in the order of their making
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_MACHINE_H_
