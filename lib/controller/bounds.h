// File: controller/bounds.h
//
// The bound on what one request of a user may change at once: beyond it, the answer is Kafka's.
#ifndef QUORATE_CONTROLLER_BOUNDS_H_
#define QUORATE_CONTROLLER_BOUNDS_H_

#include "absl/status/status.h"
#include "controller/errors.h"
#include "quorate/status.h"

namespace quorate::controller {

// More than limits::kRecordsPerOperationMax records.
inline absl::Status TooManyRecords() {
  return MakeKafkaError(kPolicyViolation, "Unable to perform excessively large batch operation.");
}

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_BOUNDS_H_
