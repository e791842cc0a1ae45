// File: controller/topic_name.h
//
// Which topic names are allowed. Pure.
#ifndef QUORATE_CONTROLLER_TOPIC_NAME_H_
#define QUORATE_CONTROLLER_TOPIC_NAME_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace quorate::controller {

// 1 to 249 characters of [a-zA-Z0-9._-], neither "." nor ".."; otherwise INVALID_TOPIC_EXCEPTION.
absl::Status CheckTopicName(absl::string_view name);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_TOPIC_NAME_H_
