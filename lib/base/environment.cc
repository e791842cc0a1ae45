#include "quorate/environment.h"

namespace quorate {

uint64_t Random::Below(uint64_t bound) {
  // Values past the last whole multiple of `bound` would favour the small results: draw again.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = Next();
  while (value >= limit) value = Next();
  return value % bound;
}

}  // namespace quorate
