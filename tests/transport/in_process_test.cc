#include <memory>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/testing/transport_conformance.h"
#include "quorate/transport_adapters.h"
#include "support/catch.h"

namespace quorate {
namespace {

using testing::ManualClock;
using testing::ManualExecutor;

struct World {
  ManualClock clock;
  ManualExecutor executor{&clock};
  std::unique_ptr<InProcessNetwork> network = InProcessNetwork::Create(&executor, &clock);
};

class Host final : public testing::TransportHost {
 public:
  Host(World* world, int number) : world_(world), endpoint_{"CONTROLLER", absl::StrCat("host", number), 9093} {
    BringUp();
  }
  [[nodiscard]] Endpoint endpoint() const override { return endpoint_; }
  Transport* transport() override { return transport_.get(); }
  void TakeDown() override { transport_.reset(); }
  void BringUp() override { transport_ = world_->network->MakeTransport(endpoint_); }

 private:
  World* const world_;
  const Endpoint endpoint_;
  std::unique_ptr<Transport> transport_;
};

class Harness final : public testing::TransportHarness {
 public:
  std::unique_ptr<testing::TransportHost> MakeHost() override { return std::make_unique<Host>(&world_, ++hosts_); }
  bool WaitFor(absl::FunctionRef<bool()> condition) override {
    // Some checks send from a second thread, so an idle executor isn't the end; a bound on rounds is.
    for (int round = 0; round < 2'000'000; ++round) {
      if (condition()) return true;
      if (world_.executor.RunUntilIdle(1000) == 0) std::this_thread::yield();
    }
    return condition();
  }

 private:
  World world_;
  int hosts_ = 0;
};

TEST_CASE("the in-process transport conforms", "[transport]") {
  for (const testing::TransportCheck& check : testing::TransportConformanceChecks()) {
    DYNAMIC_SECTION(check.name) {
      Harness harness;
      const absl::Status status = check.run(&harness);
      INFO(status.ToString());
      CHECK(status.ok());
    }
  }
}

struct Sink final : PeerHandler {
  void OnMessage(Message m) override { messages.push_back(std::move(m)); }
  void OnPeerDisconnected(NodeId) override { ++disconnects; }
  void OnPeerConnected(NodeId) override { ++connects; }
  std::vector<Message> messages;
  int connects = 0;
  int disconnects = 0;
};

TransportIdentity Identity(int32_t node) {
  return {ClusterId(Uuid(1, 500)), {NodeId(node), {}}, IncarnationId(Uuid(2, 500 + static_cast<uint64_t>(node)))};
}

Message Request(int32_t from, int32_t to, uint64_t id) {
  Message m;
  m.cluster_id = Identity(from).cluster_id;
  m.from = Identity(from).self;
  m.to = Identity(to).self;
  m.request_id = id;
  m.body = ReadRequest{Epoch(1), id};
  return m;
}

TEST_CASE("F-N03: a link is cut in one direction", "[transport]") {
  World world;
  const Endpoint at1{"C", "one", 1}, at2{"C", "two", 2};
  Sink sink1, sink2;
  auto one = world.network->MakeTransport(at1);
  auto two = world.network->MakeTransport(at2);
  REQUIRE(one->Start(Identity(1), &sink1).ok());
  REQUIRE(two->Start(Identity(2), &sink2).ok());
  one->SetPeer(NodeId(2), at2);
  two->SetPeer(NodeId(1), at1);
  world.executor.RunUntilIdle();
  REQUIRE(sink1.connects == 1);
  REQUIRE(sink2.connects == 1);

  world.network->SetLink("one:1", "two:2", false);
  world.executor.RunUntilIdle();
  CHECK(sink1.disconnects == 1);
  CHECK(sink2.disconnects == 0);
  one->Send(Request(1, 2, 1));
  two->Send(Request(2, 1, 2));
  world.executor.RunUntilIdle();
  CHECK(sink2.messages.empty());
  REQUIRE(sink1.messages.size() == 1);
  // The answer would have to cross the cut.
  Message answer = Request(1, 2, 2);
  answer.body = ReadResponse{PeerError::kNone, Epoch(1), {}, 2, Offset(0)};
  one->Send(answer);
  world.executor.RunUntilIdle();
  CHECK(sink2.messages.empty());
  CHECK(world.network->counters().lost == 1);

  world.network->SetLink("one:1", "two:2", true);
  world.executor.RunUntilIdle();
  CHECK(sink1.connects == 2);
  one->Send(Request(1, 2, 3));
  world.executor.RunUntilIdle();
  CHECK(sink2.messages.size() == 1);
}

TEST_CASE("a message that is under way when the link is cut is lost", "[transport]") {
  World world;
  const Endpoint at1{"C", "one", 1}, at2{"C", "two", 2};
  Sink sink1, sink2;
  auto one = world.network->MakeTransport(at1);
  auto two = world.network->MakeTransport(at2);
  REQUIRE(one->Start(Identity(1), &sink1).ok());
  REQUIRE(two->Start(Identity(2), &sink2).ok());
  one->SetPeer(NodeId(2), at2);
  world.executor.RunUntilIdle();
  one->Send(Request(1, 2, 1));
  world.network->SetLink("one:1", "two:2", false);
  world.executor.RunUntilIdle();
  CHECK(sink2.messages.empty());
}

TEST_CASE("F-N13: what waits for a receiver is bounded", "[transport]") {
  World world;
  const Endpoint at1{"C", "one", 1}, at2{"C", "two", 2};
  Sink sink1, sink2;
  auto one = world.network->MakeTransport(at1);
  auto two = world.network->MakeTransport(at2);
  REQUIRE(one->Start(Identity(1), &sink1).ok());
  REQUIRE(two->Start(Identity(2), &sink2).ok());
  one->SetPeer(NodeId(2), at2);
  world.executor.RunUntilIdle();
  constexpr size_t kMore = limits::kPeerSendQueueBytesMax / 200;
  for (size_t i = 0; i < kMore; ++i) one->Send(Request(1, 2, i));
  const InProcessNetwork::Counters counters = world.network->counters();
  CHECK(counters.overflowed > 0);
  CHECK(counters.sent + counters.overflowed == kMore);
  world.executor.RunUntilIdle();
  CHECK(sink2.messages.size() == counters.sent);
  one->Send(Request(1, 2, 1));
  world.executor.RunUntilIdle();
  CHECK(sink2.messages.size() == counters.sent + 1);
}

TEST_CASE("two transports can't share an address", "[transport]") {
  World world;
  Sink sink;
  auto one = world.network->MakeTransport({"C", "one", 1});
  auto two = world.network->MakeTransport({"C", "one", 1});
  REQUIRE(one->Start(Identity(1), &sink).ok());
  CHECK(ReasonOf(two->Start(Identity(2), &sink)) == Reason::kInUse);
}

TEST_CASE("in-process calls", "[transport]") {
  World world;
  const Endpoint at{"PLAINTEXT", "server", 9092};
  auto client = world.network->MakeRpcClient();
  auto server = world.network->MakeRpcServer(at);
  server->Handle("/test/Echo", [](RpcRequest request, RpcReply reply) {
    std::move(reply)(absl::StrCat(request.payload, "|", request.method, "|", absl::ToInt64Seconds(request.timeout)));
  });
  server->Handle("/test/Refuse",
                 [](RpcRequest, RpcReply reply) { std::move(reply)(MakeKafkaError(36, "topic a exists")); });
  server->Handle("/test/Drop", [](RpcRequest, RpcReply) {});
  std::vector<RpcReply> parked;
  server->Handle("/test/Park", [&](RpcRequest, RpcReply reply) { parked.push_back(std::move(reply)); });

  std::vector<absl::StatusOr<std::string>> results;
  auto call = [&](const Endpoint& to, absl::string_view method) {
    client->Call(to, method, "hi", absl::Seconds(5),
                 [&](absl::StatusOr<std::string> result) { results.push_back(std::move(result)); });
  };
  SECTION("an answer comes back, not inside the call") {
    call(at, "/test/Echo");
    CHECK(results.empty());
    world.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(*results[0] == "hi|/test/Echo|5");
  }
  SECTION("an error comes back with its detail") {
    call(at, "/test/Refuse");
    world.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(KafkaErrorOf(results[0].status()) == 36);
    CHECK(OutcomeOf(results[0].status()) == Outcome::kNotApplied);
  }
  SECTION("a handler that drops its reply ends the call") {
    call(at, "/test/Drop");
    world.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(results[0].status().code() == absl::StatusCode::kInternal);
  }
  SECTION("nobody serves there, nobody serves that") {
    call({"PLAINTEXT", "nowhere", 1}, "/test/Echo");
    call(at, "/test/Unknown");
    world.executor.RunUntilIdle();
    REQUIRE(results.size() == 2);
    CHECK(ReasonOf(results[0].status()) == Reason::kUnreachable);
    CHECK(OutcomeOf(results[0].status()) == Outcome::kNotApplied);
    CHECK(results[1].status().code() == absl::StatusCode::kUnimplemented);
  }
  SECTION("the deadline ends a call, and a late answer is dropped") {
    call(at, "/test/Park");
    world.executor.RunFor(absl::Seconds(4));
    CHECK(results.empty());
    world.executor.RunFor(absl::Seconds(2));
    REQUIRE(results.size() == 1);
    CHECK(ReasonOf(results[0].status()) == Reason::kDeadlineExceeded);
    std::move(parked[0])("late");
    world.executor.RunUntilIdle();
    CHECK(results.size() == 1);
  }
  SECTION("a client that goes away ends its calls") {
    call(at, "/test/Park");
    world.executor.RunUntilIdle();
    client.reset();
    REQUIRE(results.size() == 1);
    CHECK(ReasonOf(results[0].status()) == Reason::kShuttingDown);
  }
  SECTION("a cut reaches clients, too") {
    world.network->SetLink("", "server:9092", false);
    call(at, "/test/Echo");
    world.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(ReasonOf(results[0].status()) == Reason::kUnreachable);
  }
}

}  // namespace
}  // namespace quorate
