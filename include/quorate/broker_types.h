// File: quorate/broker_types.h
//
// Small types about a broker's life that the node's status and the broker room share.
#ifndef QUORATE_BROKER_TYPES_H_
#define QUORATE_BROKER_TYPES_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace quorate {

// Kafka's states of a broker, with Kafka's numbers.
enum class BrokerState : uint8_t {
  kNotRunning = 0,
  kStarting = 1,  // registering, or registered and catching up with the metadata
  kRecovery = 2,  // caught up, and not (or no longer) unfenced
  kRunning = 3,
  kPendingControlledShutdown = 6,  // its leaderships are being moved away
  kShuttingDown = 7,
};
absl::string_view ToString(BrokerState state);

}  // namespace quorate

#endif  // QUORATE_BROKER_TYPES_H_
