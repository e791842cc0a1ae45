// File: node/retry.h
//
// Which errors of a call say nothing about what was asked for, only that it hasn't found its way to who decides it.
//
// Pure function; any thread.
#ifndef QUORATE_NODE_RETRY_H_
#define QUORATE_NODE_RETRY_H_

#include "absl/status/status.h"
#include "quorate/status.h"

namespace quorate::node {

// The node that was asked couldn't be connected to. A leader that can't reach a controller which is to be added has the
// same reason, but it has decided something, and so Kafka's number of it is there.
inline bool WasNotReached(const absl::Status& error) {
  return ReasonOf(error) == Reason::kUnreachable && KafkaErrorOf(error) == 0;
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_RETRY_H_
