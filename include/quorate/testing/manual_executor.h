// File: quorate/testing/manual_executor.h
//
// Virtual time and an event queue that runs only when told to. With these in place of threads and the
// system clock, code that is written against quorate/environment.h runs on one thread, the same way
// every time, and an hour passes in no time:
//
//   ManualClock clock;
//   ManualExecutor executor(&clock);
//   executor.PostAt(clock.Now() + absl::Seconds(30), [&] { fired = true; });
//   executor.RunFor(absl::Minutes(1));   // fired is true; the clock shows one minute later
//
// Order: tasks run in the order in which they were posted; a timer joins the end of that order when
// its time has come (several: by time, then by age). Executors of a ManualExecutorFactory share that
// one order, so each of them is serial and all of them together are, too. No thread pool with a seed
// instead: interleavings are chosen by who posts what when, which a test can write down.
//
// Threads: Post, PostAt, Cancel and Now may be called from any thread; Run… from one at a time, and not
// from inside a task.
#ifndef QUORATE_TESTING_MANUAL_EXECUTOR_H_
#define QUORATE_TESTING_MANUAL_EXECUTOR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/environment.h"

namespace quorate::testing {

// Stands still until told otherwise. Monotonic time starts at one second (so that zero stays "never"),
// wall time at 2020-01-01.
class ManualClock final : public Clock {
 public:
  Instant Now() override { return Instant::FromNanos(now_nanos_.load()); }
  absl::Time WallNow() override;

  // Monotonic time never goes back: AdvanceTo an earlier instant does nothing.
  void AdvanceTo(Instant when);
  void Advance(absl::Duration by) { AdvanceTo(Now() + by); }
  // Makes the wall clock jump, in either direction (fault F-P07).
  void JumpWall(absl::Duration by);

 private:
  std::atomic<int64_t> now_nanos_{1'000'000'000};
  std::atomic<int64_t> wall_offset_nanos_{0};
};

class ManualExecutor final : public Executor {
 public:
  // `clock` outlives the executor, which moves it forward.
  explicit ManualExecutor(ManualClock* clock) : clock_(clock) {}
  ~ManualExecutor() override;
  ManualExecutor(const ManualExecutor&) = delete;
  ManualExecutor& operator=(const ManualExecutor&) = delete;

  void Post(Task task) override { PostFor(kNoOwner, std::move(task)); }
  TimerId PostAt(Instant when, Task task) override { return PostAtFor(kNoOwner, when, std::move(task)); }
  bool Cancel(TimerId id) override;

  // Runs the next task that is due now. False when there is none.
  bool RunOne();
  // Runs tasks, and those that they post, until none is due. Time stands still. Returns how many ran;
  // stops after `max_tasks`, so that tasks which post themselves for ever don't hang a test.
  size_t RunUntilIdle(size_t max_tasks = kTasksMax);
  // Runs everything that falls due until `when`, moving the clock from timer to timer, then to `when`.
  size_t RunUntil(Instant when, size_t max_tasks = kTasksMax);
  size_t RunFor(absl::Duration span) { return RunUntil(clock_->Now() + span); }
  // Runs until `condition` holds, for at most `limit` of virtual time. Returns whether it holds. The
  // condition is looked at after every task.
  bool RunUntilTrue(absl::FunctionRef<bool()> condition, absl::Duration limit);

  [[nodiscard]] bool idle() const;          // nothing is due now
  [[nodiscard]] size_t pending() const;     // tasks and timers that wait
  [[nodiscard]] Instant NextTimer() const;  // Infinite() when none is set
  [[nodiscard]] ManualClock* clock() const { return clock_; }

 private:
  friend class ManualSerialExecutor;
  static constexpr uint64_t kNoOwner = 0;
  static constexpr size_t kTasksMax = 10'000'000;

  struct Entry {
    uint64_t owner = kNoOwner;
    TimerId timer = kNoTimer;  // kNoTimer for a plain task
    Task task;
  };

  void PostFor(uint64_t owner, Task task);
  TimerId PostAtFor(uint64_t owner, Instant when, Task task);
  uint64_t NewOwner();
  bool RunOneOf(uint64_t owner);
  void ForgetOwner(uint64_t owner);
  void MoveDueTimers();
  std::optional<Task> TakeNext();

  ManualClock* const clock_;
  mutable std::mutex mutex_;
  std::deque<Entry> ready_;                              // guarded by mutex_
  std::map<std::pair<Instant, TimerId>, Entry> timers_;  // guarded by mutex_
  std::map<TimerId, Instant> timer_times_;               // guarded by mutex_
  TimerId last_timer_ = kNoTimer;                        // guarded by mutex_
  uint64_t last_owner_ = kNoOwner;                       // guarded by mutex_
};

// Serial executors on one ManualExecutor, which outlives them. Destroying one runs what was posted to it, out
// of turn, and forgets its timers, as the contract of Executor says.
class ManualExecutorFactory final : public ExecutorFactory {
 public:
  explicit ManualExecutorFactory(ManualExecutor* executor) : executor_(executor) {}
  std::unique_ptr<Executor> MakeSerial(absl::string_view name) override;

 private:
  ManualExecutor* const executor_;
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_MANUAL_EXECUTOR_H_
