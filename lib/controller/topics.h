// File: controller/topics.h
//
// Creating and deleting topics. Each topic of a request succeeds or fails by itself; all that succeed
// are one atomic change.
//
// Stateless; works on a Draft.
#ifndef QUORATE_CONTROLLER_TOPICS_H_
#define QUORATE_CONTROLLER_TOPICS_H_

#include "absl/status/statusor.h"
#include "controller/config.h"
#include "controller/draft.h"
#include "controller/requests.h"
#include "quorate/environment.h"

namespace quorate::controller {

// Both: an error refuses the whole request (POLICY_VIOLATION: more than limits::kRecordsPerOperationMax
// records; TOPIC_DELETION_DISABLED). Adds the records to the draft even if the request only validates.
absl::StatusOr<CreateTopicsResponse> CreateTopics(const CreateTopicsRequest& request, const ControllerConfig& config,
                                                  Random& random, Draft& draft);
absl::StatusOr<DeleteTopicsResponse> DeleteTopics(const DeleteTopicsRequest& request, const ControllerConfig& config,
                                                  Draft& draft);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_TOPICS_H_
