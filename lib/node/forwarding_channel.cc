#include "node/forwarding_channel.h"

#include <string>

#include "node/broker_codec.h"
#include "node/methods.h"

namespace quorate::node {

template <typename T>
void ForwardingChannel::Send(const char* method, std::string payload, absl::Duration timeout,
                             absl::StatusOr<T> (*decode)(absl::string_view), broker::ChannelDone<T> done) {
  ControllerCall call;
  call.method = method;
  call.payload = std::move(payload);
  call.timeout = timeout;
  // The same incarnation may register twice, a heartbeat says what is, and an ISR change names its epochs.
  call.idempotent = true;
  forwarder_->Send(std::move(call), [decode, done = std::move(done)](absl::StatusOr<std::string> answer) mutable {
    if (answer.ok()) {
      std::move(done)(decode(*answer));
    } else {
      std::move(done)(answer.status());
    }
  });
}

void ForwardingChannel::Register(broker::Registration registration, absl::Duration timeout,
                                 broker::ChannelDone<BrokerEpoch> done) {
  Send<BrokerEpoch>(kRegisterBroker, EncodeRegistration(registration), timeout, &DecodeRegistered, std::move(done));
}

void ForwardingChannel::SendHeartbeat(broker::Heartbeat heartbeat, absl::Duration timeout,
                                      broker::ChannelDone<broker::HeartbeatReply> done) {
  Send<broker::HeartbeatReply>(kBrokerHeartbeat, EncodeHeartbeat(heartbeat), timeout, &DecodeHeartbeatReply,
                               std::move(done));
}

void ForwardingChannel::AlterPartition(broker::IsrChangeRequest request, absl::Duration timeout,
                                       broker::ChannelDone<broker::IsrChangeReply> done) {
  Send<broker::IsrChangeReply>(kAlterPartition, EncodeIsrChanges(request), timeout, &DecodeIsrOutcomes,
                               std::move(done));
}

}  // namespace quorate::node
