// Messages to try a transport with: two that are quickly made, and one of every kind with every field set.
//
// Pure functions.
#ifndef QUORATE_TESTING_SAMPLE_MESSAGES_H_
#define QUORATE_TESTING_SAMPLE_MESSAGES_H_

#include <cstddef>
#include <cstdint>

#include "quorate/testing/transport_conformance.h"

namespace quorate::testing {

Message MakeRequest(const TransportIdentity& from, const ReplicaKey& to, uint64_t id);
// One record of so many bytes.
Batch MakeBatch(Offset base, size_t record_bytes);

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_SAMPLE_MESSAGES_H_
