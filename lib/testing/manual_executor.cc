#include "quorate/testing/manual_executor.h"

#include <algorithm>
#include <iterator>
#include <mutex>

namespace quorate::testing {

absl::Time ManualClock::WallNow() {
  constexpr int64_t kStart2020 = 1'577'836'800;
  return absl::FromUnixSeconds(kStart2020) + absl::Nanoseconds(now_nanos_.load() + wall_offset_nanos_.load());
}

void ManualClock::AdvanceTo(Instant when) {
  int64_t now = now_nanos_.load();
  while (now < when.nanos() && !now_nanos_.compare_exchange_weak(now, when.nanos())) {
  }
}

void ManualClock::JumpWall(absl::Duration by) { wall_offset_nanos_ += absl::ToInt64Nanoseconds(by); }

ManualExecutor::~ManualExecutor() {
  // A forgotten task may own objects that post or cancel when they go: let go of tasks outside the lock,
  // round after round.
  for (;;) {
    std::deque<Entry> ready;
    std::map<std::pair<Instant, TimerId>, Entry> timers;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ready.swap(ready_);
      timers.swap(timers_);
      timer_times_.clear();
    }
    if (ready.empty() && timers.empty()) return;
  }
}

void ManualExecutor::PostFor(uint64_t owner, Task task) {
  std::lock_guard<std::mutex> lock(mutex_);
  ready_.push_back(Entry{owner, kNoTimer, std::move(task)});
}

Executor::TimerId ManualExecutor::PostAtFor(uint64_t owner, Instant when, Task task) {
  std::lock_guard<std::mutex> lock(mutex_);
  const TimerId id = ++last_timer_;
  timer_times_.emplace(id, when);
  timers_.emplace(std::make_pair(when, id), Entry{owner, id, std::move(task)});
  return id;
}

bool ManualExecutor::Cancel(TimerId id) {
  if (id == kNoTimer) return false;
  Entry forgotten;  // destroyed after the lock is released
  std::lock_guard<std::mutex> lock(mutex_);
  if (auto time = timer_times_.find(id); time != timer_times_.end()) {
    auto timer = timers_.find(std::make_pair(time->second, id));
    forgotten = std::move(timer->second);
    timers_.erase(timer);
    timer_times_.erase(time);
    return true;
  }
  auto due = std::find_if(ready_.begin(), ready_.end(), [id](const Entry& entry) { return entry.timer == id; });
  if (due == ready_.end()) return false;
  forgotten = std::move(*due);
  ready_.erase(due);
  return true;
}

uint64_t ManualExecutor::NewOwner() {
  std::lock_guard<std::mutex> lock(mutex_);
  return ++last_owner_;
}

// Runs the oldest posted task of `owner`. False when there is none.
bool ManualExecutor::RunOneOf(uint64_t owner) {
  Task task;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = std::find_if(ready_.begin(), ready_.end(),
                              [owner](const Entry& entry) { return entry.owner == owner && entry.timer == kNoTimer; });
    if (found == ready_.end()) return false;
    task = std::move(found->task);
    ready_.erase(found);
  }
  std::move(task)();
  return true;
}

void ManualExecutor::ForgetOwner(uint64_t owner) {
  while (RunOneOf(owner)) {
  }
  std::vector<Entry> forgotten;  // destroyed after the lock is released
  std::lock_guard<std::mutex> lock(mutex_);
  auto keep =
      std::stable_partition(ready_.begin(), ready_.end(), [owner](const Entry& entry) { return entry.owner != owner; });
  std::move(keep, ready_.end(), std::back_inserter(forgotten));
  ready_.erase(keep, ready_.end());
  for (auto timer = timers_.begin(); timer != timers_.end();) {
    if (timer->second.owner != owner) {
      ++timer;
      continue;
    }
    timer_times_.erase(timer->first.second);
    forgotten.push_back(std::move(timer->second));
    timer = timers_.erase(timer);
  }
}

void ManualExecutor::MoveDueTimers() {
  const Instant now = clock_->Now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    timer_times_.erase(timers_.begin()->first.second);
    ready_.push_back(std::move(timers_.begin()->second));
    timers_.erase(timers_.begin());
  }
}

std::optional<Task> ManualExecutor::TakeNext() {
  std::lock_guard<std::mutex> lock(mutex_);
  MoveDueTimers();
  if (ready_.empty()) return std::nullopt;
  Task task = std::move(ready_.front().task);
  ready_.pop_front();
  return task;
}

bool ManualExecutor::RunOne() {
  std::optional<Task> task = TakeNext();
  if (!task.has_value()) return false;
  std::move (*task)();
  return true;
}

size_t ManualExecutor::RunUntilIdle(size_t max_tasks) {
  size_t count = 0;
  while (count < max_tasks && RunOne()) ++count;
  return count;
}

size_t ManualExecutor::RunUntil(Instant when, size_t max_tasks) {
  size_t count = RunUntilIdle(max_tasks);
  while (count < max_tasks) {
    const Instant next = NextTimer();
    if (next > when || next.is_infinite()) break;
    clock_->AdvanceTo(next);
    count += RunUntilIdle(max_tasks - count);
  }
  if (!when.is_infinite()) clock_->AdvanceTo(when);
  return count;
}

bool ManualExecutor::RunUntilTrue(absl::FunctionRef<bool()> condition, absl::Duration limit) {
  const Instant end = clock_->Now() + limit;
  for (size_t count = 0; count < kTasksMax; ++count) {
    if (condition()) return true;
    if (RunOne()) continue;
    const Instant next = NextTimer();
    if (next > end || next.is_infinite()) break;
    clock_->AdvanceTo(next);
  }
  if (!end.is_infinite()) clock_->AdvanceTo(end);
  return condition();
}

bool ManualExecutor::idle() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return ready_.empty() && (timers_.empty() || timers_.begin()->first.first > clock_->Now());
}

size_t ManualExecutor::pending() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return ready_.size() + timers_.size();
}

Instant ManualExecutor::NextTimer() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return timers_.empty() ? Instant::Infinite() : timers_.begin()->first.first;
}

// One serial executor: a name tag on the tasks of the shared queue.
class ManualSerialExecutor final : public Executor {
 public:
  explicit ManualSerialExecutor(ManualExecutor* executor) : executor_(executor), owner_(executor->NewOwner()) {}
  ~ManualSerialExecutor() override { executor_->ForgetOwner(owner_); }
  void Post(Task task) override { executor_->PostFor(owner_, std::move(task)); }
  TimerId PostAt(Instant when, Task task) override { return executor_->PostAtFor(owner_, when, std::move(task)); }
  bool Cancel(TimerId id) override { return executor_->Cancel(id); }

 private:
  ManualExecutor* const executor_;
  const uint64_t owner_;
};

std::unique_ptr<Executor> ManualExecutorFactory::MakeSerial(absl::string_view) {
  return std::make_unique<ManualSerialExecutor>(executor_);
}

}  // namespace quorate::testing
