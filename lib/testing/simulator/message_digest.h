// A number that stands for everything that a message says: for the trace hash, and to name messages in reports.
//
// Pure functions; any thread.
#ifndef QUORATE_TESTING_SIMULATOR_MESSAGE_DIGEST_H_
#define QUORATE_TESTING_SIMULATOR_MESSAGE_DIGEST_H_

#include <cstdint>

#include "quorate/messages.h"

namespace quorate::testing::simulator {

// Equal for messages that say the same; a batch counts by its checksum and length.
uint64_t MessageDigest(const Message& message);

// Of any bytes. Not a checksum for disks: only for comparing within one build of the library.
uint64_t BytesDigest(absl::string_view bytes, uint64_t seed = 0);

Epoch EpochOf(const Message& message);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_MESSAGE_DIGEST_H_
