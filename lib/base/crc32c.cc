#include "base/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <climits>

namespace quorate {

uint32_t ExtendCrc32c(uint32_t crc_of_a, absl::string_view b) {
  // ISA-L keeps the inverted register and leaves the final inversion to us; its length is an int.
  uint32_t state = ~crc_of_a;
  while (!b.empty()) {
    const size_t step = std::min<size_t>(b.size(), INT_MAX);
    auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(b.data()));
    state = crc32_iscsi(bytes, static_cast<int>(step), state);
    b.remove_prefix(step);
  }
  return ~state;
}

uint32_t Crc32c(absl::string_view data) { return ExtendCrc32c(0, data); }

}  // namespace quorate
