// File: node/forwarding_channel.h
//
// The broker room's way to the active controller: its structs to messages, its calls through the forwarder.
//
// Thread-safe.
#ifndef QUORATE_NODE_FORWARDING_CHANNEL_H_
#define QUORATE_NODE_FORWARDING_CHANNEL_H_

#include <memory>
#include <utility>

#include "broker/controller_channel.h"
#include "node/forwarder.h"

namespace quorate::node {

class ForwardingChannel final : public broker::ControllerChannel {
 public:
  explicit ForwardingChannel(std::shared_ptr<Forwarder> forwarder) : forwarder_(std::move(forwarder)) {}

  void Register(broker::Registration registration, absl::Duration timeout,
                broker::ChannelDone<BrokerEpoch> done) override;
  void SendHeartbeat(broker::Heartbeat heartbeat, absl::Duration timeout,
                     broker::ChannelDone<broker::HeartbeatReply> done) override;
  void AlterPartition(broker::IsrChangeRequest request, absl::Duration timeout,
                      broker::ChannelDone<broker::IsrChangeReply> done) override;

 private:
  template <typename T>
  void Send(const char* method, std::string payload, absl::Duration timeout,
            absl::StatusOr<T> (*decode)(absl::string_view), broker::ChannelDone<T> done);

  const std::shared_ptr<Forwarder> forwarder_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_FORWARDING_CHANNEL_H_
