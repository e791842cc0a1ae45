// CRC-64/ECMA-182, for whole files: a CRC-32C of a gigabyte misses one damage in four billion, and a snapshot is
// trusted as a whole. Computed by ISA-L at memory speed. This is the plain form (ECMA-182, not the reflected
// CRC-64/XZ): starts at 0, highest bit first, not inverted; "123456789" gives 0x6C40DF5F0B497347.
#ifndef QUORATE_BASE_CRC64_H_
#define QUORATE_BASE_CRC64_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace quorate {

uint64_t Crc64(absl::string_view data);
// The CRC of a followed by b, given the CRC of a.
uint64_t ExtendCrc64(uint64_t crc_of_a, absl::string_view b);

}  // namespace quorate

#endif  // QUORATE_BASE_CRC64_H_
