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
  // Everything is delivered on `executor`, in the order of sending if that is serial. `clock` is the one that the
  // executor's timers go by; calls that get no answer end by it. Both outlive the network and what it made.
  static std::unique_ptr<InProcessNetwork> Create(Executor* executor, Clock* clock);
  virtual ~InProcessNetwork() = default;

  // A transport that is reached under `self`'s address.
  virtual std::unique_ptr<Transport> MakeTransport(const Endpoint& self) = 0;
  // A server under `self`'s address, and a client that reaches all of them.
  virtual std::unique_ptr<RpcServer> MakeRpcServer(const Endpoint& self) = 0;
  virtual std::unique_ptr<RpcClient> MakeRpcClient() = 0;

  // Faults for tests: cuts or restores what goes from one address to another. A cut breaks the connections that
  // `from` opened to `to`; one that `to` opened stays, but what `from` answers on it is lost (F-N03: a one-way
  // partition). RPC clients have no address of their own; theirs is "".
  virtual void SetLink(const std::string& from_address, const std::string& to_address, bool up) = 0;

  struct Counters {
    uint64_t sent = 0;         // handed to the executor
    uint64_t unreachable = 0;  // dropped by the sender: no connection, no return path
    uint64_t overflowed = 0;   // dropped by the sender: limits::kPeerSendQueueBytesMax wait already
    uint64_t lost = 0;         // dropped on the way: link cut, receiver gone
    uint64_t refused = 0;      // dropped by the receiver's checks
  };
  [[nodiscard]] virtual Counters counters() const = 0;
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
  // Refuses new calls, waits for running ones up to `grace`, cancels the rest. Idempotent. Not from a handler.
  virtual void Stop(absl::Duration grace) = 0;

  struct Counters {
    uint64_t accepted = 0;
    uint64_t served = 0;              // spoke HTTP/2
    uint64_t refused_cap = 0;         // over a cap
    uint64_t refused_protocol = 0;    // garbage, HTTP/1, TLS to a plain port
    uint64_t handshake_timeouts = 0;  // said nothing for too long, or hung up before
    uint64_t accept_failures = 0;     // out of descriptors or memory
    int64_t live = 0;                 // connections now, as of the last look
  };
  [[nodiscard]] virtual Counters counters() const = 0;
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
class GrpcTransport : public Transport {
 public:
  struct Counters {
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t connects = 0;           // connections of ours that came to stand
    uint64_t disconnects = 0;        // losses reported to the handler
    uint64_t dropped_no_path = 0;    // sent to a peer that isn't connected
    uint64_t dropped_invalid = 0;    // ours, but not fit to be sent: foreign identity, a field or a size out of bounds
    uint64_t cut_slow_readers = 0;   // streams cut because their queue was full (F-N13)
    uint64_t refused_hellos = 0;     // wrong cluster, wrong replica, ourselves, malformed
    uint64_t refused_malformed = 0;  // messages that don't decode (F-N06)
    uint64_t refused_address = 0;    // messages for somebody else or in the wrong direction (F-N10, F-N11)
  };
  [[nodiscard]] virtual Counters counters() const = 0;
};
std::unique_ptr<GrpcTransport> NewGrpcTransport(GrpcTransportOptions options);

struct GrpcRpcClientOptions {
  absl::Duration connect_timeout = absl::Seconds(2);
  absl::Duration call_timeout_max = absl::Seconds(60);  // longer ones are cut to this
  size_t channels_max = 64;                             // the least recently used one is closed for a new one
};
// Keeps one connection per address. A call that can't connect fails at once; the next one tries anew. Destroying
// the client cancels its calls and waits for their continuations, so don't do it inside of one.
std::unique_ptr<RpcClient> NewGrpcRpcClient(GrpcRpcClientOptions options = {});

}  // namespace quorate

#endif  // QUORATE_TRANSPORT_ADAPTERS_H_
