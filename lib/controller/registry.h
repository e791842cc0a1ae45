// File: controller/registry.h
//
// Brokers come and go: registration, heartbeats, fencing, controlled shutdown, unregistration (KIP-631).
// A broker's state is in the image, its session in Sessions.
//
// Every function adds records to a draft in an order in which each of them leaves a legal state
// (fault F-B07): a broker that goes first leaves the ISRs and its leaderships, then is marked; one that
// comes is marked first, then may lead.
//
// Stateless besides the sessions; works on a Draft.
#ifndef QUORATE_CONTROLLER_REGISTRY_H_
#define QUORATE_CONTROLLER_REGISTRY_H_

#include "absl/status/statusor.h"
#include "controller/config.h"
#include "controller/draft.h"
#include "controller/requests.h"
#include "controller/sessions.h"

namespace quorate::controller {

absl::StatusOr<BrokerRegistrationResponse> RegisterBroker(const BrokerRegistrationRequest& request,
                                                          const ControllerConfig& config, Instant now,
                                                          Sessions& sessions, Draft& draft);

absl::StatusOr<BrokerHeartbeatResponse> Heartbeat(const BrokerHeartbeatRequest& request, const ControllerConfig& config,
                                                  Instant now, Sessions& sessions, Draft& draft);

absl::StatusOr<UnregisterBrokerResponse> UnregisterBroker(const UnregisterBrokerRequest& request,
                                                          const ControllerConfig& config, Draft& draft);

// Takes an unfenced broker out of service.
void FenceBroker(const BrokerInfo& broker, const ControllerConfig& config, Draft& draft);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_REGISTRY_H_
