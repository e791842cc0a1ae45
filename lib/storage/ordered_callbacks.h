// Runs callbacks on somebody else's executor, in order, each exactly once: the memory adapters' half of the
// contract of quorate/storage.h. The executor may run tasks concurrently and may outlive us; so one drain
// task runs at a time, and what is left when we are destroyed runs there, told that it is the end.
#ifndef QUORATE_STORAGE_ORDERED_CALLBACKS_H_
#define QUORATE_STORAGE_ORDERED_CALLBACKS_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "absl/functional/any_invocable.h"
#include "quorate/environment.h"

namespace quorate::storage {

class OrderedCallbacks {
 public:
  // Called with true when the store is being destroyed.
  using Callback = absl::AnyInvocable<void(bool closing) &&>;

  // `executor` outlives this object.
  explicit OrderedCallbacks(Executor* executor) : executor_(executor), state_(std::make_shared<State>()) {}
  // Waits for a callback that runs, then runs the rest. Not to be called from a callback.
  ~OrderedCallbacks();
  OrderedCallbacks(const OrderedCallbacks&) = delete;
  OrderedCallbacks& operator=(const OrderedCallbacks&) = delete;

  void Post(Callback callback);

 private:
  // Shared with the drain task, which may come to run after us: it then finds nothing.
  struct State {
    std::mutex mutex;
    std::condition_variable stopped_running;
    std::deque<Callback> queue;  // guarded by mutex
    bool scheduled = false;      // guarded by mutex
    bool running = false;        // guarded by mutex
    bool closing = false;        // guarded by mutex
  };
  static void Drain(State& state);

  Executor* const executor_;
  const std::shared_ptr<State> state_;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_ORDERED_CALLBACKS_H_
