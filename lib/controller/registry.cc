#include "controller/registry.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "controller/bounds.h"
#include "controller/errors.h"
#include "controller/isr.h"
#include "controller/registration_check.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::controller {
namespace {

// What the heartbeat state table calls a broker's state.
enum class BrokerState : uint8_t { kFenced, kUnfenced, kControlledShutdown, kShutdownNow };

BrokerState StateOf(const BrokerInfo& broker) {
  if (broker.fenced) return BrokerState::kFenced;
  return broker.in_controlled_shutdown ? BrokerState::kControlledShutdown : BrokerState::kUnfenced;
}

// Whether every broker in service has applied the records that moved this one's partitions away: only then
// does nobody send it anything any more.
bool OthersKnowOfShutdown(const MetadataImage& image, const Sessions& sessions, Offset shutdown_offset) {
  bool all = true;
  image.ForEachBroker([&](const BrokerInfo& broker) {
    if (broker.active() && sessions.MetadataOffset(broker.id) < shutdown_offset) all = false;
    return all;
  });
  return all;
}

BrokerState NextState(const BrokerInfo& broker, const BrokerHeartbeatRequest& request, const MetadataImage& image,
                      const Sessions& sessions) {
  const bool leads = image.LeaderCount(broker.id) > 0;
  switch (StateOf(broker)) {
    case BrokerState::kFenced:
      if (request.want_shut_down) return BrokerState::kShutdownNow;
      if (request.want_fence) return BrokerState::kFenced;
      // Its own registration record must be applied, and so the clean-up of its former life (fault F-B03).
      return request.current_metadata_offset.value() >= broker.epoch.value() ? BrokerState::kUnfenced
                                                                             : BrokerState::kFenced;
    case BrokerState::kUnfenced:
      if (request.want_fence) return request.want_shut_down ? BrokerState::kShutdownNow : BrokerState::kFenced;
      if (!request.want_shut_down) return BrokerState::kUnfenced;
      return leads ? BrokerState::kControlledShutdown : BrokerState::kShutdownNow;
    case BrokerState::kControlledShutdown: {
      const std::optional<Offset> offset = sessions.ShutdownOffset(broker.id);
      if (leads || !offset || !OthersKnowOfShutdown(image, sessions, *offset)) return BrokerState::kControlledShutdown;
      return BrokerState::kShutdownNow;
    }
    case BrokerState::kShutdownNow:
      break;
  }
  return BrokerState::kShutdownNow;
}

}  // namespace

void FenceBroker(const BrokerInfo& broker, const ControllerConfig& config, Draft& draft) {
  LeaveIsrs(config, broker.id, draft);
  draft.Add(metadata::BrokerRegistrationChangeRecord{broker.id, broker.epoch, true, std::nullopt});
}

absl::StatusOr<BrokerRegistrationResponse> RegisterBroker(const BrokerRegistrationRequest& request,
                                                          const ControllerConfig& config, Instant now,
                                                          Sessions& sessions, Draft& draft) {
  const MetadataImage& image = draft.image();
  const BrokerInfo* existing = image.FindBroker(request.broker);
  const bool same_process = existing != nullptr && existing->incarnation == request.incarnation;
  if (request.cluster != config.cluster_id) {
    return MakeKafkaError(kInconsistentClusterId,
                          absl::StrCat("Broker ", request.broker.value(), " is of cluster ", request.cluster.ToString(),
                                       ", and this is cluster ", config.cluster_id.ToString(), "."));
  }
  if (existing != nullptr && !same_process && sessions.Valid(request.broker, now)) {
    return MakeKafkaError(kDuplicateBrokerRegistration,
                          absl::StrCat("Another broker is registered with the id ", request.broker.value(),
                                       " and is alive (incarnation ", existing->incarnation.ToString(), ")."));
  }
  if (absl::Status status = CheckRegistration(request, image); !status.ok()) return status;

  BrokerInfo broker;
  broker.id = request.broker;
  broker.incarnation = request.incarnation;
  broker.endpoints = request.endpoints;
  broker.features = request.features;
  broker.log_dirs = request.log_dirs;
  broker.rack = request.rack;
  if (same_process) {
    sessions.Touch(request.broker, now);
    broker.epoch = existing->epoch;
    broker.fenced = existing->fenced;
    broker.in_controlled_shutdown = existing->in_controlled_shutdown;
    if (!(broker == *existing)) draft.Add(metadata::RegisterBrokerRecord{broker});
    return BrokerRegistrationResponse{broker.epoch};
  }
  // Whatever the former process had acknowledged, this one may have lost (fault F-B03). Even a broker that
  // stopped cleanly must not be counted before it has caught up.
  LeaveIsrs(config, request.broker, draft);
  broker.epoch = BrokerEpoch(draft.next_offset().value());
  sessions.SetMetadataOffset(request.broker, kNoOffset);
  draft.Add(metadata::RegisterBrokerRecord{broker});
  return BrokerRegistrationResponse{broker.epoch};
}

absl::StatusOr<BrokerHeartbeatResponse> Heartbeat(const BrokerHeartbeatRequest& request, const ControllerConfig& config,
                                                  Instant now, Sessions& sessions, Draft& draft) {
  const MetadataImage& image = draft.image();
  const BrokerInfo* broker = image.FindBroker(request.broker);
  if (broker == nullptr) {
    return MakeKafkaError(kBrokerIdNotRegistered,
                          absl::StrCat("Broker ", request.broker.value(), " isn't registered."));
  }
  if (broker->epoch != request.epoch) {
    return MakeKafkaError(kStaleBrokerEpoch, absl::StrCat("Broker ", request.broker.value(),
                                                          " sends a heartbeat of its epoch ", request.epoch.value(),
                                                          "; it is registered in epoch ", broker->epoch.value(), "."));
  }
  sessions.Touch(request.broker, now);
  sessions.SetMetadataOffset(request.broker, request.current_metadata_offset);

  const BrokerInfo current = *broker;  // the image changes below
  const BrokerState before = StateOf(current);
  const BrokerState next = NextState(current, request, image, sessions);
  const bool goes = next == BrokerState::kFenced || next == BrokerState::kShutdownNow;
  if (next != before && goes && before != BrokerState::kFenced) {
    FenceBroker(current, config, draft);
  } else if (next == BrokerState::kUnfenced && before == BrokerState::kFenced) {
    // In service again: a controlled shutdown that it began before it was fenced is over.
    std::optional<bool> shutdown_over;
    if (current.in_controlled_shutdown) shutdown_over = false;
    draft.Add(metadata::BrokerRegistrationChangeRecord{current.id, current.epoch, false, shutdown_over});
    ElectLeaderless(config, current.id, draft);
  } else if (next == BrokerState::kControlledShutdown && before == BrokerState::kUnfenced) {
    LeaveIsrs(config, current.id, draft);
    draft.Add(metadata::BrokerRegistrationChangeRecord{current.id, current.epoch, std::nullopt, true});
    sessions.SetShutdownOffset(current.id, draft.next_offset() - 1);
  }
  BrokerHeartbeatResponse response;
  response.is_caught_up = request.current_metadata_offset.value() >= current.epoch.value();
  response.is_fenced = goes;
  response.should_shut_down = next == BrokerState::kShutdownNow;
  return response;
}

absl::StatusOr<UnregisterBrokerResponse> UnregisterBroker(const UnregisterBrokerRequest& request,
                                                          const ControllerConfig& config, Draft& draft) {
  const BrokerInfo* broker = draft.image().FindBroker(request.broker);
  if (broker == nullptr) {
    return MakeKafkaError(kBrokerIdNotRegistered,
                          absl::StrCat("Broker ", request.broker.value(), " isn't registered."));
  }
  LeaveIsrs(config, broker->id, draft);
  draft.Add(metadata::UnregisterBrokerRecord{broker->id, broker->epoch});
  if (draft.size() > limits::kRecordsPerOperationMax) return TooManyRecords();
  return UnregisterBrokerResponse{};
}

}  // namespace quorate::controller
