// The forwarder against a scripted network: where a request goes, when it is tried again, and what its caller hears.
#include "node/forwarder.h"

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "quorate/status.h"
#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

using quorate::testing::ManualClock;
using quorate::testing::ManualExecutor;

struct Sent {
  std::string to;  // empty: handled here
  std::string payload;
  absl::Duration timeout;
  RpcReply reply;
};

class ScriptedClient : public RpcClient {
 public:
  explicit ScriptedClient(std::deque<Sent>* sent) : sent_(sent) {}
  void Call(const Endpoint& to, absl::string_view, std::string payload, absl::Duration timeout,
            absl::AnyInvocable<void(absl::StatusOr<std::string>) &&> done) override {
    sent_->push_back({to.Address(), std::move(payload), timeout, std::move(done)});
  }

 private:
  std::deque<Sent>* const sent_;
};

struct Fixture {
  explicit Fixture(size_t waiting_max = 10) {
    forwarder = Forwarder::Make(
        NodeId(1), &clock, &executor, &client, waiting_max,
        [this](ControllerCall call, RpcReply reply) {
          sent.push_back({"", std::move(call.payload), call.timeout, std::move(reply)});
        },
        [](absl::AnyInvocable<void(std::string) &&> done) { std::move(done)("no leader is known: for a test"); });
  }
  ~Fixture() {
    forwarder->Stop(Reason::kShuttingDown, "the test is over");
    for (Sent& one : sent) {
      if (one.reply) std::move(one.reply)(absl::CancelledError("the test is over"));
    }
    executor.RunUntilIdle();
  }

  void Lead(int32_t leader, int32_t epoch, bool active_here = false) {
    Leadership leadership;
    leadership.leader = NodeId(leader);
    leadership.epoch = Epoch(epoch);
    if (leader >= 0) leadership.endpoint = {"CONTROLLER", "node-" + std::to_string(leader), 9093};
    leadership.is_self = active_here;
    forwarder->OnLeadership(leadership, active_here);
    executor.RunUntilIdle();
  }

  void Send(bool here_or_nowhere = false, bool idempotent = false, absl::Duration timeout = absl::Seconds(5)) {
    ControllerCall call;
    call.method = "/m";
    call.payload = "p";
    call.timeout = timeout;
    call.here_or_nowhere = here_or_nowhere;
    call.mark = !idempotent;
    call.idempotent = idempotent;
    forwarder->Send(std::move(call), [this](absl::StatusOr<std::string> a) { answers.push_back(std::move(a)); });
    executor.RunUntilIdle();
  }

  Sent Next(absl::Duration within = absl::ZeroDuration()) {
    REQUIRE(executor.RunUntilTrue([&] { return !sent.empty(); }, within));
    Sent one = std::move(sent.front());
    sent.pop_front();
    return one;
  }

  ManualClock clock;
  ManualExecutor executor{&clock};
  std::deque<Sent> sent;
  ScriptedClient client{&sent};
  std::shared_ptr<Forwarder> forwarder;
  std::vector<absl::StatusOr<std::string>> answers;
};

TEST_CASE("A request goes to this node when it is active, else to the leader, marked, with what is left of its time") {
  Fixture f;
  f.Lead(1, 4, true);
  f.Send();
  Sent here = f.Next();
  CHECK(here.to.empty());
  CHECK(here.payload == "p");
  std::move(here.reply)(std::string("done"));
  f.Lead(2, 5);
  f.Send();
  Sent there = f.Next();
  CHECK(there.to == "node-2:9093");
  CHECK(there.payload == std::string("p\x78\x01", 3));
  CHECK(there.timeout == absl::Seconds(5));
  std::move(there.reply)(std::string("done too"));
  REQUIRE(f.answers.size() == 2);
  CHECK(*f.answers[0] == "done");
  CHECK(*f.answers[1] == "done too");
}

TEST_CASE("Without a leader a request waits, is sent when there is one, and else refused at its deadline") {
  Fixture f;
  f.Send();
  f.executor.RunFor(absl::Seconds(1));
  CHECK(f.sent.empty());
  SECTION("a leader comes") {
    f.Lead(3, 1);
    CHECK(f.Next().timeout == absl::Seconds(4));
  }
  SECTION("nobody comes") {
    f.executor.RunFor(absl::Seconds(4));
    REQUIRE(f.answers.size() == 1);
    CHECK(ReasonOf(f.answers[0].status()) == Reason::kNoLeader);
    CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kNotApplied);
    CHECK(f.answers[0].status().message() == "no leader is known: for a test; waited 5s");
  }
}

TEST_CASE("Only so many requests wait") {
  Fixture f(2);
  for (int i = 0; i < 3; ++i) f.Send();
  REQUIRE(f.answers.size() == 1);
  CHECK(ReasonOf(f.answers[0].status()) == Reason::kOverloaded);
  f.Lead(2, 1);
  CHECK(f.sent.size() == 2);
}

TEST_CASE("Only so many requests are on their way (I-25)") {
  Fixture f;
  f.Lead(2, 1);
  for (size_t i = 0; i <= Forwarder::kPendingMax; ++i) f.Send();
  REQUIRE(f.answers.size() == 1);
  CHECK(ReasonOf(f.answers[0].status()) == Reason::kOverloaded);
  CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kNotApplied);
  CHECK(f.sent.size() == Forwarder::kPendingMax);
}

TEST_CASE("A request that may have arrived once is never reported as not applied afterwards") {
  Fixture f;
  f.Lead(2, 1);
  f.Send(false, true);
  std::move(f.Next().reply)(MakeError(Reason::kUnreachable, Outcome::kUnknown, "connection lost"));
  SECTION("refused by the next one") {
    std::move(f.Next(absl::Milliseconds(10)).reply)(MakeKafkaError(77, "stale"));
    REQUIRE(f.answers.size() == 1);
    CHECK(KafkaErrorOf(f.answers[0].status()) == 77);
  }
  SECTION("no leader any more") {
    f.Lead(-1, 2);
    f.executor.RunFor(absl::Seconds(5));
    REQUIRE(f.answers.size() == 1);
    CHECK(ReasonOf(f.answers[0].status()) == Reason::kNoLeader);
  }
  SECTION("stopped") {
    f.forwarder->Stop(Reason::kShuttingDown, "the test is over");
    REQUIRE(f.answers.size() == 1);
    CHECK(ReasonOf(f.answers[0].status()) == Reason::kShuttingDown);
  }
  CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kUnknown);
}

TEST_CASE("An error that says not applied is tried again; one that leaves it open goes to the caller") {
  Fixture f;
  f.Lead(2, 1);
  SECTION("not applied") {
    f.Send();
    std::move(f.Next().reply)(MakeError(Reason::kUnreachable, Outcome::kNotApplied, "connection refused"));
    CHECK(f.answers.empty());
    CHECK(f.Next(absl::Milliseconds(10)).to == "node-2:9093");
  }
  SECTION("not applied, and the leader has changed meanwhile") {
    f.Send();
    Sent first = f.Next();
    f.Lead(3, 2);
    std::move(first.reply)(MakeError(Reason::kNotLeader, Outcome::kNotApplied, "not me"));
    CHECK(f.Next().to == "node-3:9093");
  }
  SECTION("unknown") {
    f.Send();
    std::move(f.Next().reply)(MakeError(Reason::kUnreachable, Outcome::kUnknown, "connection lost"));
    f.executor.RunUntilIdle();
    REQUIRE(f.answers.size() == 1);
    CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kUnknown);
  }
  SECTION("unknown, but idempotent") {
    f.Send(false, true);
    std::move(f.Next().reply)(MakeError(Reason::kUnreachable, Outcome::kUnknown, "connection lost"));
    CHECK(f.Next(absl::Milliseconds(10)).payload == "p");
  }
  SECTION("refused for good") {
    f.Send();
    std::move(f.Next().reply)(MakeKafkaError(42, "nonsense"));
    REQUIRE(f.answers.size() == 1);
    CHECK(KafkaErrorOf(f.answers[0].status()) == 42);
  }
}

TEST_CASE("At the deadline a request on its way is unknown, and one that only met refusals is not applied") {
  Fixture f;
  f.Lead(2, 1);
  SECTION("on its way") {
    f.Send();
    Sent lost = f.Next();
    f.executor.RunFor(absl::Seconds(5));
    REQUIRE(f.answers.size() == 1);
    CHECK(ReasonOf(f.answers[0].status()) == Reason::kDeadlineExceeded);
    CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kUnknown);
    // Too late: exactly one answer.
    std::move(lost.reply)(std::string("late"));
    f.executor.RunUntilIdle();
    CHECK(f.answers.size() == 1);
  }
  SECTION("refusals") {
    f.Send();
    while (f.answers.empty()) {
      if (f.sent.empty()) {
        f.executor.RunFor(absl::Milliseconds(10));
      } else {
        std::move(f.Next().reply)(MakeError(Reason::kUnreachable, Outcome::kNotApplied, "connection refused"));
      }
    }
    CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kNotApplied);
    CHECK(absl::StrContains(f.answers[0].status().message(), "connection refused"));
  }
}

TEST_CASE("What was forwarded is decided here or refused with a hint; a node that is about to lead keeps it") {
  Fixture f;
  f.Lead(2, 1);
  f.Send(true);
  REQUIRE(f.answers.size() == 1);
  CHECK(ReasonOf(f.answers[0].status()) == Reason::kNotLeader);
  CHECK(LeaderHintFrom(f.answers[0].status())->id == NodeId(2));
  f.Lead(1, 2, false);
  f.Send(true);
  CHECK(f.answers.size() == 1);
  f.Lead(1, 2, true);
  CHECK(f.Next().to.empty());
}

TEST_CASE("Stop answers everybody truthfully and refuses what comes later") {
  Fixture f;
  f.Send();
  f.Lead(2, 1);
  Sent on_its_way = f.Next();
  f.Lead(-1, 2);
  f.Send();
  f.forwarder->Stop(Reason::kShuttingDown, "the test is over");
  f.Send();
  REQUIRE(f.answers.size() == 3);
  CHECK(OutcomeOf(f.answers[0].status()) == Outcome::kUnknown);
  CHECK(OutcomeOf(f.answers[1].status()) == Outcome::kNotApplied);
  for (const auto& answer : f.answers) CHECK(ReasonOf(answer.status()) == Reason::kShuttingDown);
  std::move(on_its_way.reply)(std::string("late"));
  CHECK(f.answers.size() == 3);
}

TEST_CASE("Drain waits for a call that Stop overtook on its way into the handler or the client") {
  ManualClock clock;
  ManualExecutor executor(&clock);
  std::deque<Sent> sent;
  ScriptedClient client(&sent);
  std::promise<void> entered;
  std::promise<void> leave;
  std::atomic<bool> left{false};
  const std::shared_ptr<Forwarder> forwarder = Forwarder::Make(
      NodeId(1), &clock, &executor, &client, 10,
      [&](ControllerCall, RpcReply reply) {
        entered.set_value();
        leave.get_future().wait();
        left = true;
        std::move(reply)(std::string("too late"));
      },
      [](absl::AnyInvocable<void(std::string) &&> done) { std::move(done)("no leader"); });
  Leadership leadership;
  leadership.leader = NodeId(1);
  forwarder->OnLeadership(leadership, true);
  std::vector<absl::Status> answers;
  std::thread caller([&] {
    ControllerCall call;
    call.method = "/m";
    call.timeout = absl::Seconds(5);
    forwarder->Send(std::move(call), [&](absl::StatusOr<std::string> a) { answers.push_back(a.status()); });
  });
  entered.get_future().wait();
  forwarder->Stop(Reason::kShuttingDown, "the test is over");
  REQUIRE(answers.size() == 1);
  CHECK(OutcomeOf(answers[0]) == Outcome::kUnknown);
  std::thread stopper([&] {
    forwarder->Drain();
    CHECK(left);
  });
  leave.set_value();
  stopper.join();
  caller.join();
  CHECK(answers.size() == 1);
}

TEST_CASE("A timeout must be finite and lie ahead") {
  Fixture f;
  f.Send(false, false, absl::InfiniteDuration());
  f.Send(false, false, absl::ZeroDuration());
  REQUIRE(f.answers.size() == 2);
  CHECK(ReasonOf(f.answers[0].status()) == Reason::kInvalidArgument);
  CHECK(ReasonOf(f.answers[1].status()) == Reason::kDeadlineExceeded);
}

}  // namespace
}  // namespace quorate::node
