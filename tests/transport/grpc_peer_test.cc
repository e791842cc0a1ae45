// The gRPC transport: the conformance suite, and what only an adapter with a wire of its own can get wrong.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/testing/transport_conformance.h"
#include "quorate/transport_adapters.h"
#include "support/catch.h"
#include "transport/grpc_bytes.h"
#include "transport/grpc_settings.h"
#include "transport/harness.h"
#include "transport/peer_codec.h"

namespace quorate {
namespace {

using testing::MemoryLog;
using testing::WaitFor;
using Clock = std::chrono::steady_clock;

std::unique_ptr<GrpcListener> MakeListener(uint16_t port, std::shared_ptr<LogSink> log = nullptr) {
  GrpcListenerOptions options;
  options.bind = {"CONTROLLER", "127.0.0.1", port};
  options.log_sink = std::move(log);
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(options));
  INFO(listener.status().ToString());
  REQUIRE(listener.ok());
  return *std::move(listener);
}

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

TransportIdentity Identity(int32_t node, uint64_t cluster = 500) {
  const auto n = static_cast<uint64_t>(node);
  return {ClusterId(Uuid(1, cluster)), {NodeId(node), DirectoryId(Uuid(3, 500 + n))}, IncarnationId(Uuid(2, 500 + n))};
}

Message Request(const TransportIdentity& from, const TransportIdentity& to, uint64_t id) {
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

double MillisBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

// A process that serves peers as node 2 until it is killed. Says its port on stdout's pipe. gRPC doesn't survive
// fork, so the child is this program again, running the hidden test case below.
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

// A peer stream driven by hand, to send what our own client never would.
class RawStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit RawStream(uint16_t port)
      : channel_(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials())) {
    grpc::GenericStub(channel_).PrepareBidiStreamingCall(&context_, transport::kPeerExchangeMethod, {}, this);
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }
  ~RawStream() override { End(); }
  // Each waits until the one before is written.
  bool Write(const std::string& bytes) {
    {
      absl::MutexLock lock(&mutex_);
      written_ = false;
    }
    outgoing_ = transport::ToByteBuffer(bytes);
    StartWrite(&outgoing_);
    return WaitFor([&] {
      absl::MutexLock lock(&mutex_);
      return written_;
    });
  }
  void End() {
    if (std::exchange(ended_, true)) return;
    context_.TryCancel();
    RemoveHold();
    WaitFor([&] { return Done(); });
  }
  bool Done() {
    absl::MutexLock lock(&mutex_);
    return done_;
  }
  int received() {
    absl::MutexLock lock(&mutex_);
    return received_;
  }
  // Waits for the server to end it.
  grpc::Status Status() {
    RemoveHold();
    ended_ = true;
    REQUIRE(WaitFor([&] { return Done(); }));
    return status_;
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      absl::MutexLock lock(&mutex_);
      ++received_;
    }
    StartRead(&incoming_);
  }
  void OnWriteDone(bool) override {
    absl::MutexLock lock(&mutex_);
    written_ = true;
  }
  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    done_ = true;
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_, outgoing_;
  bool ended_ = false;
  absl::Mutex mutex_;
  bool written_ = false;
  bool done_ = false;
  int received_ = 0;
  grpc::Status status_;
};

std::string HelloBytes(const TransportIdentity& who, NodeId intended) {
  return transport::Flatten(transport::EncodeHello({who, intended}));
}

std::string MessageBytes(const Message& m, const TransportIdentity& from, const TransportIdentity& to) {
  transport::PeerFrame frame;
  REQUIRE(transport::EncodeMessage(m, {from, to}, &frame).ok());
  return transport::Flatten(frame);
}

TEST_CASE("F-N06: a damaged message is dropped and the stream lives on", "[transport][grpc]") {
  Node b(2);
  const TransportIdentity self = Identity(1);
  RawStream stream(b.listener->port());
  REQUIRE(stream.Write(HelloBytes(self, NodeId(2))));
  REQUIRE(WaitFor([&] { return stream.received() == 1; }));
  REQUIRE(stream.Write("\xff\xff garbage"));
  REQUIRE(stream.Write(""));
  REQUIRE(stream.Write(HelloBytes(self, NodeId(2))));  // a second hello is no message
  REQUIRE(stream.Write(MessageBytes(Request(self, b.identity, 1), self, b.identity)));
  REQUIRE(WaitFor([&] { return b.sink.messages == 1; }));
  CHECK(b.transport->counters().refused_malformed == 3);
  CHECK(b.log->Count("event=message_dropped") == 1);
  // A response on a stream that leads to us answers nothing that we asked there.
  Message answer = Request(self, b.identity, 2);
  answer.body = ReadResponse{PeerError::kNone, Epoch(1), {}, 1, Offset(0)};
  REQUIRE(stream.Write(MessageBytes(answer, self, b.identity)));
  REQUIRE(WaitFor([&] { return b.transport->counters().refused_address == 1; }));
  CHECK(b.sink.messages == 1);
}

TEST_CASE("a stream that begins with something else than a hello is ended", "[transport][grpc]") {
  Node b(2);
  const TransportIdentity self = Identity(1);
  SECTION("garbage") {
    RawStream stream(b.listener->port());
    REQUIRE(stream.Write("garbage"));
    CHECK(stream.Status().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("a message") {
    RawStream stream(b.listener->port());
    REQUIRE(stream.Write(MessageBytes(Request(self, b.identity, 1), self, b.identity)));
    CHECK(stream.Status().error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  }
  SECTION("nothing, for too long") {
    RawStream stream(b.listener->port());
    CHECK(stream.Status().error_code() != grpc::StatusCode::OK);
  }
  CHECK(b.sink.messages == 0);
}

TEST_CASE("the listener stops before the transport, under traffic", "[transport][grpc]") {
  Node a(1), b(2);
  a.transport->SetPeer(NodeId(2), b.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.connects == 1; }));
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    for (uint64_t id = 1; !stop.load(); ++id) a.transport->Send(Request(a.identity, b.identity, id));
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

void PrintSpread(const char* what, std::vector<double> millis) {
  std::sort(millis.begin(), millis.end());
  std::cout << what << ": median " << millis[millis.size() / 2] << " ms, worst " << millis.back() << " ms" << std::endl;
}

// What docs/transport.md tells; run by hand: test_transport '[measure]'.
TEST_CASE("losing and finding a peer", "[.][measure]") {
  std::vector<double> notice, back;
  {
    Node a(1);
    uint16_t port = 0;
    for (int round = 1; round <= 30; ++round) {
      ChildPeer peer(port);
      port = peer.port();
      if (round == 1) a.transport->SetPeer(NodeId(2), {"CONTROLLER", "127.0.0.1", port});
      REQUIRE(WaitFor([&] { return a.sink.connects == round; }));
      const auto killed = Clock::now();
      peer.Kill();
      REQUIRE(WaitFor([&] { return a.sink.disconnects == round; }));
      notice.push_back(MillisBetween(killed, a.sink.disconnected_at.load()));
    }
  }
  PrintSpread("SIGKILL to OnPeerDisconnected", notice);
  Node a(1);
  uint16_t port = 0;
  for (int round = 1; round <= 20; ++round) {
    Node b(2, port);
    port = b.listener->port();
    const auto up = Clock::now();
    b.transport->SetPeer(NodeId(1), a.endpoint());
    if (round == 1) a.transport->SetPeer(NodeId(2), b.endpoint());
    REQUIRE(WaitFor([&] { return a.sink.connects == round && b.sink.connects == 1; }));
    back.push_back(MillisBetween(up, std::max(a.sink.connected_at.load(), b.sink.connected_at.load())));
  }
  PrintSpread("start to connected both ways", back);
}

TEST_CASE("round trips", "[.][measure]") {
  Node a(1), b(2);
  a.transport->SetPeer(NodeId(2), b.endpoint());
  REQUIRE(WaitFor([&] { return a.sink.connects == 1; }));
  b.sink.on_message = [&](Message m) {
    Message answer = Request(b.identity, a.identity, m.request_id);
    answer.request_incarnation = a.identity.incarnation;
    answer.body = ReadResponse{PeerError::kNone, Epoch(1), {}, 1, Offset(0)};
    b.transport->Send(std::move(answer));
  };
  std::atomic<bool> finished{false};
  constexpr uint64_t kRounds = 20'000;
  a.sink.on_message = [&](Message m) {
    if (m.request_id == kRounds) {
      finished.store(true);
    } else {
      a.transport->Send(Request(a.identity, b.identity, m.request_id + 1));
    }
  };
  const auto start = Clock::now();
  const std::clock_t cpu = std::clock();
  a.transport->Send(Request(a.identity, b.identity, 1));
  REQUIRE(WaitFor([&] { return finished.load(); }, std::chrono::seconds(60)));
  std::cout << "round trip: " << MillisBetween(start, Clock::now()) * 1000 / kRounds << " us, CPU "
            << 1e6 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / kRounds << " us" << std::endl;

  b.sink.on_message = nullptr;
  const int before = b.sink.messages;
  constexpr int kCount = 100'000;
  const auto burst = Clock::now();
  const std::clock_t burst_cpu = std::clock();
  for (int i = 0; i < kCount; ++i) a.transport->Send(Request(a.identity, b.identity, 7));
  REQUIRE(WaitFor([&] { return b.sink.messages == before + kCount; }, std::chrono::seconds(60)));
  std::cout << "one way: " << MillisBetween(burst, Clock::now()) * 1000 / kCount << " us per message, CPU "
            << 1e6 * static_cast<double>(std::clock() - burst_cpu) / CLOCKS_PER_SEC / kCount << " us" << std::endl;
}

}  // namespace
}  // namespace quorate
