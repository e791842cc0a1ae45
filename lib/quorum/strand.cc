#include "quorum/strand.h"

#include <utility>

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
    for (Task& task : round_) {
      if (on_turn_) on_turn_(true);
      std::move(task)();
      if (on_turn_) on_turn_(false);
    }
    round_.clear();
    if (on_turn_) on_turn_(true);
    if (flush_) flush_();
    if (on_turn_) on_turn_(false);
    runner_.store(std::thread::id(), std::memory_order_relaxed);
    std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.empty()) {
      running_ = false;
      return;
    }
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    parked_ = true;
    changed_.notify_all();
  }
  relief_->Post([this] { Resume(); });
}

void Strand::Resume() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!std::exchange(parked_, false)) return;
  }
  Drain();
}

void Strand::RunAndWait(absl::AnyInvocable<void()> task) {
  if (RunsHere()) {
    task();
    return;
  }
  bool ran = false;  // guarded by mutex_
  Run([&] {
    task();
    std::lock_guard<std::mutex> lock(mutex_);
    ran = true;
    changed_.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return ran || parked_; });
    if (ran) return;
    lock.unlock();
    Resume();
    lock.lock();
  }
}

}  // namespace quorate::quorum
