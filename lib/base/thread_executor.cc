// Executors over threads: one named thread each, with its queue and its timers.
//
// Timers live in an ordered map under the same mutex as the queue; the thread sleeps until the earliest
// one. A node arms a handful of timers, so nothing cleverer is needed.

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "quorate/system.h"

namespace quorate {
namespace {

class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(absl::string_view name) : thread_([this] { Run(); }) {
    // The kernel keeps 15 characters of a thread's name.
    pthread_setname_np(thread_.native_handle(), std::string(name.substr(0, 15)).c_str());
  }

  ~ThreadExecutor() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void Post(Task task) override {
    bool was_idle;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      was_idle = idle_;
      idle_ = false;
      queue_.push_back(std::move(task));
    }
    if (was_idle) wake_.notify_one();
  }

  TimerId PostAt(Instant when, Task task) override {
    TimerId id;
    bool earliest;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      id = ++last_timer_;
      deadline_of_[id] = when;
      earliest = timers_.empty() || when < timers_.begin()->first.first;
      timers_.emplace(std::make_pair(when, id), std::move(task));
    }
    if (earliest) wake_.notify_one();
    return id;
  }

  bool Cancel(TimerId id) override {
    Task forgotten;  // destroyed outside the lock: it may own things that call us
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = deadline_of_.find(id);
    if (found == deadline_of_.end()) return false;
    auto timer = timers_.find({found->second, id});
    forgotten = std::move(timer->second);
    timers_.erase(timer);
    deadline_of_.erase(found);
    return true;
  }

 private:
  // Moves the timers that are due to the queue. Returns when the next one is.
  Instant CollectDueTimers(Instant now) {
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      auto first = timers_.begin();
      deadline_of_.erase(first->first.second);
      queue_.push_back(std::move(first->second));
      timers_.erase(first);
    }
    return timers_.empty() ? Instant::Infinite() : timers_.begin()->first.first;
  }

  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      const Instant now = SystemClock()->Now();
      const Instant next = CollectDueTimers(now);
      if (!queue_.empty()) {
        std::deque<Task> batch;
        batch.swap(queue_);
        lock.unlock();
        for (Task& task : batch) {
          std::move(task)();
          task = nullptr;
        }
        lock.lock();
        continue;
      }
      if (stopping_) return;
      idle_ = true;
      if (next.is_infinite()) {
        wake_.wait(lock);
      } else {
        wake_.wait_for(lock, absl::ToChronoNanoseconds(next - now));
      }
      idle_ = false;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;                              // guarded by mutex_
  std::map<std::pair<Instant, TimerId>, Task> timers_;  // guarded by mutex_
  std::map<TimerId, Instant> deadline_of_;              // guarded by mutex_; the same timers, by id
  TimerId last_timer_ = kNoTimer;                       // guarded by mutex_
  bool stopping_ = false;                               // guarded by mutex_
  bool idle_ = false;   // guarded by mutex_; the thread sleeps: only then does a post cost a wake-up
  std::thread thread_;  // last: starts when all else stands
};

class Factory final : public ExecutorFactory {
 public:
  std::unique_ptr<Executor> MakeSerial(absl::string_view name) override {
    return std::make_unique<ThreadExecutor>(name);
  }
};

}  // namespace

ExecutorFactory* ThreadExecutorFactory() {
  static Factory factory;
  return &factory;
}

}  // namespace quorate
