#include "storage/ordered_callbacks.h"

#include <utility>

namespace quorate::storage {

OrderedCallbacks::~OrderedCallbacks() {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->closing = true;
    state_->mutex.Await(absl::Condition(
        +[](State* state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state->mutex) { return !state->running; }, state_.get()));
  }
  // A callback may post another one: it comes to run here as well, after it.
  while (true) {
    Callback callback;
    {
      absl::MutexLock lock(&state_->mutex);
      if (state_->queue.empty()) return;
      callback = std::move(state_->queue.front());
      state_->queue.pop_front();
    }
    std::move(callback)(/*closing=*/true);
  }
}

void OrderedCallbacks::Post(Callback callback) {
  {
    absl::MutexLock lock(&state_->mutex);
    state_->queue.push_back(std::move(callback));
    if (state_->scheduled || state_->closing) return;
    state_->scheduled = true;
  }
  executor_->Post([state = state_] { Drain(*state); });
}

void OrderedCallbacks::Drain(State& state) {
  while (true) {
    Callback callback;
    {
      absl::MutexLock lock(&state.mutex);
      state.running = false;
      if (state.closing) return;
      if (state.queue.empty()) {
        state.scheduled = false;
        return;
      }
      callback = std::move(state.queue.front());
      state.queue.pop_front();
      state.running = true;
    }
    std::move(callback)(/*closing=*/false);
  }
}

}  // namespace quorate::storage
