// CRC-32C (Castagnoli), as Kafka's batches and ext4 use it; computed by ISA-L at memory speed.
#ifndef QUORATE_BASE_CRC32C_H_
#define QUORATE_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace quorate {

uint32_t Crc32c(absl::string_view data);
// The CRC of a followed by b, given the CRC of a.
uint32_t ExtendCrc32c(uint32_t crc_of_a, absl::string_view b);

}  // namespace quorate

#endif  // QUORATE_BASE_CRC32C_H_
