// Runs callbacks on somebody else's executor, in order, each exactly once: the memory adapters' half of the
// contract of quorate/storage.h. The executor may run tasks concurrently and may outlive us; so one drain
// task runs at a time, and what is left when we are destroyed runs there, told that it is the end.
#ifndef QUORATE_STORAGE_ORDERED_CALLBACKS_H_
#define QUORATE_STORAGE_ORDERED_CALLBACKS_H_

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
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
    absl::Mutex mutex;
    std::deque<Callback> queue ABSL_GUARDED_BY(mutex);
    bool scheduled ABSL_GUARDED_BY(mutex) = false;
    bool running ABSL_GUARDED_BY(mutex) = false;
    bool closing ABSL_GUARDED_BY(mutex) = false;
  };
  static void Drain(State& state);

  Executor* const executor_;
  const std::shared_ptr<State> state_;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_ORDERED_CALLBACKS_H_
