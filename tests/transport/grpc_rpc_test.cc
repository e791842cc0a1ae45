// Calls over gRPC: the client, the server and what arrives at the port from elsewhere.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/transport_adapters.h"
#include "support/catch.h"
#include "transport/grpc_bytes.h"
#include "transport/harness.h"

namespace quorate {
namespace {

using testing::RawClient;
using testing::WaitFor;
using Result = absl::StatusOr<std::string>;

// A port with a few methods.
struct Server {
  explicit Server(GrpcListenerOptions options = {}) {
    options.bind.host = "127.0.0.1";
    listener = *GrpcListener::Create(std::move(options));
    listener->Handle("/test/Echo",
                     [](RpcRequest request, RpcReply reply) { std::move(reply)(std::move(request.payload)); });
    listener->Handle("/test/Timeout", [](RpcRequest request, RpcReply reply) {
      std::move(reply)(absl::StrCat(absl::ToInt64Milliseconds(request.timeout)));
    });
    listener->Handle("/test/Peer", [](RpcRequest request, RpcReply reply) { std::move(reply)(request.peer); });
    listener->Handle("/test/Refuse", [](RpcRequest, RpcReply reply) {
      StatusDetail detail;
      detail.reason = Reason::kNotLeader;
      detail.outcome = Outcome::kNotApplied;
      detail.leader = LeaderHint{NodeId(3), Epoch(7), {"CONTROLLER", "node3", 9093}};
      std::move(reply)(MakeError(detail, "node 1 doesn't lead; ask node 3"));
    });
    listener->Handle("/test/Plain",
                     [](RpcRequest, RpcReply reply) { std::move(reply)(absl::NotFoundError("no such thing")); });
    listener->Handle("/test/Drop", [](RpcRequest, RpcReply) {});
    listener->Handle("/test/Big", [](RpcRequest, RpcReply reply) {
      std::move(reply)(std::string(limits::kRpcMessageBytesMax + 1, 'x'));
    });
    listener->Handle("/test/Park", [this](RpcRequest, RpcReply reply) {
      const std::lock_guard<std::mutex> lock(mutex);
      parked.push_back(std::move(reply));
    });
    REQUIRE(listener->Start().ok());
  }
  ~Server() { listener->Stop(absl::ZeroDuration()); }
  [[nodiscard]] Endpoint endpoint() const { return {"PLAINTEXT", "127.0.0.1", listener->port()}; }
  size_t ParkedCount() {
    const std::lock_guard<std::mutex> lock(mutex);
    return parked.size();
  }

  std::mutex mutex;
  std::vector<RpcReply> parked;
  std::unique_ptr<GrpcListener> listener;
};

Result CallAndWait(RpcClient* client, const Endpoint& to, absl::string_view method, std::string payload,
                   absl::Duration timeout = absl::Seconds(20)) {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  Result result;
  client->Call(to, method, std::move(payload), timeout, [&](Result r) {
    const std::lock_guard<std::mutex> lock(mutex);
    result = std::move(r);
    done = true;
    ended.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return done; });
  return result;
}

TEST_CASE("calls over gRPC", "[transport][grpc]") {
  Server server;
  auto client = NewGrpcRpcClient();
  auto call = [&](absl::string_view method, std::string payload = "hi", absl::Duration timeout = absl::Seconds(20)) {
    return CallAndWait(client.get(), server.endpoint(), method, std::move(payload), timeout);
  };
  SECTION("an answer") {
    CHECK(*call("/test/Echo", "") == "");
    CHECK(*call("/test/Echo", std::string("\0\x01zero", 6)) == std::string("\0\x01zero", 6));
    const std::string big(limits::kRpcMessageBytesMax, 'b');
    CHECK(*call("/test/Echo", big) == big);
    CHECK(call("/test/Peer")->find("127.0.0.1") != std::string::npos);
  }
  SECTION("an error comes back as it was given") {
    const absl::Status status = call("/test/Refuse").status();
    CHECK(ReasonOf(status) == Reason::kNotLeader);
    CHECK(OutcomeOf(status) == Outcome::kNotApplied);
    REQUIRE(LeaderHintFrom(status).has_value());
    CHECK(LeaderHintFrom(status)->endpoint.Address() == "node3:9093");
    CHECK(status.message() == "node 1 doesn't lead; ask node 3");
  }
  SECTION("an error without a detail") {
    const absl::Status status = call("/test/Plain").status();
    CHECK(status.code() == absl::StatusCode::kNotFound);
    CHECK(status.message().find("no such thing") != absl::string_view::npos);
    CHECK(OutcomeOf(status) == Outcome::kUnknown);
  }
  SECTION("unknown methods") {
    CHECK(call("/test/Nothing").status().code() == absl::StatusCode::kUnimplemented);
    CHECK(call("/quorate.v1.Peer/Exchange").status().code() == absl::StatusCode::kUnimplemented);
  }
  SECTION("a reply that is dropped ends the call") {
    CHECK(call("/test/Drop").status().code() == absl::StatusCode::kInternal);
  }
  SECTION("F-X04: sizes") {
    CHECK(ReasonOf(call("/test/Big").status()) == Reason::kTooLarge);
    CHECK(call("/test/Echo", std::string(limits::kRpcMessageBytesMax + 1, 'x')).status().code() ==
          absl::StatusCode::kResourceExhausted);
    CHECK(call("/test/Echo").ok());
  }
  SECTION("deadlines") {
    const int64_t left = std::stoll(*call("/test/Timeout", "", absl::Seconds(5)));
    CHECK(left > 1000);
    CHECK(left <= 5500);  // gRPC rounds up what it puts on the wire
    CHECK(std::stoll(*call("/test/Timeout", "", absl::Hours(5))) <= 60'000);
    const absl::Status status = call("/test/Park", "", absl::Milliseconds(50)).status();
    CHECK(ReasonOf(status) == Reason::kDeadlineExceeded);
    CHECK(OutcomeOf(status) == Outcome::kUnknown);
    // A late answer finds nobody.
    REQUIRE(server.ParkedCount() == 1);
    std::move(server.parked[0])("late");
    CHECK(call("/test/Echo").ok());
  }
}

TEST_CASE("a server that isn't there", "[transport][grpc]") {
  auto client = NewGrpcRpcClient();
  uint16_t port = 0;
  { port = Server().listener->port(); }
  const Endpoint to{"PLAINTEXT", "127.0.0.1", port};
  const absl::Status status = CallAndWait(client.get(), to, "/test/Echo", "hi").status();
  CHECK(ReasonOf(status) == Reason::kUnreachable);
  CHECK(OutcomeOf(status) == Outcome::kNotApplied);
  CHECK(status.message() == absl::StrCat("can't connect to 127.0.0.1:", port, ": Connection refused"));
  const absl::Status nowhere = CallAndWait(client.get(), {"P", "no-such-host.invalid", 1}, "/test/Echo", "hi").status();
  CHECK(ReasonOf(nowhere) == Reason::kUnreachable);
  CHECK(nowhere.message().find("no-such-host.invalid:1") != absl::string_view::npos);
  // It starts: the very next call gets through, whatever backoff the failed ones left behind.
  for (int i = 0; i < 20; ++i) CHECK_FALSE(CallAndWait(client.get(), to, "/test/Echo", "hi").ok());
  GrpcListenerOptions options;
  options.bind.port = port;
  Server server(std::move(options));
  const Result result = CallAndWait(client.get(), to, "/test/Echo", "hi");
  INFO(result.status().ToString());
  CHECK(result.ok());
}

TEST_CASE("a server that goes away during a call", "[transport][grpc]") {
  auto client = NewGrpcRpcClient();
  auto server = std::make_unique<Server>();
  std::atomic<int> done{0};
  absl::Status status;
  client->Call(server->endpoint(), "/test/Park", "", absl::Seconds(30), [&](Result r) {
    status = r.status();
    ++done;
  });
  REQUIRE(WaitFor([&] { return server->ParkedCount() == 1; }));
  std::vector<RpcReply> parked = std::move(server->parked);
  server.reset();
  REQUIRE(WaitFor([&] { return done == 1; }));
  CHECK(OutcomeOf(status) == Outcome::kUnknown);
  std::move(parked[0])("too late");  // after the server: dropped
}

TEST_CASE("a client that goes away ends its calls", "[transport][grpc]") {
  Server server;
  std::atomic<int> done{0};
  {
    auto client = NewGrpcRpcClient();
    for (int i = 0; i < 10; ++i) {
      client->Call(server.endpoint(), "/test/Park", "", absl::Seconds(30), [&](Result) { ++done; });
    }
  }
  CHECK(done == 10);
}

TEST_CASE("every call is answered once, from many threads, while the server stops", "[transport][grpc]") {
  auto server = std::make_unique<Server>();
  const Endpoint to = server->endpoint();
  auto client = NewGrpcRpcClient();
  std::atomic<int> started{0}, answered{0}, ok{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        ++started;
        client->Call(to, i % 8 == 0 ? "/test/Park" : "/test/Echo", "x", absl::Seconds(2), [&](Result r) {
          if (r.ok()) ++ok;
          ++answered;
        });
        if (i % 20 == 0) WaitFor([&] { return started - answered < 100; });
      }
    });
  }
  REQUIRE(WaitFor([&] { return ok > 50; }));
  server.reset();
  for (std::thread& t : threads) t.join();
  REQUIRE(WaitFor([&] { return answered == started; }));
  CHECK(answered == 600);
}

TEST_CASE("few channels serve many addresses", "[transport][grpc]") {
  Server one, two, three;
  GrpcRpcClientOptions options;
  options.channels_max = 2;
  auto client = NewGrpcRpcClient(options);
  for (int i = 0; i < 10; ++i) {
    for (const Server* server : {&one, &two, &three}) {
      CHECK(CallAndWait(client.get(), server->endpoint(), "/test/Echo", "hi").ok());
    }
  }
}

// A call as a typed stub makes it, with or without a deadline.
grpc::Status TypedCall(uint16_t port, const std::string& method, bool* done_flag = nullptr) {
  auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::ByteBuffer request = transport::ToByteBuffer(std::string("hi")), response;
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  grpc::Status status;
  stub.UnaryCall(&context, method, {}, &request, &response, [&](grpc::Status s) {
    const std::lock_guard<std::mutex> lock(mutex);
    status = std::move(s);
    done = true;
    ended.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return done; });
  if (done_flag != nullptr) *done_flag = transport::TakeString(&response) == "hi";
  return status;
}

TEST_CASE("a foreign client without a deadline is held to the server's cap", "[transport][grpc]") {
  GrpcListenerOptions options;
  options.call_timeout_max = absl::Milliseconds(100);
  Server server(std::move(options));
  bool echoed = false;
  CHECK(TypedCall(server.listener->port(), "/test/Echo", &echoed).ok());
  CHECK(echoed);
  const grpc::Status status = TypedCall(server.listener->port(), "/test/Park");
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_CASE("F-X03: garbage and HTTP/1 don't disturb the port", "[transport][grpc]") {
  Server server;
  auto client = NewGrpcRpcClient();
  RawClient garbage(server.listener->port());
  REQUIRE(garbage.Write("\x01\x02\x03\x04"));
  CHECK(garbage.ReadToEnd().empty());
  RawClient browser(server.listener->port());
  REQUIRE(browser.Write("GET / HTTP/1.1\r\n\r\n"));
  CHECK(browser.ReadToEnd().find("400 Bad Request") != std::string::npos);
  // The right preface and then nonsense: gRPC's parser ends it.
  RawClient liar(server.listener->port());
  REQUIRE(liar.Write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(200, '\xff')));
  CHECK(liar.ReadToEnd().find("<timeout>") == std::string::npos);
  CHECK(CallAndWait(client.get(), server.endpoint(), "/test/Echo", "hi").ok());
  CHECK(server.listener->counters().refused_protocol == 2);
}

TEST_CASE("F-X03: the preface and then silence", "[transport][grpc]") {
  GrpcListenerOptions options;
  options.handshake_timeout = absl::Milliseconds(200);
  Server server(std::move(options));
  RawClient silent(server.listener->port());
  REQUIRE(silent.Write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  CHECK(silent.ReadToEnd().find("<timeout>") == std::string::npos);
}

TEST_CASE("a listener's life", "[transport][grpc]") {
  SECTION("a port in use") {
    Server server;
    GrpcListenerOptions options;
    options.bind = {"PLAINTEXT", "127.0.0.1", server.listener->port()};
    CHECK(ReasonOf(GrpcListener::Create(std::move(options)).status()) == Reason::kInUse);
  }
  SECTION("never started") {
    GrpcListenerOptions options;
    options.bind.host = "127.0.0.1";
    auto listener = *GrpcListener::Create(std::move(options));
    CHECK(listener->port() != 0);
    listener->Stop(absl::Seconds(1));
    CHECK_FALSE(listener->Start().ok());
  }
  SECTION("stopped twice, port free at once") {
    Server server;
    const uint16_t port = server.listener->port();
    server.listener->Stop(absl::ZeroDuration());
    server.listener->Stop(absl::ZeroDuration());
    GrpcListenerOptions options;
    options.bind = {"PLAINTEXT", "127.0.0.1", port};
    CHECK(GrpcListener::Create(std::move(options)).ok());
  }
  SECTION("a call under way gets its grace") {
    Server server;
    auto client = NewGrpcRpcClient();
    std::atomic<int> ok{0};
    client->Call(server.endpoint(), "/test/Park", "", absl::Seconds(30), [&](Result r) { ok += r.ok() ? 1 : 100; });
    REQUIRE(WaitFor([&] { return server.ParkedCount() == 1; }));
    std::thread stopper([&] { server.listener->Stop(absl::Seconds(20)); });
    std::move(server.parked[0])("in time");
    stopper.join();
    CHECK(WaitFor([&] { return ok == 1; }));
  }
}

}  // namespace
}  // namespace quorate
