#include <sys/random.h>

#include <cerrno>

#include "quorate/system.h"

namespace quorate {
namespace {

uint64_t Entropy() {
  uint64_t value = 0;
  char* at = reinterpret_cast<char*>(&value);
  size_t missing = sizeof(value);
  while (missing > 0) {
    const ssize_t got = getrandom(at, missing, 0);

    if (got > 0) {
      at += got;
      missing -= static_cast<size_t>(got);
    }
  }
  return value;
}

// Ids must not repeat between processes or after fork, so every draw is the kernel's.
class KernelRandom final : public Random {
 public:
  uint64_t Next() override { return Entropy(); }
};

}  // namespace

Random* SystemRandom() {
  static KernelRandom random;
  return &random;
}

}  // namespace quorate
