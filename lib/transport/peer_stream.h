// The two ends of a peer stream (/quorate.v1.Peer/Exchange) as gRPC reactors: OutboundStream at the node that opened
// it and sends requests, InboundStream at the node that serves it and sends responses. Both read one message at a
// time, on whatever thread gRPC read it, and hand it to the hub there; the next read starts after that. Both write
// through an OutQueue, from the sender's own thread when the stream is idle.
//
// Ends, and why nothing is called on a dead call: a reactor's last callback is OnDone, and gRPC gives it only after
// the call ended and nothing is outstanding. Reading is the only place that notices the end. It closes the OutQueue,
// whose last user then releases the hold (client) or calls Finish (server); so both happen once, and never while
// somebody is about to write. The hub counts reactors between their creation and OnDone; Stop waits for zero.
//
// Only the gRPC adapter's own files include this.
#ifndef QUORATE_LIB_TRANSPORT_PEER_STREAM_H_
#define QUORATE_LIB_TRANSPORT_PEER_STREAM_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "quorate/environment.h"
#include "quorate/messages.h"
#include "transport/grpc_bytes.h"
#include "transport/out_queue.h"
#include "transport/peer_codec.h"

namespace quorate::transport {

class PeerHub;

// Encodes for one stream and queues. Returns what became of the message.
enum class SendResult : uint8_t { kSent, kInvalid, kFull, kClosed };

class OutboundStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  OutboundStream(std::shared_ptr<PeerHub> hub, NodeId peer, Endpoint endpoint);

  // Connects and says hello. Once.
  void Start(absl::Duration connect_timeout);
  // After the hub was told that the stream is up.
  SendResult Send(Message message);
  void Cancel();
  // The other side took too long to answer the hello.
  void GiveUp();

  [[nodiscard]] NodeId peer() const { return peer_; }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  // The address led back to this very process. Final when the stream is done.
  [[nodiscard]] bool met_ourselves() const { return met_ourselves_; }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;
  bool AcceptHello();
  void Apply(OutQueue<WireBuffer>::Next next, bool more_behind);

  const std::shared_ptr<PeerHub> hub_;
  const NodeId peer_;
  const Endpoint endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  OutQueue<WireBuffer> queue_;
  StreamEnds ends_;  // remote: from the answer to our hello
  bool greeted_ = false;
  std::atomic<bool> gave_up_{false};
  bool met_ourselves_ = false;
  absl::Status refusal_;  // why our side didn't want the connection
};

class InboundStream final : public grpc::ServerGenericBidiReactor {
 public:
  InboundStream(std::shared_ptr<PeerHub> hub, grpc::GenericCallbackServerContext* context);

  // Begins to read. Once, when the hub knows of the stream.
  void Start();
  SendResult Send(Message message);
  void Cancel();

  [[nodiscard]] bool greeted() const { return greeted_.load(std::memory_order_acquire); }
  [[nodiscard]] Instant created() const { return created_; }
  // After the hello.
  [[nodiscard]] const ReplicaKey& remote() const { return ends_.remote.self; }

  // Whether responses to remote() go out here. The hub's.
  std::atomic<bool> is_return_path{false};

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;
  absl::Status AcceptHello();
  void Close(const absl::Status& status);
  void Apply(OutQueue<WireBuffer>::Next next, bool more_behind);

  const std::shared_ptr<PeerHub> hub_;
  const std::string address_;
  const Instant created_;
  grpc::ByteBuffer incoming_;
  OutQueue<WireBuffer> queue_;
  StreamEnds ends_;
  std::atomic<bool> greeted_{false};
  absl::Status final_status_;
  std::mutex mutex_;
  grpc::GenericCallbackServerContext* context_;  // guarded by mutex_; null when the call is over
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_PEER_STREAM_H_
