// Nodes that speak gRPC over the loopback interface, in this process and in a child that can be killed.
#ifndef QUORATE_TESTS_TRANSPORT_GRPC_NODE_H_
#define QUORATE_TESTS_TRANSPORT_GRPC_NODE_H_

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "quorate/transport_adapters.h"
#include "support/catch.h"
#include "transport/harness.h"

namespace quorate::transport_test {

using testing::MemoryLog;
using testing::WaitFor;
using Clock = std::chrono::steady_clock;

inline std::unique_ptr<GrpcListener> MakeListener(uint16_t port, std::shared_ptr<LogSink> log = nullptr) {
  GrpcListenerOptions options;
  options.bind = {"CONTROLLER", "127.0.0.1", port};
  options.log_sink = std::move(log);
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(options));
  INFO(listener.status().ToString());
  REQUIRE(listener.ok());
  return *std::move(listener);
}

inline TransportIdentity Identity(int32_t node, uint64_t cluster = 500) {
  const auto n = static_cast<uint64_t>(node);
  return {ClusterId(Uuid(1, cluster)), {NodeId(node), DirectoryId(Uuid(3, 500 + n))}, IncarnationId(Uuid(2, 500 + n))};
}

inline Message Request(const TransportIdentity& from, const TransportIdentity& to, uint64_t id) {
  Message m;
  m.cluster_id = from.cluster_id;
  m.from = from.self;
  m.from_incarnation = from.incarnation;
  m.to = to.self;
  m.request_incarnation = from.incarnation;
  m.request_id = id;
  m.body = ReadRequest{Epoch(1), id};
  return m;
}

struct Sink final : PeerHandler {
  void OnMessage(Message message) override {
    ++messages;
    if (on_message != nullptr) on_message(std::move(message));
  }
  void OnPeerDisconnected(NodeId) override {
    disconnected_at = Clock::now();
    ++disconnects;
  }
  void OnPeerConnected(NodeId) override {
    connected_at = Clock::now();
    ++connects;
  }
  std::function<void(Message)> on_message;
  std::atomic<int> messages{0};
  std::atomic<int> connects{0};
  std::atomic<int> disconnects{0};
  std::atomic<Clock::time_point> disconnected_at{};
  std::atomic<Clock::time_point> connected_at{};
};

struct Node {
  explicit Node(int32_t id, uint16_t port = 0, uint64_t cluster = 500,
                absl::Duration backoff_min = absl::Milliseconds(10))
      : identity(Identity(id, cluster)) {
    listener = MakeListener(port, log);
    GrpcTransportOptions options;
    options.listener = listener.get();
    options.reconnect_backoff_min = backoff_min;
    options.log_sink = log;
    transport = NewGrpcTransport(std::move(options));
    REQUIRE(transport->Start(identity, &sink).ok());
    REQUIRE(listener->Start().ok());
  }
  ~Node() { transport->Stop(); }
  [[nodiscard]] Endpoint endpoint() const { return {"CONTROLLER", "127.0.0.1", listener->port()}; }

  TransportIdentity identity;
  std::shared_ptr<MemoryLog> log = std::make_shared<MemoryLog>();
  Sink sink;
  std::unique_ptr<GrpcListener> listener;
  std::unique_ptr<GrpcTransport> transport;
};

inline double MillisBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

// A process that serves peers as node 2 until it is killed. Says its port on stdout's pipe. gRPC doesn't survive
// fork, so the child is this program again, running the hidden test case of grpc_peer_test.cc.
class ChildPeer {
 public:
  explicit ChildPeer(uint16_t port) {
    int pipe_fds[2];
    REQUIRE(::pipe(pipe_fds) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setenv("QUORATE_TEST_PEER_PORT", std::to_string(port).c_str(), 1);
      ::setenv("QUORATE_TEST_PEER_PIPE", std::to_string(pipe_fds[1]).c_str(), 1);
      ::execl("/proc/self/exe", "test_transport", "[serve-as-child]", static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(pipe_fds[1]);
    char text[16] = {};
    size_t length = 0;
    while (length < sizeof(text) - 1) {
      const ssize_t n = ::read(pipe_fds[0], text + length, sizeof(text) - 1 - length);
      if (n <= 0) break;
      length += static_cast<size_t>(n);
    }
    ::close(pipe_fds[0]);
    port_ = static_cast<uint16_t>(std::atoi(text));
    REQUIRE(port_ != 0);
  }
  ~ChildPeer() { Kill(); }
  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

}  // namespace quorate::transport_test

#endif  // QUORATE_TESTS_TRANSPORT_GRPC_NODE_H_
