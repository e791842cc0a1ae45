#include "storage/ordered_callbacks.h"

#include <mutex>
#include <utility>

namespace quorate::storage {

OrderedCallbacks::~OrderedCallbacks() {
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->closing = true;
    state_->stopped_running.wait(lock, [this] { return !state_->running; });
  }
  // A callback may post another one: it comes to run here as well, after it.
  while (true) {
    Callback callback;
    {
      std::lock_guard<std::mutex> lock(state_->mutex);
      if (state_->queue.empty()) return;
      callback = std::move(state_->queue.front());
      state_->queue.pop_front();
    }
    std::move(callback)(/*closing=*/true);
  }
}

void OrderedCallbacks::Post(Callback callback) {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
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
      std::lock_guard<std::mutex> lock(state.mutex);
      state.running = false;
      if (state.closing) {
        state.stopped_running.notify_all();
        return;
      }
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
