// What every fuzz target checks: whatever is accepted encodes to the very bytes that it came from, and whatever is
// refused is refused politely. A broken promise aborts, which is how libFuzzer hears of it.
#ifndef QUORATE_TESTS_FUZZ_FUZZ_H_
#define QUORATE_TESTS_FUZZ_FUZZ_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/string_view.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace quorate::fuzz {

inline absl::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void Promise(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace quorate::fuzz

#endif  // QUORATE_TESTS_FUZZ_FUZZ_H_
