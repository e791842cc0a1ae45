#include "testing/simulator/machine.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace quorate::testing::simulator {

class Machine::Lane final : public Executor {
 public:
  Lane(Machine* machine, Work work) : machine_(machine), work_(work) { machine_->lanes_.push_back(this); }

  // Runs what was posted, out of turn, and forgets timers, as the contract says.
  ~Lane() override {
    closing_ = true;
    for (auto& [id, timer] : timers_) machine_->scheduler_->Cancel(timer.event);
    while (!queue_.empty()) RunHead();
    machine_->scheduler_->Cancel(run_event_);
    std::erase(machine_->lanes_, this);
    timers_.clear();
  }

  void Post(Task task) override {
    queue_.push_back(Entry{kNoTimer, std::move(task)});
    Schedule();
  }

  TimerId PostAt(Instant when, Task task) override {
    const TimerId id = ++last_timer_;
    Timer& timer = timers_[id];
    timer.when = when;
    timer.task = std::move(task);
    if (!closing_) Arm(id, &timer);
    return id;
  }

  bool Cancel(TimerId id) override {
    auto found = timers_.find(id);
    if (found == timers_.end()) return false;
    machine_->scheduler_->Cancel(found->second.event);
    Timer forgotten = std::move(found->second);  // its task may come back in when it goes
    timers_.erase(found);
    return true;
  }

  // The machine's clock runs differently from now on.
  void Rearm() {
    for (auto& [id, timer] : timers_) {
      if (timer.due) continue;
      machine_->scheduler_->Cancel(timer.event);
      Arm(id, &timer);
    }
  }

  void Schedule() {
    if (closing_ || scheduled_ || queue_.empty()) return;
    scheduled_ = true;
    const Instant now = machine_->scheduler_->now();
    const absl::Duration delay = machine_->DrawDelay(work_);
    // One time in four the work comes first, and the time that it takes after it.
    const bool before = work_ != Work::kDisk || machine_->random_.Below(4) != 0;
    Instant start = std::max(now, busy_until_);
    if (work_ == Work::kDisk) start = std::max(start, machine_->disk_stalled_until_);
    if (before) start = start + delay;
    busy_until_ = before ? start : start + delay;
    run_event_ = machine_->scheduler_->At(start, EventKind::kTask, machine_->node_, [this] { Run(); });
  }

  void Unblock() {
    if (!std::exchange(blocked_, false)) return;
    run_event_ = machine_->scheduler_->After(absl::Nanoseconds(machine_->random_.Below(1000)), EventKind::kTask,
                                             machine_->node_, [this] { Run(); });
  }

  // What it waits for is over: a stall, a long write.
  void Hurry() {
    busy_until_ = machine_->scheduler_->now();
    if (!scheduled_ || blocked_ || !machine_->scheduler_->Cancel(run_event_)) return;
    scheduled_ = false;
    Schedule();
  }

  [[nodiscard]] size_t pending() const { return queue_.size() + timers_.size(); }

 private:
  struct Entry {
    TimerId timer = kNoTimer;  // kNoTimer for a plain task
    Task task;
  };
  struct Timer {
    Instant when;
    Task task;
    Scheduler::EventId event = Scheduler::kNoEvent;
    bool due = false;  // it is in the queue
  };

  void Arm(TimerId id, Timer* timer) {
    timer->event = machine_->scheduler_->At(machine_->GlobalTime(timer->when), EventKind::kTimer, machine_->node_,
                                            [this, id] { Due(id); });
  }

  void Due(TimerId id) {
    timers_.at(id).due = true;
    queue_.push_back(Entry{id, Task()});
    Schedule();
  }

  void Run() {
    if (machine_->paused_) {
      blocked_ = true;
      return;
    }
    if (work_ == Work::kDisk && machine_->disk_stalled_until_ > machine_->scheduler_->now()) {
      run_event_ =
          machine_->scheduler_->At(machine_->disk_stalled_until_, EventKind::kTask, machine_->node_, [this] { Run(); });
      return;  // the stall began while it waited
    }
    scheduled_ = false;
    RunHead();
    Schedule();
  }

  void RunHead() {
    Entry entry = std::move(queue_.front());
    queue_.pop_front();
    if (entry.timer == kNoTimer) {
      std::move(entry.task)();
      return;
    }
    auto found = timers_.find(entry.timer);
    if (found == timers_.end()) return;  // cancelled meanwhile
    Task task = std::move(found->second.task);
    timers_.erase(found);
    if (!closing_) std::move(task)();
  }

  Machine* const machine_;
  const Work work_;
  std::deque<Entry> queue_;
  std::map<TimerId, Timer> timers_;
  TimerId last_timer_ = kNoTimer;
  Scheduler::EventId run_event_ = Scheduler::kNoEvent;
  Instant busy_until_ = Instant::FromNanos(0);
  bool scheduled_ = false;
  bool blocked_ = false;
  bool closing_ = false;
};

Machine::~Machine() = default;

std::unique_ptr<Executor> Machine::MakeSerial(absl::string_view name) {
  Work work = Work::kProcessor;
  if (name == "quorate-apply") work = Work::kApply;
  for (absl::string_view disk : {"quorate-log", "quorate-vote", "quorate-prepare", "quorate-snapshot"}) {
    if (name == disk) work = Work::kDisk;
  }
  return std::make_unique<Lane>(this, work);
}

Instant Machine::Now() {
  const int64_t passed = scheduler_->now().nanos() - rate_since_.nanos();
  return Instant::FromNanos(local_at_rate_since_.nanos() + passed / 1000 * rate_permille_ +
                            passed % 1000 * rate_permille_ / 1000);
}

absl::Time Machine::WallNow() {
  constexpr int64_t kStart2020 = 1'577'836'800;
  return absl::FromUnixSeconds(kStart2020) + absl::Nanoseconds(Now().nanos()) + wall_offset_;
}

Instant Machine::GlobalTime(Instant when) {
  if (when.is_infinite()) return when;
  const int64_t local = std::max<int64_t>(0, when.nanos() - local_at_rate_since_.nanos());
  // Rounded up: a timer is never early on its own clock.
  const int64_t passed = local / rate_permille_ * 1000 + (local % rate_permille_ * 1000 / rate_permille_) + 1000;
  return std::max(scheduler_->now(), Instant::FromNanos(rate_since_.nanos() + passed));
}

void Machine::SetClockRate(int64_t permille) {
  local_at_rate_since_ = Now();
  rate_since_ = scheduler_->now();
  rate_permille_ = permille;
  for (Lane* lane : lanes_) lane->Rearm();
}

void Machine::Resume() {
  if (!std::exchange(paused_, false)) return;
  for (Lane* lane : lanes_) lane->Unblock();
}

void Machine::Heal() {
  latencies_.disk = std::min(latencies_.disk, absl::Milliseconds(2));
  latencies_.disk_tail_permille = 0;
  latencies_.apply_tail_permille = 0;
  disk_stalled_until_ = scheduler_->now();
  for (Lane* lane : lanes_) lane->Hurry();
  if (rate_permille_ != 1000) SetClockRate(1000);
  Resume();
}

size_t Machine::pending() const {
  size_t sum = 0;
  for (const Lane* lane : lanes_) sum += lane->pending();
  return sum;
}

absl::Duration Machine::DrawDelay(Work work) {
  switch (work) {
    case Work::kProcessor:
      return absl::Nanoseconds(random_.Below(10'000));
    case Work::kApply: {
      const auto usual = static_cast<uint64_t>(absl::ToInt64Nanoseconds(latencies_.apply));
      if (random_.Below(1000) < latencies_.apply_tail_permille) return absl::Nanoseconds(random_.Below(usual * 500));
      return absl::Nanoseconds(random_.Below(usual + 1));
    }
    case Work::kDisk: {
      const auto usual = static_cast<uint64_t>(absl::ToInt64Nanoseconds(latencies_.disk));
      if (random_.Below(1000) < latencies_.disk_tail_permille) return absl::Nanoseconds(random_.Below(usual * 50));
      return absl::Nanoseconds(usual / 2 + random_.Below(usual));
    }
  }
  return absl::ZeroDuration();
}

}  // namespace quorate::testing::simulator
