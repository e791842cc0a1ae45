// The listener behind GrpcListener: one grpc::Server fed by an AcceptLoop. Methods that somebody handles are registered
// and become UnaryCalls; a generic service takes everything else: the peer stream goes to the hub of the transport that
// was made for this listener, streams of bytes to their handlers, the rest is UNIMPLEMENTED. Methods are bytes in,
// bytes out: what a typed gRPC stub of the same name sends and expects, without protobuf in this room.
//
// Only the gRPC adapter's own files include this.
#ifndef QUORATE_LIB_TRANSPORT_GRPC_LISTENER_H_
#define QUORATE_LIB_TRANSPORT_GRPC_LISTENER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "quorate/transport_adapters.h"
#include "transport/accept_loop.h"
#include "transport/byte_stream.h"
#include "transport/peer_hub.h"
#include "transport/unary_call.h"

namespace quorate::transport {

class GrpcListenerImpl final : public GrpcListener, private grpc::CallbackGenericService {
 public:
  explicit GrpcListenerImpl(GrpcListenerOptions options);
  ~GrpcListenerImpl() override;

  absl::Status Bind();
  void Handle(std::string method, RpcHandler handler) override;
  absl::Status Start() override;
  [[nodiscard]] uint16_t port() const override { return loop_->port(); }
  void Stop(absl::Duration grace) override;
  [[nodiscard]] Counters counters() const override;

  // Before Start.
  void HandleStream(std::string method, ByteStreamFactory factory);
  // Peers that connect here talk to `hub`. Before Start.
  void ServePeers(std::shared_ptr<PeerHub> hub);

 private:
  class UnaryMethods;

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;
  grpc::ServerUnaryReactor* NewCall(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                    grpc::ByteBuffer* response, absl::string_view method, RpcHandler* handler);
  void Configure(grpc::ServerBuilder* builder);
  void HandOver(AcceptedConnection connection);
  void EndOverdueCalls();

  GrpcListenerOptions options_;
  std::unique_ptr<AcceptLoop> loop_;
  // Immutable after Start; calls hold views into the keys.
  absl::flat_hash_map<std::string, std::unique_ptr<RpcHandler>> handlers_;
  absl::flat_hash_map<std::string, ByteStreamFactory> streams_;
  std::shared_ptr<PeerHub> hub_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<UnaryMethods> methods_;  // outlives server_
  std::unique_ptr<grpc::Server> server_;
  CallWatch watch_;

  std::mutex mutex_;  // guards the three below
  bool started_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  std::condition_variable stop_ended_;  // stopped_ was set
  std::atomic<bool> refusing_{false};
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_GRPC_LISTENER_H_
