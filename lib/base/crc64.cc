#include "base/crc64.h"

#include <isa-l/crc64.h>

namespace quorate {

uint64_t ExtendCrc64(uint64_t crc_of_a, absl::string_view b) {
  // ISA-L inverts what it is given and what it returns; ECMA-182 doesn't.
  const auto* bytes = reinterpret_cast<const unsigned char*>(b.data());
  return ~crc64_ecma_norm(~crc_of_a, bytes, b.size());
}

uint64_t Crc64(absl::string_view data) { return ExtendCrc64(0, data); }

}  // namespace quorate
