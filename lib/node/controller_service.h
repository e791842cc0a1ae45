// File: node/controller_service.h
//
// The requests that only the active controller answers, on the node where it is: bytes to struct, struct to the
// controller, its answer to bytes. They come from this node's own forwarder, which knows that the controller is
// active here, or thinks so: the controller has the last word.
//
// Thread-safe. Answers come on the engine's strand.
#ifndef QUORATE_NODE_CONTROLLER_SERVICE_H_
#define QUORATE_NODE_CONTROLLER_SERVICE_H_

#include "node/active_controller.h"
#include "node/forwarder.h"
#include "quorum/engine.h"

namespace quorate::node {

class ControllerService {
 public:
  // Both outlive it.
  explicit ControllerService(ActiveController* controller) : controller_(controller) {}

  // Before the engine starts.
  void Attach(quorum::Engine* engine) { engine_ = engine; }

  void Handle(ControllerCall call, RpcReply reply);

 private:
  // Adding and removing voters, moving leadership: the quorum's leader decides, not the controller. False: it is none
  // of these; else `reply` is used.
  bool HandleQuorumChange(const ControllerCall& call, RpcReply& reply);

  ActiveController* const controller_;
  quorum::Engine* engine_ = nullptr;
};

// Checks what can be checked without the controller, so that nonsense is refused where it came in. `forwarded`: the
// request is marked as passed on.
absl::Status CheckControllerCall(absl::string_view method, absl::string_view payload, bool* forwarded);

// Whether doing it twice is doing it once, so that it may be sent again when its answer was lost.
bool IsIdempotentCall(absl::string_view method, absl::string_view payload);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_SERVICE_H_
