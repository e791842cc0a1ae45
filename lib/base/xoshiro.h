// xoshiro256** (Blackman, Vigna), seeded through splitmix64: a small generator of our own, because the
// standard library's distributions differ between implementations and a seed must replay anywhere.
#ifndef QUORATE_BASE_XOSHIRO_H_
#define QUORATE_BASE_XOSHIRO_H_

#include <bit>
#include <cstdint>

#include "quorate/environment.h"

namespace quorate {

class Xoshiro final : public Random {
 public:
  explicit Xoshiro(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  uint64_t Next() override {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  uint64_t state_[4];
};

}  // namespace quorate

#endif  // QUORATE_BASE_XOSHIRO_H_
