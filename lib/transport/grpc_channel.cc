#include "transport/grpc_channel.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "transport/grpc_settings.h"

namespace quorate::transport {
namespace {

constexpr absl::Duration kReconnectBackoffMin = absl::Milliseconds(20);
constexpr absl::Duration kReconnectBackoffMax = absl::Milliseconds(500);

int Millis(absl::Duration d) { return static_cast<int>(absl::ToInt64Milliseconds(d)); }

// A literal address needs no resolver, hence no resolver's thread, cache or backoff.
std::string TargetOf(const Endpoint& endpoint) {
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) return absl::StrCat("ipv4:", endpoint.Address());
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6) == 1) {
    return absl::StrCat("ipv6:%5B", endpoint.host, "%5D:", endpoint.port);
  }
  return absl::StrCat("dns:///", endpoint.Address());
}

}  // namespace

std::shared_ptr<grpc::Channel> NewChannel(const Endpoint& endpoint, const ChannelLimits& limits) {
  grpc::ChannelArguments args;
  args.SetMaxSendMessageSize(static_cast<int>(limits.send_bytes_max));
  args.SetMaxReceiveMessageSize(static_cast<int>(limits.receive_bytes_max));
  args.SetInt(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(limits::kRpcMetadataBytesMax));
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, Millis(kReconnectBackoffMin));
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, Millis(kReconnectBackoffMax));
  // gRPC has no connect timeout of its own; an attempt may take as long as the minimal backoff.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Millis(limits.connect_timeout));
  args.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, Millis(kReconnectBackoffMax));
  // A dead path is noticed by keepalive, which also makes gRPC set TCP_USER_TIMEOUT on the socket.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(kClientKeepaliveTime));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(kClientKeepaliveTimeout));
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Windows are fixed: the probing that would adapt them costs a ping and its answer in every burst.
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  args.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kHttp2FrameBytesMax);
  // What to retry is decided by those who know whether that is safe.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  return grpc::CreateCustomChannel(TargetOf(endpoint), grpc::InsecureChannelCredentials(), args);
}

}  // namespace quorate::transport
