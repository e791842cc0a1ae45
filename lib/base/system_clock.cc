#include <ctime>

#include "quorate/system.h"

namespace quorate {
namespace {

class MonotonicClock final : public Clock {
 public:
  Instant Now() override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Instant::FromNanos(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
  }
  absl::Time WallNow() override { return absl::Now(); }
};

}  // namespace

Clock* SystemClock() {
  static MonotonicClock clock;
  return &clock;
}

}  // namespace quorate
