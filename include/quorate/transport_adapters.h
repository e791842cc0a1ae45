// File: quorate/transport_adapters.h
//
// The transports that quorate brings: in process, and over gRPC. No gRPC type shows here; only the
// gRPC part needs quorate::grpc to be linked.
#ifndef QUORATE_TRANSPORT_ADAPTERS_H_
#define QUORATE_TRANSPORT_ADAPTERS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/limits.h"
#include "quorate/log_sink.h"
#include "quorate/transport.h"

namespace quorate {

// ---- In process ------------------------------------------------------------------------------------

// Connects nodes of one process by endpoint address. Thread-safe; outlives all that it made.
class InProcessNetwork {
 public:
  // Messages are delivered on `executor`, which outlives the network.
  static std::unique_ptr<InProcessNetwork> Create(Executor* executor);
  virtual ~InProcessNetwork() = default;

  // A transport that is reached under `self`'s address.
  virtual std::unique_ptr<Transport> MakeTransport(const Endpoint& self) = 0;
  // A server under `self`'s address, and a client that reaches all of them.
  virtual std::unique_ptr<RpcServer> MakeRpcServer(const Endpoint& self) = 0;
  virtual std::unique_ptr<RpcClient> MakeRpcClient() = 0;

  // Faults for tests: cuts or restores what goes from one address to another; breaks connections.
  virtual void SetLink(const std::string& from_address, const std::string& to_address, bool up) = 0;
};

// ---- gRPC ------------------------------------------------------------------------------------------

struct GrpcListenerOptions {
  Endpoint bind;  // port 0: any free one
  int connections_max = limits::kConnectionsMax;
  int connections_per_address_max = limits::kConnectionsPerAddressMax;
  absl::Duration handshake_timeout = absl::Seconds(10);
  absl::Duration call_timeout_max = absl::Seconds(60);
  std::shared_ptr<LogSink> log_sink;  // null: NullLogSink()
};

// A port with an accept loop of our own behind it: it survives running out of descriptors, and will tell
// protocols apart by their first bytes. Serves RPC methods and, if a transport was made for it, peers.
class GrpcListener : public RpcServer {
 public:
  // Binds at once, so that a port in use is found out before anything else starts (kInUse).
  static absl::StatusOr<std::unique_ptr<GrpcListener>> Create(GrpcListenerOptions options);
  // Accepts from now on. Once.
  virtual absl::Status Start() = 0;
  [[nodiscard]] virtual uint16_t port() const = 0;  // the real one
  // Refuses new calls, waits for running ones up to `grace`, cancels the rest. Idempotent.
  virtual void Stop(absl::Duration grace) = 0;
};

struct GrpcTransportOptions {
  // Where peers reach us; null: we only call out (a broker-only node). Outlives the transport; the
  // transport must be made before the listener starts.
  GrpcListener* listener = nullptr;
  absl::Duration reconnect_backoff_min = absl::Milliseconds(10);
  absl::Duration reconnect_backoff_max = absl::Milliseconds(500);
  absl::Duration connect_timeout = absl::Seconds(2);
  std::shared_ptr<LogSink> log_sink;  // null: NullLogSink()
};
std::unique_ptr<Transport> NewGrpcTransport(GrpcTransportOptions options);

// Keeps one channel per address, with capped reconnect backoff.
std::unique_ptr<RpcClient> NewGrpcRpcClient();

}  // namespace quorate

#endif  // QUORATE_TRANSPORT_ADAPTERS_H_
