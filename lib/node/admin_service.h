// File: node/admin_service.h
//
// What a node answers on its ports: the admin service on all of them, the brokers' service on the controller's.
// Requests that only the active controller can answer go through the forwarder; the others are answered from this
// node's image, after it has caught up with everything that was committed when the request came (thesis 6.4), so that
// who creates a topic through one node finds it through another. Kafka's brokers answer from whatever they have; here
// that is only the fallback while there is no quorum, and the answer says so ("stale").
//
// Thread-safe; handlers run on the ports' threads and block for nothing.
#ifndef QUORATE_NODE_ADMIN_SERVICE_H_
#define QUORATE_NODE_ADMIN_SERVICE_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "node/forwarder.h"
#include "node/image_slot.h"
#include "node/publisher_hub.h"
#include "quorate/transport.h"
#include "quorum/engine.h"

namespace quorate::node {

class AdminService {
 public:
  // All outlive it and its last answer.
  // `executor` encodes what is read from images: that may take longer than the strand may be kept.
  AdminService(ClusterId cluster_id, quorum::Engine* engine, const ImageSlot* image, const PublisherHub* hub,
               Executor* executor, std::shared_ptr<Forwarder> forwarder)
      : cluster_id_(cluster_id),
        engine_(engine),
        image_(image),
        hub_(hub),
        executor_(executor),
        forwarder_(std::move(forwarder)) {}

  void ServeAdmin(RpcServer* server);
  void ServeBrokers(RpcServer* server);

 private:
  using Answer = absl::AnyInvocable<std::string(const MetadataImage&, bool stale) &&>;

  void ToController(RpcRequest request, RpcReply reply);
  void FromImage(absl::Duration timeout, Answer answer, RpcReply reply);

  const ClusterId cluster_id_;
  quorum::Engine* const engine_;
  const ImageSlot* const image_;
  const PublisherHub* const hub_;
  Executor* const executor_;
  const std::shared_ptr<Forwarder> forwarder_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_SERVICE_H_
