// Who wants to know about leadership: a latest-value watch. A watcher that is slow misses what was
// superseded meanwhile, never the newest.
//
// Set and Deliver are called by one thread at a time each; Add and Remove from any.
#ifndef QUORATE_QUORUM_WATCHERS_H_
#define QUORATE_QUORUM_WATCHERS_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "quorate/state_machine.h"

namespace quorate::quorum {

class LeadershipWatchers {
 public:
  using Watcher = absl::AnyInvocable<void(const Leadership&)>;

  uint64_t Add(Watcher watcher);
  // After it returns the watcher isn't running and never runs again. From inside the watcher itself it
  // only guarantees the latter.
  void Remove(uint64_t id);
  void Set(const Leadership& leadership);
  [[nodiscard]] Leadership Get() const;
  // Calls each watcher that hasn't seen the newest value yet.
  void Deliver();

 private:
  struct Entry {
    Watcher watcher;
    bool told = false;  // has seen something
    Leadership last;
  };
  mutable std::mutex mutex_;
  std::condition_variable finished_;
  Leadership latest_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, std::shared_ptr<Entry>> entries_;
  uint64_t running_ = 0;  // id of the watcher that runs now; 0: none
  std::thread::id runner_;
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_WATCHERS_H_
