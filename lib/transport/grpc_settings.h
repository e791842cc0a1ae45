// The settings of gRPC that client and server must agree on, in one place.
#ifndef QUORATE_LIB_TRANSPORT_GRPC_SETTINGS_H_
#define QUORATE_LIB_TRANSPORT_GRPC_SETTINGS_H_

#include "absl/time/time.h"

namespace quorate::transport {

inline constexpr char kPeerExchangeMethod[] = "/quorate.v1.Peer/Exchange";

// A silent path is given up after the sum of both.
inline constexpr absl::Duration kClientKeepaliveTime = absl::Seconds(2);
inline constexpr absl::Duration kClientKeepaliveTimeout = absl::Seconds(2);
inline constexpr absl::Duration kServerKeepaliveTime = absl::Seconds(10);
inline constexpr absl::Duration kServerKeepaliveTimeout = absl::Seconds(5);
// Below the clients' interval, or the server would take their keepalive for a ping flood.
inline constexpr absl::Duration kServerPingIntervalMin = absl::Seconds(1);
inline constexpr int kServerPingStrikesMax = 4;
static_assert(kServerPingIntervalMin < kClientKeepaliveTime);

// What one stream may have in flight before its reader has consumed it. Larger messages still pass: gRPC widens
// the window for one that is being received.
inline constexpr int kStreamWindowBytes = 1 << 20;
inline constexpr int kHttp2FrameBytesMax = 256 << 10;

inline constexpr int kConcurrentStreamsMax = 1024;
inline constexpr size_t kServerMemoryBytesMax = 1u << 30;
inline constexpr int kServerThreadsMax = 64;

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_SETTINGS_H_
