// File: controller/controller.h
//
// The active controller of the cluster's metadata: it decides, the quorum makes it so. A pure state
// machine: no threads, no clock, no I/O, and no randomness but what is handed in, so that a test drives
// it through any history and gets the same one twice.
//
// It runs ahead of the commit. A decision is made against the newest image including its own records
// that aren't committed yet (`uncommitted()`), so that two requests in a row can't both create one topic
// or both use the last of something; KRaft does the same (KIP-500). Were each decision to wait for the
// commit of the one before, throughput would be one change per fsync and round trip.
//
// How the node drives it, all on the node's strand:
//
//   1. Leadership, once the own first record is committed and applied (StateMachine::OnLeadership with
//      is_self): Claim(committed image, epoch, now), then Bootstrap(ctx) like any request.
//   2. A request: `auto decision = controller.CreateTopics(request, {now, log_end, wall});`
//        error                -> answer it. Nothing changed, and nothing is to be waited for.
//        records              -> encode them, hand them to the log as a proposal with the expected epoch,
//                                at exactly ctx.next_offset (one batch if decision.atomic or if they are
//                                at most limits::kRecordsPerOperationMax, else consecutive batches of that
//                                size). If the log took them: Replay(records, base offset, epoch), and
//                                answer when they are committed. If it refused them: forget the decision
//                                and answer with the log's error; the controller hasn't changed.
//        no records           -> answer when everything up to uncommitted()->provenance().end is
//                                committed: the decision may rest on records that aren't (a "topic
//                                exists" told before the topic's commit could turn out untrue).
//      Between a decision and its Replay nothing else may be asked: `next_offset` would no longer be true.
//   3. NextDeadline(): call Tick(ctx) then, and treat its decision as in 2, without anybody to answer. The
//      deadline moves with each call, so ask again after each. If the log refuses a Tick's records, the
//      deadline stays in the past: try again after a pause.
//   4. Committed records go to the metadata loader, not here. The controller's own records come back to it
//      in no way; what it replayed is what it decided.
//   5. Leadership lost, a proposal failed with an unknown outcome, or Replay failed: Renounce(). What
//      wasn't committed is gone with the image that held it (invariant I-19); a later Claim starts from
//      the committed image. A failed Replay, and a decision that fails with kCorruption, is a bug: halt.
//
// ctx.next_offset must be the real offset of the first record, because a broker's epoch is the offset of
// its registration (KIP-631).
//
// Not thread-safe: one strand. uncommitted() is an immutable image, which may be read anywhere.
#ifndef QUORATE_CONTROLLER_CONTROLLER_H_
#define QUORATE_CONTROLLER_CONTROLLER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "controller/config.h"
#include "controller/draft.h"
#include "controller/requests.h"
#include "controller/sessions.h"
#include "metadata/records.h"
#include "quorate/environment.h"
#include "quorate/metadata.h"

namespace quorate::controller {

struct BootstrapResponse {};

class Controller {
 public:
  // `random` outlives the controller.
  Controller(ControllerConfig config, Random& random);

  // Becomes active in `epoch`, on top of an image that holds everything that was committed before. All
  // brokers get fresh sessions (fault F-B04).
  void Claim(MetadataImagePtr committed, Epoch epoch, Instant now);
  // Inactive from now on. Idempotent.
  void Renounce();
  [[nodiscard]] bool active() const { return uncommitted_ != nullptr; }
  // The image that decisions are made against; null while inactive.
  [[nodiscard]] const MetadataImagePtr& uncommitted() const { return uncommitted_; }

  // The first records of a new cluster; none if there are any already.
  absl::StatusOr<Decision<BootstrapResponse>> Bootstrap(const RequestContext& ctx);

  // While inactive these answer NOT_CONTROLLER.
  absl::StatusOr<Decision<BrokerRegistrationResponse>> RegisterBroker(const BrokerRegistrationRequest& request,
                                                                      const RequestContext& ctx);
  absl::StatusOr<Decision<BrokerHeartbeatResponse>> Heartbeat(const BrokerHeartbeatRequest& request,
                                                              const RequestContext& ctx);
  absl::StatusOr<Decision<UnregisterBrokerResponse>> UnregisterBroker(const UnregisterBrokerRequest& request,
                                                                      const RequestContext& ctx);
  absl::StatusOr<Decision<AlterPartitionResponse>> AlterPartition(const AlterPartitionRequest& request,
                                                                  const RequestContext& ctx);
  absl::StatusOr<Decision<CreateTopicsResponse>> CreateTopics(const CreateTopicsRequest& request,
                                                              const RequestContext& ctx);
  absl::StatusOr<Decision<DeleteTopicsResponse>> DeleteTopics(const DeleteTopicsRequest& request,
                                                              const RequestContext& ctx);

  // Fences the brokers whose sessions ended, each on top of the effects of the one before.
  absl::StatusOr<Decision<TickResponse>> Tick(const RequestContext& ctx);
  // When Tick has something to do, if nothing is heard until then. Infinite while inactive.
  [[nodiscard]] Instant NextDeadline() const;

  // The log took `records` of a decision, at `base_offset` in `epoch`.
  absl::Status Replay(absl::Span<const metadata::Record> records, Offset base_offset, Epoch epoch);

  // Leaders that were elected from outside the ISR since this object was made: each may have lost
  // acknowledged data (fault F-B06).
  [[nodiscard]] uint64_t unclean_elections() const { return unclean_elections_; }

 private:
  template <typename Response, typename Decide>
  absl::StatusOr<Decision<Response>> Make(const RequestContext& ctx, bool atomic, Decide decide);

  const ControllerConfig config_;
  Random& random_;
  Sessions sessions_;
  Epoch epoch_;
  MetadataImagePtr uncommitted_;
  uint64_t unclean_elections_ = 0;
};

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_CONTROLLER_H_
