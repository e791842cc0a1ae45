#include "controller/controller.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "controller/errors.h"
#include "controller/isr.h"
#include "controller/registry.h"
#include "controller/topics.h"
#include "metadata/image_builder.h"
#include "quorate/status.h"

namespace quorate::controller {
namespace {

absl::Status Inactive() {
  StatusDetail detail;
  detail.reason = Reason::kNotLeader;
  detail.outcome = Outcome::kNotApplied;
  detail.kafka_error = kNotController;
  return MakeError(detail, "The controller of this node isn't the active one.");
}

// Whether a registration has the epoch that its place in the log gives it, or amends one that has.
absl::Status CheckBrokerEpoch(const metadata::Record& record, Offset offset, const MetadataImage& image) {
  const auto* registration = std::get_if<metadata::RegisterBrokerRecord>(&record);
  if (registration == nullptr || registration->broker.epoch.value() == offset.value()) return absl::OkStatus();
  const BrokerInfo* existing = image.FindBroker(registration->broker.id);
  if (existing != nullptr && existing->epoch == registration->broker.epoch) return absl::OkStatus();
  return MakeError(
      Reason::kCorruption, Outcome::kUnknown,
      absl::StrCat("Broker ", registration->broker.id.value(), " was promised the epoch ",
                   registration->broker.epoch.value(), " and its registration is at offset ", offset.value(), "."));
}

}  // namespace

Controller::Controller(ControllerConfig config, Random& random)
    : config_(std::move(config)), random_(random), sessions_(config_.broker_session_timeout) {}

void Controller::Claim(MetadataImagePtr committed, Epoch epoch, Instant now) {
  uncommitted_ = std::move(committed);
  epoch_ = epoch;
  sessions_.Clear();
  uncommitted_->ForEachBroker([&](const BrokerInfo& broker) {
    sessions_.Touch(broker.id, now);
    if (!broker.fenced) sessions_.Track(broker.id);
    // When exactly its shutdown began, the former controller knew. It was no later than now.
    if (broker.in_controlled_shutdown) sessions_.SetShutdownOffset(broker.id, uncommitted_->provenance().end - 1);
    return true;
  });
}

void Controller::Renounce() {
  uncommitted_ = nullptr;
  sessions_.Clear();
}

// decide(Draft&) -> absl::StatusOr<Response>. What it decided is applied once here, so that records that
// no node could apply never reach the log.
template <typename Response, typename Decide>
absl::StatusOr<Decision<Response>> Controller::Make(const RequestContext& ctx, bool atomic, Decide decide) {
  if (!active()) return Inactive();
  if (ctx.next_offset < uncommitted_->provenance().end) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("The next record can't be at offset ", ctx.next_offset.value(), ": records up to ",
                                  uncommitted_->provenance().end.value(), " were replayed."));
  }
  Draft draft(uncommitted_, ctx.next_offset);
  absl::StatusOr<Response> response = decide(draft);
  if (!response.ok()) return response.status();
  if (absl::Status status = draft.Settle(); !status.ok()) return status;
  return Decision<Response>{std::move(draft).Take(), atomic, *std::move(response)};
}

absl::StatusOr<Decision<BootstrapResponse>> Controller::Bootstrap(const RequestContext& ctx) {
  return Make<BootstrapResponse>(ctx, true, [&](Draft& draft) -> absl::StatusOr<BootstrapResponse> {
    if (draft.image().FeatureLevel(kMetadataVersionFeature) == 0) {
      draft.Add(metadata::FeatureLevelRecord{std::string(kMetadataVersionFeature), config_.bootstrap_metadata_version});
    }
    return BootstrapResponse{};
  });
}

absl::StatusOr<Decision<BrokerRegistrationResponse>> Controller::RegisterBroker(
    const BrokerRegistrationRequest& request, const RequestContext& ctx) {
  return Make<BrokerRegistrationResponse>(ctx, false, [&](Draft& draft) {
    return controller::RegisterBroker(request, config_, ctx.now, sessions_, draft);
  });
}

absl::StatusOr<Decision<BrokerHeartbeatResponse>> Controller::Heartbeat(const BrokerHeartbeatRequest& request,
                                                                        const RequestContext& ctx) {
  return Make<BrokerHeartbeatResponse>(
      ctx, false, [&](Draft& draft) { return controller::Heartbeat(request, config_, ctx.now, sessions_, draft); });
}

absl::StatusOr<Decision<UnregisterBrokerResponse>> Controller::UnregisterBroker(const UnregisterBrokerRequest& request,
                                                                                const RequestContext& ctx) {
  return Make<UnregisterBrokerResponse>(
      ctx, true, [&](Draft& draft) { return controller::UnregisterBroker(request, config_, draft); });
}

absl::StatusOr<Decision<AlterPartitionResponse>> Controller::AlterPartition(const AlterPartitionRequest& request,
                                                                            const RequestContext& ctx) {
  return Make<AlterPartitionResponse>(ctx, false, [&](Draft& draft) {
    absl::StatusOr<AlterPartitionResponse> response = controller::AlterPartition(request, draft);
    if (response.ok()) response->controller_epoch = epoch_;
    return response;
  });
}

absl::StatusOr<Decision<CreateTopicsResponse>> Controller::CreateTopics(const CreateTopicsRequest& request,
                                                                        const RequestContext& ctx) {
  absl::StatusOr<Decision<CreateTopicsResponse>> decision = Make<CreateTopicsResponse>(
      ctx, true, [&](Draft& draft) { return controller::CreateTopics(request, config_, random_, draft); });
  if (decision.ok() && request.validate_only) decision->records.clear();
  return decision;
}

absl::StatusOr<Decision<DeleteTopicsResponse>> Controller::DeleteTopics(const DeleteTopicsRequest& request,
                                                                        const RequestContext& ctx) {
  return Make<DeleteTopicsResponse>(ctx, true,
                                    [&](Draft& draft) { return controller::DeleteTopics(request, config_, draft); });
}

absl::StatusOr<Decision<TickResponse>> Controller::Tick(const RequestContext& ctx) {
  return Make<TickResponse>(ctx, false, [&](Draft& draft) -> absl::StatusOr<TickResponse> {
    TickResponse response;
    for (NodeId stale : sessions_.Stale(ctx.now)) {
      const BrokerInfo* broker = draft.image().FindBroker(stale);
      if (broker == nullptr || broker->fenced) continue;
      FenceBroker(BrokerInfo(*broker), config_, draft);
      if (absl::Status status = draft.Settle(); !status.ok()) return status;
      response.fenced.push_back(stale);
    }
    return response;
  });
}

Instant Controller::NextDeadline() const { return active() ? sessions_.NextDeadline() : Instant::Infinite(); }

absl::Status Controller::Replay(absl::Span<const metadata::Record> records, Offset base_offset, Epoch epoch) {
  if (!active()) return Inactive();
  if (records.empty()) return absl::OkStatus();
  if (base_offset < uncommitted_->provenance().end) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("Records at offset ", base_offset.value(), " can't follow what ends at ",
                                  uncommitted_->provenance().end.value(), "."));
  }
  metadata::ImageBuilder builder(uncommitted_);
  Offset offset = base_offset;
  uint64_t unclean = 0;
  for (const metadata::Record& record : records) {
    if (absl::Status status = CheckBrokerEpoch(record, offset, *uncommitted_); !status.ok()) return status;
    if (absl::Status status = builder.Replay(record); !status.ok()) return status;
    const auto* change = std::get_if<metadata::PartitionChangeRecord>(&record);
    if (change != nullptr && change->leader && change->recovery == LeaderRecoveryState::kRecovering) ++unclean;
    ++offset;
  }
  metadata::BuiltImage built = std::move(builder).Build({offset, epoch});
  uncommitted_ = std::move(built.image);
  unclean_elections_ += unclean;
  for (NodeId id : built.delta.brokers) {
    const BrokerInfo* broker = uncommitted_->FindBroker(id);
    if (broker == nullptr) {
      sessions_.Forget(id);
    } else if (broker->fenced) {
      sessions_.Untrack(id);
    } else {
      sessions_.Track(id);
    }
  }
  return absl::OkStatus();
}

}  // namespace quorate::controller
