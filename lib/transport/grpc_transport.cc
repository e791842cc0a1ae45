// The public face of the gRPC transport; everything happens in PeerHub.
#include <memory>
#include <utility>

#include "quorate/transport_adapters.h"
#include "transport/grpc_listener.h"
#include "transport/peer_hub.h"

namespace quorate {
namespace {

class GrpcTransportImpl final : public GrpcTransport {
 public:
  explicit GrpcTransportImpl(std::shared_ptr<transport::PeerHub> hub) : hub_(std::move(hub)) {}
  ~GrpcTransportImpl() override { hub_->Stop(); }

  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override {
    return hub_->Start(identity, handler);
  }
  void SetPeer(NodeId peer, const Endpoint& endpoint) override { hub_->SetPeer(peer, endpoint); }
  void ForgetPeer(NodeId peer) override { hub_->ForgetPeer(peer); }
  void Send(Message message) override { hub_->Send(std::move(message)); }
  void Stop() override { hub_->Stop(); }
  [[nodiscard]] Counters counters() const override { return hub_->counters(); }

 private:
  const std::shared_ptr<transport::PeerHub> hub_;
};

}  // namespace

std::unique_ptr<GrpcTransport> NewGrpcTransport(GrpcTransportOptions options) {
  if (options.log_sink == nullptr) options.log_sink = NullLogSink();
  GrpcListener* listener = options.listener;
  auto hub = std::make_shared<transport::PeerHub>(std::move(options));
  // GrpcListener::Create is the only maker of listeners, so this is what it is.
  if (listener != nullptr) static_cast<transport::GrpcListenerImpl*>(listener)->ServePeers(hub);
  return std::make_unique<GrpcTransportImpl>(std::move(hub));
}

}  // namespace quorate
