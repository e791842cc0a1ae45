#include "quorum/completions.h"

#include <utility>

namespace quorate::quorum {

void Completions::Post(Task completion) {
  std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back(std::move(completion));
  if (std::exchange(turn_posted_, true)) return;
  Executor* const thread = stalled_ ? relief_.get() : apply_;
  thread->Post([this] { RunPosted(); });
}

void Completions::ApplyStalled(bool stalled) {
  std::lock_guard<std::mutex> lock(mutex_);
  stalled_ = stalled;
  if (!stalled) return;
  if (relief_ == nullptr) relief_ = executors_->MakeSerial("quorate-relief");
  // A turn on the apply thread will find nothing to do, should it ever come.
  turn_posted_ = !queue_.empty();
  if (turn_posted_) relief_->Post([this] { RunPosted(); });
}

void Completions::RunPosted() {
  std::unique_lock<std::mutex> lock(mutex_);
  turn_posted_ = false;
  // What comes meanwhile has another turn: a host that answers each completion with a call must not keep the thread.
  for (size_t left = queue_.size(); left > 0 && !queue_.empty(); --left) {
    {
      Task next = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      std::move(next)();
    }
    lock.lock();
  }
}

void Completions::AfterRelief(Task done) {
  Executor* relief = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    relief = relief_.get();
  }
  if (relief == nullptr) return std::move(done)();
  relief->Post(std::move(done));
}

void Completions::Stop() {
  std::unique_ptr<Executor> relief;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stalled_ = false;
    relief = std::move(relief_);
  }
}

}  // namespace quorate::quorum
