// File: quorate/transport.h
//
// How quorum members reach each other, as an interface. quorate brings an in-process adapter and one
// over gRPC (quorate/transport_adapters.h); a host may bring its own and run the conformance suite of
// quorate::testing on it.
//
// A transport is a postman, not a protocol: it may lose, repeat, delay and reorder messages, but delivers
// each one whole and unchanged, or not at all. It checks the cluster id and the addressee of each
// message before anybody else sees it (faults F-N09 to F-N11), and says when a connection breaks, because that
// is how a crashed leader is noticed first.
#ifndef QUORATE_TRANSPORT_H_
#define QUORATE_TRANSPORT_H_

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "quorate/messages.h"
#include "quorate/types.h"

namespace quorate {

// Gets what a transport brings. Called from the transport's threads, possibly several at once; must
// not block. Never called again after Transport::Stop returned.
class PeerHandler {
 public:
  virtual ~PeerHandler() = default;
  virtual void OnMessage(Message message) = 0;
  // The connection that we opened to `peer` is gone, or could not be made. Said once per loss.
  virtual void OnPeerDisconnected(NodeId peer) = 0;
  // A connection that we opened to `peer` stands.
  virtual void OnPeerConnected(NodeId peer) = 0;
};

struct TransportIdentity {
  ClusterId cluster_id;
  ReplicaKey self;
  IncarnationId incarnation;
};

// Thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;

  // `handler` outlives Stop. Called once.
  virtual absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) = 0;

  // Where `peer` is reached; replaces what was known. Requests to an unknown peer are dropped. The
  // transport connects at once and keeps the connection warm, with capped backoff, until ForgetPeer.
  // Ids below -1 stand for bootstrap servers.
  virtual void SetPeer(NodeId peer, const Endpoint& endpoint) = 0;
  virtual void ForgetPeer(NodeId peer) = 0;

  // Sends without blocking. A request goes to message.to.id; a response goes back on the newest
  // connection on which that replica sent us something. Dropped, and counted, when there is none or when
  // its queue is full (limits::kPeerSendQueueBytesMax).
  virtual void Send(Message message) = 0;

  // Closes everything, waits for handler calls that run. Idempotent.
  virtual void Stop() = 0;
};

// ---- Requests with one answer: admin, broker and forwarded requests --------------------------------

// What a method's handler gets.
struct RpcRequest {
  absl::string_view method;  // "/quorate.v1.Admin/CreateTopics"
  std::string payload;       // a serialized protocol buffer
  absl::Duration timeout;    // what is left of the caller's deadline; already capped by the server
  std::string peer;          // the caller's address, for logs
};
// Completes the call; exactly once, from any thread. Dropped when the caller went away.
using RpcReply = absl::AnyInvocable<void(absl::StatusOr<std::string>) &&>;
using RpcHandler = absl::AnyInvocable<void(RpcRequest, RpcReply)>;

// A port that serves named methods. Handlers may be called from several threads at once.
class RpcServer {
 public:
  virtual ~RpcServer() = default;
  // Before the server is started. One handler per method.
  virtual void Handle(std::string method, RpcHandler handler) = 0;
};

// Thread-safe.
class RpcClient {
 public:
  virtual ~RpcClient() = default;
  // `done` runs exactly once, on any thread, never inside the call: with the answer, with the error that
  // the handler gave (detail and all, quorate/status.h), or with kUnreachable / kDeadlineExceeded.
  // `timeout` must be finite and positive.
  virtual void Call(const Endpoint& to, absl::string_view method, std::string payload, absl::Duration timeout,
                    absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done) = 0;
};

}  // namespace quorate

#endif  // QUORATE_TRANSPORT_H_
