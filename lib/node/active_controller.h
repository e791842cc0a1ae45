// File: node/active_controller.h
//
// The active controller at work: what controller::Controller decides becomes a proposal to the quorum, and its answer
// goes out when that is committed and in this node's image. The controller itself is pure; this is the part with the
// log, the timers and the waiting callers.
//
//   request -> decision on the uncommitted image -> records encoded once -> proposal at a promised offset
//           -> replayed into the uncommitted image -> committed and applied -> answer
//
// Life: it claims once this node's own first record of the epoch is committed and applied, hence every earlier
// one, too. It renounces when leadership goes: uncommitted images are dropped (F-B08), callers of decisions
// that were in the log hear "unknown", the others "not applied" (M-31). Should the log refuse one proposal while
// leadership stays, the images after it rest on records that will never exist; then it renounces as
// well, and claims again once nothing of it is on its way any more.
//
// An answer that needs no record waits for the records that it was decided on: "exists already" about a topic whose
// creation is later lost would be a lie.
//
// Threads: methods marked [any] from any thread; all others on the engine's strand, as all callbacks are.
#ifndef QUORATE_NODE_ACTIVE_CONTROLLER_H_
#define QUORATE_NODE_ACTIVE_CONTROLLER_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controller/controller.h"
#include "quorate/environment.h"
#include "quorate/log_sink.h"
#include "quorum/engine.h"

namespace quorate::node {

template <typename Response>
using ControllerDone = absl::AnyInvocable<void(absl::StatusOr<Response>) &&>;

class ActiveController {
 public:
  // Pointers outlive the engine's last callback. `idle_interval` 0: no empty records (KIP-835).
  ActiveController(NodeId self, controller::ControllerConfig config, absl::Duration idle_interval, Clock* clock,
                   Random* random, std::shared_ptr<LogSink> log_sink);

  // Before the engine starts.
  void Attach(quorum::Engine* engine) { engine_ = engine; }

  [[nodiscard]] bool active() const { return controller_.active(); }
  // What it decides on: the committed image and what it proposed since. Null while it isn't active.
  [[nodiscard]] MetadataImagePtr uncommitted() const { return active() ? controller_.uncommitted() : nullptr; }

  // `committed` holds everything that was applied before.
  void OnLeadership(const Leadership& leadership, const MetadataImagePtr& committed);
  // A newer image was committed. Before the proposals in it are completed.
  void OnCommitted(const MetadataImagePtr& committed);
  // What was committed was replaced by a snapshot. A leader never gets one (M-23), so nothing of ours is in its way;
  // should the impossible happen, no decision outlives the image that it was made on.
  void OnLoaded(const MetadataImagePtr& committed);
  void OnHalted();

  // [any] `done` runs exactly once, on the strand.
  template <typename Request, typename Response>
  void Submit(absl::StatusOr<controller::Decision<Response>> (controller::Controller::*method)(
                  const Request&, const controller::RequestContext&),
              Request request, ControllerDone<Response> done) {
    engine_->RunOnStrand([this, method, request = std::move(request), done = std::move(done)]() mutable {
      Decide(method, request, std::move(done));
    });
  }

 private:
  using Completion = absl::AnyInvocable<void(absl::Status) &&>;
  struct Deferred {
    Offset after;  // complete when everything below is committed
    Completion done;
  };

  template <typename Request, typename Response>
  void Decide(absl::StatusOr<controller::Decision<Response>> (controller::Controller::*method)(
                  const Request&, const controller::RequestContext&),
              const Request& request, ControllerDone<Response> done) {
    if (!controller_.active()) {
      std::move(done)(NotActive());
      return;
    }
    absl::StatusOr<controller::Decision<Response>> decision = (controller_.*method)(request, Context());
    if (!decision.ok()) {
      HaltIfCorrupt(decision.status());
      std::move(done)(decision.status());
      ArmTimer();
      return;
    }
    Carry(std::move(decision->records), decision->atomic,
          [response = std::move(decision->response), done = std::move(done)](absl::Status status) mutable {
            if (!status.ok()) {
              std::move(done)(std::move(status));
            } else {
              std::move(done)(std::move(response));
            }
          });
    ArmTimer();
  }

  void Claim(Epoch epoch, const MetadataImagePtr& committed);
  void Renounce(const absl::Status& why);
  void Carry(std::vector<metadata::Record> records, bool atomic, Completion done);
  absl::Status Propose(absl::Span<const metadata::Record> records, Completion done);
  void OnProposalFailed(Epoch epoch, const absl::Status& why);
  void ReclaimWhenSettled();
  void ArmTimer();
  void OnTimer();
  void HaltIfCorrupt(const absl::Status& status);
  [[nodiscard]] controller::RequestContext Context() const;
  [[nodiscard]] absl::Status NotActive() const;
  void Log(LogLevel level, absl::string_view line) { log_sink_->Write(level, "controller", line); }

  const NodeId self_;
  const absl::Duration idle_interval_;
  Clock* const clock_;
  const std::shared_ptr<LogSink> log_sink_;
  quorum::Engine* engine_ = nullptr;
  controller::Controller controller_;
  Leadership leadership_;
  Epoch claimed_epoch_;
  MetadataImagePtr committed_ = MetadataImage::Empty();
  std::deque<Deferred> deferred_;  // ascending
  bool reclaim_ = false;
  Instant last_write_;
  Instant tick_not_before_;  // the log refused what came of the last one
  Instant timer_armed_for_ = Instant::Infinite();
  Executor::TimerId timer_ = Executor::kNoTimer;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACTIVE_CONTROLLER_H_
