// Lets calls into somebody else's object through until it is closed, and then waits until the last one is out: how a
// service can promise that it touches its node no more.
//
// Why not a mutex around the calls: they may run long, at once, and inside each other.
//
// Thread-safe. CloseAndWait not from within a call.
#ifndef QUORATE_SERVICE_GATE_H_
#define QUORATE_SERVICE_GATE_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace quorate::service {

class Gate {
 public:
  // True: Leave must follow.
  [[nodiscard]] bool Enter() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void Leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--inside_ == 0 && closed_) empty_.notify_all();
  }
  void CloseAndWait() {
    std::unique_lock<std::mutex> lock(mutex_);
    closed_ = true;
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable empty_;
  int64_t inside_ = 0;   // guarded by mutex_
  bool closed_ = false;  // guarded by mutex_
};

}  // namespace quorate::service

#endif  // QUORATE_SERVICE_GATE_H_
