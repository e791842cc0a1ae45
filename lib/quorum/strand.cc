#include "quorum/strand.h"

#include <condition_variable>

namespace quorate::quorum {

void Strand::Run(Task task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(task));
    if (running_) return;
    running_ = true;
  }
  Drain();
}

void Strand::Drain() {
  for (int round = 0; round < kRoundsMax; ++round) {
    runner_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      round_.swap(queue_);
    }
    for (Task& task : round_) std::move(task)();
    round_.clear();
    if (flush_) flush_();
    runner_.store(std::thread::id(), std::memory_order_relaxed);
    std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.empty()) {
      running_ = false;
      return;
    }
  }
  relief_->Post([this] { Drain(); });
}

void Strand::RunAndWait(absl::AnyInvocable<void()> task) {
  if (RunsHere()) {
    task();
    return;
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool ran = false;
  Run([&] {
    task();
    std::lock_guard<std::mutex> lock(mutex);
    ran = true;
    changed.notify_one();  // under the lock: the waiter's frame may be gone as soon as it is free
  });
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return ran; });
}

}  // namespace quorate::quorum
