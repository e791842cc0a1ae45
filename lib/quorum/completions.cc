#include "quorum/completions.h"

#include <utility>

namespace quorate::quorum {

void Completions::Post(Task completion) {
  std::lock_guard<std::mutex> lock(mutex_);
  queue_.push_back(std::move(completion));
  Executor* const thread = stalled_ ? relief_.get() : apply_;
  thread->Post([this] { RunOne(); });
}

void Completions::ApplyStalled(bool stalled) {
  std::lock_guard<std::mutex> lock(mutex_);
  stalled_ = stalled;
  if (!stalled) return;
  if (relief_ == nullptr) relief_ = executors_->MakeSerial("quorate-relief");
  // Their turns on the apply thread will find nothing to do, should it ever come to them.
  for (size_t i = 0; i < queue_.size(); ++i) relief_->Post([this] { RunOne(); });
}

void Completions::RunOne() {
  Task next;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.empty()) return;
    next = std::move(queue_.front());
    queue_.pop_front();
  }
  std::move(next)();
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
