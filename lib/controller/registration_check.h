// File: controller/registration_check.h
//
// Whether what a broker says about itself can be right, apart from who it is: its directories, the
// features that it supports, where it listens. All of it comes from a network, so lengths are measured
// as well.
//
// Pure.
#ifndef QUORATE_CONTROLLER_REGISTRATION_CHECK_H_
#define QUORATE_CONTROLLER_REGISTRATION_CHECK_H_

#include "absl/status/status.h"
#include "controller/requests.h"

namespace quorate::controller {

// INVALID_REGISTRATION or UNSUPPORTED_VERSION.
absl::Status CheckRegistration(const BrokerRegistrationRequest& request, const MetadataImage& image);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_REGISTRATION_CHECK_H_
