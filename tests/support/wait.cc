#include "support/wait.h"

#include <chrono>
#include <thread>

namespace quorate::testing {

bool WaitUntil(absl::FunctionRef<bool()> condition, absl::Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(kSlowdown * limit);
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return condition();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace quorate::testing
