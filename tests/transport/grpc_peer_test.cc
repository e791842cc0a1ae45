// The gRPC transport: the conformance suite, and what only an adapter with a wire of its own can get wrong.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include "quorate/limits.h"
#include "quorate/testing/transport_conformance.h"
#include "quorate/transport_adapters.h"
#include "support/catch.h"
#include "transport/grpc_node.h"

namespace quorate::transport_test {
namespace {

class Host final : public testing::TransportHost {
 public:
  Host() { BringUp(); }
  ~Host() override { TakeDown(); }
  [[nodiscard]] Endpoint endpoint() const override { return {"CONTROLLER", "127.0.0.1", port_}; }
  Transport* transport() override { return transport_.get(); }
  void TakeDown() override {
    transport_.reset();
    listener_.reset();
  }
  void BringUp() override {
    listener_ = MakeListener(port_);
    port_ = listener_->port();
    GrpcTransportOptions options;
    options.listener = listener_.get();
    transport_ = NewGrpcTransport(std::move(options));
    REQUIRE(listener_->Start().ok());
  }

 private:
  uint16_t port_ = 0;
  std::unique_ptr<GrpcListener> listener_;
  std::unique_ptr<Transport> transport_;
};

class Harness final : public testing::TransportHarness {
 public:
  std::unique_ptr<testing::TransportHost> MakeHost() override { return std::make_unique<Host>(); }
  bool WaitFor(absl::FunctionRef<bool()> condition) override { return testing::WaitFor(condition); }
};

TEST_CASE("the gRPC transport conforms", "[transport][grpc]") {
  for (const testing::TransportCheck& check : testing::TransportConformanceChecks()) {
    DYNAMIC_SECTION(check.name) {
      Harness harness;
      const absl::Status status = check.run(&harness);
      INFO(status.ToString());
      CHECK(status.ok());
    }
  }
}

TEST_CASE("serves as node 2 until killed", "[.][serve-as-child]") {
  const char* port = std::getenv("QUORATE_TEST_PEER_PORT");
  const char* pipe = std::getenv("QUORATE_TEST_PEER_PIPE");
  if (port == nullptr || pipe == nullptr) return;
  Node node(2, static_cast<uint16_t>(std::atoi(port)));
  const std::string text = std::to_string(node.listener->port());
  const int fd = std::atoi(pipe);
  REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(fd);
  // A test that dies must not leave this behind.
  for (const pid_t parent = ::getppid(); ::getppid() == parent;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

TEST_CASE("a killed peer is reported within milliseconds, and found again when it is back", "[transport][grpc]") {
  Node a(1);
  uint16_t port = 0;
  double worst_notice = 0;
  double worst_return = 0;
  constexpr int kRounds = 5;
  for (int round = 1; round <= kRounds; ++round) {
    ChildPeer peer(port);
    const auto ready = Clock::now();
    port = peer.port();
    if (round == 1) a.transport->SetPeer(NodeId(2), {"CONTROLLER", "127.0.0.1", port});
    REQUIRE(WaitFor([&] { return a.sink.connects == round; }));
    if (round > 1) worst_return = std::max(worst_return, MillisBetween(ready, a.sink.connected_at.load()));
    const auto killed = Clock::now();
    peer.Kill();
    REQUIRE(WaitFor([&] { return a.sink.disconnects == round; }));
    worst_notice = std::max(worst_notice, MillisBetween(killed, a.sink.disconnected_at.load()));
  }
  INFO("noticed after at most " << worst_notice << " ms, back after at most " << worst_return << " ms");
  // 1 ms on an idle machine, and, because the child doesn't call us back, up to the backoff's cap of 500 ms. The
  // bounds leave room for a busy one, and for a sanitizer's address space, which the kernel takes down before it closes
  // a killed process's sockets; keepalive would take 4 seconds.
  CHECK(worst_notice < 2000);
  CHECK(worst_return < 3000);
}

TEST_CASE("a hello from a peer ends the backoff towards it", "[transport][grpc]") {
  const uint16_t port = MakeListener(0)->port();
  Node a(1, 0, 500, absl::Minutes(10));
  a.transport->SetPeer(NodeId(2), {"CONTROLLER", "127.0.0.1", port});
  REQUIRE(WaitFor([&] { return a.sink.disconnects == 1; }));
  // By itself, a would try again in about ten minutes.
  Node b(2, port);
  b.transport->SetPeer(NodeId(1), a.endpoint());
  CHECK(WaitFor([&] { return a.sink.connects == 1; }));
}

TEST_CASE("F-N09: a peer of another cluster is refused, and logged once", "[transport][grpc]") {
  Node a(1, 0, 501);
  Node b(2);
  for (int i = 1; i <= 3; ++i) {
    a.transport->SetPeer(NodeId(2), b.endpoint());
    REQUIRE(WaitFor([&] { return b.transport->counters().refused_hellos == static_cast<uint64_t>(i); }));
    REQUIRE(WaitFor([&] { return a.sink.disconnects == i; }));
    a.transport->ForgetPeer(NodeId(2));
  }
  CHECK(b.log->Count("event=peer_refused") == 1);
  CHECK(a.log->Count("INCONSISTENT_CLUSTER_ID") == 1);
  CHECK(a.sink.connects == 0);
}

TEST_CASE("F-N11: a bootstrap list that names the node itself is no reason for a log line", "[transport][grpc]") {
  Node a(1);
  a.transport->SetPeer(NodeId(-2), a.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.disconnects == 1; }));
  a.transport->Send(Request(a.identity, a.identity, 1));
  CHECK(a.sink.connects == 0);
  CHECK(a.sink.messages == 0);
  CHECK(a.log->Count("event=peer") == 0);
}

TEST_CASE("an address that doesn't answer is given up", "[transport][grpc]") {
  // Accepts into its backlog, and says nothing.
  const int silent = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  REQUIRE(::bind(silent, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  REQUIRE(::listen(silent, 10) == 0);
  REQUIRE(::getsockname(silent, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  Sink sink;
  auto log = std::make_shared<MemoryLog>();
  GrpcTransportOptions options;
  options.connect_timeout = absl::Milliseconds(100);
  options.log_sink = log;
  auto transport = NewGrpcTransport(std::move(options));
  REQUIRE(transport->Start(Identity(1), &sink).ok());
  transport->SetPeer(NodeId(2), {"CONTROLLER", "127.0.0.1", ntohs(address.sin_port)});
  CHECK(WaitFor([&] { return sink.disconnects == 1; }));
  CHECK(WaitFor([&] { return log->Count("event=peer_unreachable peer=2") == 1; }));
  transport->Stop();
  CHECK(sink.disconnects == 1);
  ::close(silent);
}

TEST_CASE("F-N13: a reader that doesn't read is cut off", "[transport][grpc]") {
  Node a(1);
  std::atomic<bool> release{false};
  Node b(2);
  b.sink.on_message = [&](Message) { WaitFor([&] { return release.load(); }, std::chrono::seconds(60)); };
  a.transport->SetPeer(NodeId(2), b.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.connects == 1; }));
  // A big body that travels as a request: many successors' endpoints don't exist, so use endpoints of BeginEpoch.
  Message big = Request(a.identity, b.identity, 1);
  big.body = BeginEpochRequest{Epoch(1), std::vector<Endpoint>(limits::kEndpointsMax, {"C", std::string(250, 'h'), 1})};
  const size_t enough = 3 * limits::kPeerSendQueueBytesMax / (limits::kEndpointsMax * 250);
  for (size_t i = 0; i < enough && a.transport->counters().cut_slow_readers == 0; ++i) a.transport->Send(big);
  CHECK(a.transport->counters().cut_slow_readers >= 1);
  CHECK(WaitFor([&] { return a.sink.disconnects >= 1; }));
  release.store(true);
  CHECK(WaitFor([&] { return a.sink.connects >= 2; }));
}

TEST_CASE("a message over the limit is refused here, not on the way", "[transport][grpc]") {
  Node a(1), b(2);
  a.transport->SetPeer(NodeId(2), b.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.connects == 1; }));
  Message bad = Request(a.identity, b.identity, 1);
  bad.body = ReadRequest{Epoch(-1), 1};
  a.transport->Send(bad);
  bad = Request(Identity(5), b.identity, 1);
  a.transport->Send(bad);
  CHECK(a.transport->counters().dropped_invalid == 2);
  a.transport->Send(Request(a.identity, b.identity, 2));
  CHECK(WaitFor([&] { return b.sink.messages == 1; }));
  CHECK(a.sink.disconnects == 0);
}

TEST_CASE("the listener stops before the transport, under traffic", "[transport][grpc]") {
  Node a(1), b(2);
  a.transport->SetPeer(NodeId(2), b.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.connects == 1; }));
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    for (uint64_t id = 1; !stop.load(); ++id) {
      a.transport->Send(Request(a.identity, b.identity, id));
      // No faster than it is taken: else the queue overflows, and the connection is cut (F-N13).
      while (!stop.load() && id > static_cast<uint64_t>(b.sink.messages) + 200) std::this_thread::yield();
    }
  });
  CHECK(WaitFor([&] { return b.sink.messages > 100; }));
  const auto start = Clock::now();
  b.listener->Stop(absl::Seconds(30));
  // Peer streams don't use up the grace that is meant for calls.
  CHECK(MillisBetween(start, Clock::now()) < 10'000);
  CHECK(WaitFor([&] { return a.sink.disconnects == 1; }));
  stop.store(true);
  sender.join();
  const int messages = b.sink.messages;
  b.transport->Stop();
  CHECK(b.sink.messages == messages);
}

TEST_CASE("IPv6 addresses", "[transport][grpc]") {
  GrpcListenerOptions options;
  options.bind = {"CONTROLLER", "::1", 0};
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(options));
  if (!listener.ok()) {
    WARN("no IPv6 here: " << listener.status().ToString());
    return;
  }
  Sink sink;
  GrpcTransportOptions transport_options;
  transport_options.listener = listener->get();
  auto transport = NewGrpcTransport(std::move(transport_options));
  REQUIRE(transport->Start(Identity(2), &sink).ok());
  REQUIRE((*listener)->Start().ok());
  Node a(1);
  a.transport->SetPeer(NodeId(2), {"CONTROLLER", "::1", (*listener)->port()});
  CHECK(WaitFor([&] { return a.sink.connects == 1; }));
}

TEST_CASE("hosts by name", "[transport][grpc]") {
  Node a(1), b(2);
  a.transport->SetPeer(NodeId(2), {"CONTROLLER", "localhost", b.listener->port()});
  CHECK(WaitFor([&] { return a.sink.connects == 1; }));
}

}  // namespace
}  // namespace quorate::transport_test
