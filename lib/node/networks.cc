// The two networks that nodes come with: gRPC over TCP, and the in-process one.
#include <unistd.h>

#include <utility>

#include "quorate/node.h"
#include "quorate/status.h"

namespace quorate {
namespace {

class GrpcNodeListener final : public NodeListener {
 public:
  explicit GrpcNodeListener(std::unique_ptr<GrpcListener> listener) : listener_(std::move(listener)) {}
  ~GrpcNodeListener() override { listener_->Stop(absl::ZeroDuration()); }

  RpcServer* server() override { return listener_.get(); }
  absl::Status Start() override { return listener_->Start(); }
  uint16_t port() const override { return listener_->port(); }
  void Stop(absl::Duration grace) override { listener_->Stop(grace); }

  GrpcListener* listener() { return listener_.get(); }

 private:
  const std::unique_ptr<GrpcListener> listener_;
};

class GrpcNodeNetwork final : public NodeNetwork {
 public:
  explicit GrpcNodeNetwork(std::shared_ptr<LogSink> log_sink) : log_sink_(std::move(log_sink)) {}

  absl::StatusOr<std::unique_ptr<NodeListener>> Listen(const Endpoint& bind, const NodeOptions& options) override {
    GrpcListenerOptions listener;
    listener.bind = bind;
    // Options may lower a limit, never raise it.
    if (options.connections_max > 0)
      listener.connections_max = std::min(options.connections_max, listener.connections_max);
    if (options.connections_per_address_max > 0) {
      listener.connections_per_address_max =
          std::min(options.connections_per_address_max, listener.connections_per_address_max);
    }
    listener.log_sink = log_sink_;
    absl::StatusOr<std::unique_ptr<GrpcListener>> made = GrpcListener::Create(std::move(listener));
    if (!made.ok()) return made.status();
    return std::make_unique<GrpcNodeListener>(*std::move(made));
  }

  std::unique_ptr<Transport> MakeTransport(NodeListener* listener, const Endpoint&) override {
    GrpcTransportOptions options;
    options.listener = listener == nullptr ? nullptr : static_cast<GrpcNodeListener*>(listener)->listener();
    options.log_sink = log_sink_;
    return NewGrpcTransport(std::move(options));
  }

  std::unique_ptr<RpcClient> MakeRpcClient() override { return NewGrpcRpcClient(); }

  std::string HostName() override {
    char name[256] = {};
    if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "localhost";
    return name;
  }

 private:
  const std::shared_ptr<LogSink> log_sink_;
};

class InProcessNodeListener final : public NodeListener {
 public:
  InProcessNodeListener(std::unique_ptr<RpcServer> server, uint16_t port) : server_(std::move(server)), port_(port) {}

  RpcServer* server() override { return server_.get(); }
  absl::Status Start() override { return absl::OkStatus(); }
  uint16_t port() const override { return port_; }
  void Stop(absl::Duration) override { server_.reset(); }

 private:
  std::unique_ptr<RpcServer> server_;
  const uint16_t port_;
};

class InProcessNodeNetwork final : public NodeNetwork {
 public:
  explicit InProcessNodeNetwork(InProcessNetwork* network) : network_(network) {}

  absl::StatusOr<std::unique_ptr<NodeListener>> Listen(const Endpoint& bind, const NodeOptions&) override {
    if (bind.host.empty() || bind.port == 0) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                       "a listener of an in-process network needs a host and a port, not '" + bind.Address() + "'");
    }
    return std::make_unique<InProcessNodeListener>(network_->MakeRpcServer(bind), bind.port);
  }

  std::unique_ptr<Transport> MakeTransport(NodeListener*, const Endpoint& self) override {
    return network_->MakeTransport(self);
  }

  std::unique_ptr<RpcClient> MakeRpcClient() override { return network_->MakeRpcClient(); }
  std::string HostName() override { return "localhost"; }

 private:
  InProcessNetwork* const network_;
};

}  // namespace

std::shared_ptr<NodeNetwork> NewGrpcNodeNetwork(std::shared_ptr<LogSink> log_sink) {
  return std::make_shared<GrpcNodeNetwork>(std::move(log_sink));
}

std::shared_ptr<NodeNetwork> NewInProcessNodeNetwork(InProcessNetwork* network) {
  return std::make_shared<InProcessNodeNetwork>(network);
}

}  // namespace quorate
