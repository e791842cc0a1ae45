// Client channels, with every setting that matters said out loud. A channel here is one TCP connection to one
// address: gRPC's global subchannel pool is not used, because in it a fresh channel inherits the backoff of an
// old one and a peer that came back would stay unreachable for as long as that lasts.
//
// Channels must be destroyed outside gRPC's callbacks: the last one takes the callback threads with it, and a thread
// can't join itself.
#ifndef QUORATE_LIB_TRANSPORT_GRPC_CHANNEL_H_
#define QUORATE_LIB_TRANSPORT_GRPC_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>

#include "absl/time/time.h"
#include "quorate/types.h"

namespace quorate::transport {

struct ChannelLimits {
  size_t send_bytes_max = 0;
  size_t receive_bytes_max = 0;
  absl::Duration connect_timeout;
};

std::shared_ptr<grpc::Channel> NewChannel(const Endpoint& endpoint, const ChannelLimits& limits);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_CHANNEL_H_
