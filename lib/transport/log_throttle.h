// Lets the same complaint through at most once per interval, so that a misconfigured peer that knocks twice a second
// doesn't bury the log (F-N09: once per peer per minute). Remembers a bounded number of keys; when there are more,
// the oldest is forgotten. Thread-safe.
#ifndef QUORATE_LIB_TRANSPORT_LOG_THROTTLE_H_
#define QUORATE_LIB_TRANSPORT_LOG_THROTTLE_H_

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "absl/time/time.h"
#include "quorate/environment.h"

namespace quorate::transport {

class LogThrottle {
 public:
  explicit LogThrottle(absl::Duration interval) : interval_(interval) {}

  // Whether a line about `key` may be written at `now`.
  bool Allow(const std::string& key, Instant now) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto [it, inserted] = last_.try_emplace(key, now);
    if (!inserted && now - it->second < interval_) return false;
    it->second = now;
    if (last_.size() > kKeysMax) {
      last_.erase(std::min_element(last_.begin(), last_.end(),
                                   [](const auto& a, const auto& b) { return a.second < b.second; }));
    }
    return true;
  }

 private:
  static constexpr size_t kKeysMax = 1024;
  const absl::Duration interval_;
  std::mutex mutex_;
  std::map<std::string, Instant> last_;  // guarded by mutex_
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_LOG_THROTTLE_H_
