// File: controller/errors.h
//
// The numbers of Kafka's errors that the controller answers with (KafkaErrorName has their names).
#ifndef QUORATE_CONTROLLER_ERRORS_H_
#define QUORATE_CONTROLLER_ERRORS_H_

#include <cstdint>

namespace quorate::controller {

inline constexpr int16_t kUnknownTopicOrPartition = 3;
inline constexpr int16_t kInvalidTopicException = 17;
inline constexpr int16_t kUnsupportedVersion = 35;
inline constexpr int16_t kTopicAlreadyExists = 36;
inline constexpr int16_t kInvalidPartitions = 37;
inline constexpr int16_t kInvalidReplicationFactor = 38;
inline constexpr int16_t kInvalidReplicaAssignment = 39;
inline constexpr int16_t kNotController = 41;
inline constexpr int16_t kInvalidRequest = 42;
inline constexpr int16_t kPolicyViolation = 44;
inline constexpr int16_t kTopicDeletionDisabled = 73;
inline constexpr int16_t kFencedLeaderEpoch = 74;
inline constexpr int16_t kStaleBrokerEpoch = 77;
inline constexpr int16_t kInvalidUpdateVersion = 95;
inline constexpr int16_t kUnknownTopicId = 100;
inline constexpr int16_t kDuplicateBrokerRegistration = 101;
inline constexpr int16_t kBrokerIdNotRegistered = 102;
inline constexpr int16_t kInconsistentClusterId = 104;
inline constexpr int16_t kIneligibleReplica = 107;
inline constexpr int16_t kInvalidRegistration = 119;

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_ERRORS_H_
