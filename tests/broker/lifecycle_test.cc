// A broker's life against a controller that the test scripts, under virtual time.
#include "broker/lifecycle.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/status.h"
#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::broker {
namespace {

using quorate::testing::ManualClock;
using quorate::testing::ManualExecutor;

// Keeps every request until the test answers it.
class ScriptedChannel : public ControllerChannel {
 public:
  struct Asked {
    Instant at;
    absl::Duration timeout;
    std::optional<Registration> registration;
    std::optional<broker::Heartbeat> heartbeat;
    ChannelDone<BrokerEpoch> registered;
    ChannelDone<HeartbeatReply> replied;
  };

  explicit ScriptedChannel(ManualClock* clock) : clock_(clock) {}

  void Register(Registration registration, absl::Duration timeout, ChannelDone<BrokerEpoch> done) override {
    Asked asked;
    asked.at = clock_->Now();
    asked.timeout = timeout;
    asked.registration = std::move(registration);
    asked.registered = std::move(done);
    open.push_back(std::move(asked));
  }
  void SendHeartbeat(broker::Heartbeat heartbeat, absl::Duration timeout, ChannelDone<HeartbeatReply> done) override {
    Asked asked;
    asked.at = clock_->Now();
    asked.timeout = timeout;
    asked.heartbeat = heartbeat;
    asked.replied = std::move(done);
    open.push_back(std::move(asked));
  }
  void AlterPartition(IsrChangeRequest, absl::Duration, ChannelDone<IsrChangeReply> done) override {
    std::move(done)(absl::UnimplementedError("not part of a lifecycle"));
  }

  std::deque<Asked> open;

 private:
  ManualClock* const clock_;
};

struct Fixture {
  explicit Fixture(absl::Duration registration_timeout = absl::Seconds(60)) {
    LifecycleOptions options;
    options.id = NodeId(5);
    options.cluster_id = ClusterId(Uuid(1, 2));
    options.initial_registration_timeout = registration_timeout;
    LifecycleListener listener;
    listener.on_change = [this](const LifecycleStatus& now) {
      status = now;
      if (states.empty() || states.back() != now.state) states.push_back(now.state);
    };
    listener.on_failed = [this](absl::Status why) { failures.push_back(std::move(why)); };
    lifecycle = Lifecycle::Make(options, &clock, &random, &executor, &channel, nullptr, std::move(listener));
  }
  ~Fixture() {
    lifecycle->Stop();
    executor.RunUntilIdle();
    for (auto& asked : channel.open) {
      if (asked.registered) std::move(asked.registered)(absl::CancelledError("the test is over"));
      if (asked.replied) std::move(asked.replied)(absl::CancelledError("the test is over"));
    }
    executor.RunUntilIdle();
  }

  ScriptedChannel::Asked Next(absl::Duration within = absl::ZeroDuration()) {
    REQUIRE(executor.RunUntilTrue([&] { return !channel.open.empty(); }, within));
    ScriptedChannel::Asked asked = std::move(channel.open.front());
    channel.open.pop_front();
    return asked;
  }
  bool NothingWithin(absl::Duration span) {
    return !executor.RunUntilTrue([&] { return !channel.open.empty(); }, span);
  }

  // Brings it to Running, registered as `epoch`.
  void Run(int64_t epoch = 40) {
    lifecycle->Start();
    std::move(Next(absl::ZeroDuration()).registered)(BrokerEpoch(epoch));
    lifecycle->OnMetadata(Offset(epoch + 1));
    lifecycle->SetReady();
    auto first = Next(absl::Milliseconds(1));
    const bool wanted_fence = first.heartbeat->want_fence;
    std::move(first.replied)(HeartbeatReply{true, wanted_fence, false});
    if (wanted_fence) std::move(Next(absl::Milliseconds(1)).replied)(HeartbeatReply{true, false, false});
    executor.RunUntilIdle();
    REQUIRE(status.state == BrokerState::kRunning);
  }

  ManualClock clock;
  ManualExecutor executor{&clock};
  Xoshiro random{7};
  ScriptedChannel channel{&clock};
  std::shared_ptr<Lifecycle> lifecycle;
  LifecycleStatus status;
  std::vector<BrokerState> states;
  std::vector<absl::Status> failures;
};

TEST_CASE("A new broker registers, catches up, is unfenced, and then beats at its interval") {
  Fixture f;
  f.lifecycle->Start();
  auto registration = f.Next(absl::ZeroDuration());
  REQUIRE(registration.registration.has_value());
  CHECK(registration.registration->broker == NodeId(5));
  CHECK(registration.registration->cluster_id == ClusterId(Uuid(1, 2)));
  CHECK_FALSE(registration.registration->incarnation.is_zero());
  std::move(registration.registered)(BrokerEpoch(40));
  f.executor.RunUntilIdle();
  CHECK(f.status.state == BrokerState::kStarting);
  CHECK(f.status.epoch == BrokerEpoch(40));

  // Everything below 40 isn't enough: 40 is the registration itself.
  f.lifecycle->OnMetadata(Offset(40));
  CHECK(f.NothingWithin(absl::Milliseconds(100)));
  const Instant before = f.clock.Now();
  f.lifecycle->OnMetadata(Offset(41));
  auto caught_up = f.Next(absl::Milliseconds(1));
  CHECK(caught_up.at == before);
  REQUIRE(caught_up.heartbeat.has_value());
  CHECK(caught_up.heartbeat->metadata_end == Offset(41));
  CHECK(caught_up.heartbeat->want_fence);
  std::move(caught_up.replied)(HeartbeatReply{true, true, false});
  f.executor.RunUntilIdle();
  CHECK(f.status.state == BrokerState::kRecovery);

  f.lifecycle->SetReady();
  auto ready = f.Next(absl::Milliseconds(1));
  CHECK_FALSE(ready.heartbeat->want_fence);
  std::move(ready.replied)(HeartbeatReply{true, false, false});
  f.executor.RunUntilIdle();
  CHECK(f.status.state == BrokerState::kRunning);
  CHECK(f.NothingWithin(absl::Milliseconds(1999)));
  CHECK(f.Next(absl::Milliseconds(1)).heartbeat->epoch == BrokerEpoch(40));
}

TEST_CASE("Failures are waited out twice as long each time, up to half of the session timeout") {
  Fixture f;
  f.lifecycle->Start();
  Instant last = f.clock.Now();
  const int64_t bounds_ms[] = {100, 200, 400, 800, 1600, 3200, 4500, 4500};
  std::move(f.Next(absl::ZeroDuration()).registered)(
      MakeError(Reason::kNoLeader, Outcome::kNotApplied, "nobody leads"));
  for (const int64_t bound : bounds_ms) {
    auto again = f.Next(absl::Seconds(5));
    INFO(bound);
    CHECK(again.at - last <= absl::Milliseconds(bound));
    CHECK(again.at - last >= absl::Milliseconds(bound) * 0.8);
    last = again.at;
    CHECK(ReasonOf(f.status.problem) == Reason::kNoLeader);
    std::move(again.registered)(MakeError(Reason::kNoLeader, Outcome::kNotApplied, "nobody leads"));
  }
  f.executor.RunUntilIdle();
  // News of a controller ends the wait.
  f.lifecycle->OnControllerChanged();
  CHECK(f.Next(absl::ZeroDuration()).registration.has_value());
}

TEST_CASE("F-B02: a duplicate registration is tried again until the old session has ended") {
  Fixture f;
  f.lifecycle->Start();
  auto first = f.Next(absl::ZeroDuration());
  const IncarnationId mine = first.registration->incarnation;
  CHECK_FALSE(mine.is_zero());
  std::move(first.registered)(MakeKafkaError(101, "broker 5 is registered by another incarnation"));
  auto second = f.Next(absl::Seconds(1));
  CHECK(second.registration->incarnation == mine);
  std::move(second.registered)(BrokerEpoch(9));
  f.executor.RunUntilIdle();
  CHECK(f.status.epoch == BrokerEpoch(9));
  CHECK(f.status.problem.ok());
}

TEST_CASE("F-B01: a broker whose epoch is stale registers again, as a new incarnation") {
  for (const int16_t error : {int16_t{77}, int16_t{102}}) {
    Fixture f;
    f.lifecycle->Start();
    auto first = f.Next(absl::ZeroDuration());
    const IncarnationId before = first.registration->incarnation;
    std::move(first.registered)(BrokerEpoch(40));
    f.lifecycle->OnMetadata(Offset(41));
    f.lifecycle->SetReady();
    std::move(f.Next(absl::Seconds(1)).replied)(HeartbeatReply{true, false, false});
    f.executor.RunUntilIdle();
    // The next heartbeat may have been made due by SetReady already.
    auto beat = f.Next(absl::Seconds(3));
    std::move(beat.replied)(MakeKafkaError(error, "not the registration in force"));
    auto again = f.Next(absl::Seconds(1));
    REQUIRE(again.registration.has_value());
    CHECK(again.registration->incarnation != before);
    CHECK(f.status.state == BrokerState::kStarting);
    CHECK(f.status.epoch == kNoBrokerEpoch);
    std::move(again.registered)(BrokerEpoch(60));
    f.executor.RunUntilIdle();
    // Metadata up to 41 don't hold the new registration.
    CHECK(f.NothingWithin(absl::Milliseconds(500)));
    f.lifecycle->OnMetadata(Offset(61));
    CHECK(f.Next(absl::ZeroDuration()).heartbeat->epoch == BrokerEpoch(60));
  }
}

TEST_CASE("F-B04: a running broker that is fenced goes back to Recovery and comes back by its heartbeats") {
  Fixture f;
  f.Run();
  std::move(f.Next(absl::Seconds(3)).replied)(HeartbeatReply{true, true, false});
  f.executor.RunUntilIdle();
  CHECK(f.status.state == BrokerState::kRecovery);
  auto next = f.Next(absl::Seconds(3));
  CHECK_FALSE(next.heartbeat->want_fence);
  std::move(next.replied)(HeartbeatReply{true, false, false});
  f.executor.RunUntilIdle();
  CHECK(f.status.state == BrokerState::kRunning);
  CHECK(f.status.epoch == BrokerEpoch(40));
}

TEST_CASE("Without a registration in time the host is told once, with the last reason") {
  Fixture f(absl::Seconds(10));
  f.lifecycle->Start();
  for (int i = 0; i < 40 && f.failures.empty(); ++i) {
    if (f.NothingWithin(absl::Seconds(1))) continue;
    std::move(f.Next(absl::ZeroDuration()).registered)(MakeKafkaError(104, "this is cluster X"));
    f.executor.RunUntilIdle();
  }
  REQUIRE(f.failures.size() == 1);
  CHECK(KafkaErrorOf(f.failures[0]) == 104);
  CHECK(std::string(f.failures[0].message()) ==
        "broker 5 could not register within 10s (initial.broker.registration.timeout.ms); last: this is cluster X");
  f.executor.RunFor(absl::Seconds(60));
  CHECK(f.failures.size() == 1);
}

TEST_CASE("A broker that leaves before it was registered isn't blamed later for not registering") {
  Fixture f(absl::Seconds(10));
  f.lifecycle->Start();
  std::vector<absl::Status> results;
  f.lifecycle->BeginControlledShutdown(absl::Seconds(5), [&](absl::Status s) { results.push_back(std::move(s)); });
  f.executor.RunFor(absl::Seconds(60));
  REQUIRE(results.size() == 1);
  CHECK(results[0].ok());
  CHECK(f.failures.empty());
}

TEST_CASE("Controlled shutdown asks at once and again every 50 ms until it is relieved") {
  Fixture f;
  f.Run();
  std::vector<absl::Status> results;
  f.lifecycle->BeginControlledShutdown(absl::Seconds(10), [&](absl::Status s) { results.push_back(s); });
  for (int i = 0; i < 3; ++i) {
    auto beat = f.Next(absl::Milliseconds(50));
    REQUIRE(beat.heartbeat.has_value());
    CHECK(beat.heartbeat->want_shutdown);
    CHECK_FALSE(beat.heartbeat->want_fence);
    CHECK(f.status.state == BrokerState::kPendingControlledShutdown);
    CHECK(results.empty());
    std::move(beat.replied)(HeartbeatReply{true, false, i == 2});
  }
  f.executor.RunUntilIdle();
  REQUIRE(results.size() == 1);
  CHECK(results[0].ok());
  CHECK(f.status.state == BrokerState::kShuttingDown);
  CHECK(f.NothingWithin(absl::Seconds(30)));
  CHECK(f.states == std::vector<BrokerState>{BrokerState::kStarting, BrokerState::kRecovery, BrokerState::kRunning,
                                             BrokerState::kPendingControlledShutdown, BrokerState::kShuttingDown});
}

TEST_CASE(
    "Controlled shutdown that is asked for twice is one, with the earlier deadline; once relieved, nothing is asked") {
  Fixture f;
  f.Run();
  std::vector<absl::Status> results;
  const auto keep = [&](absl::Status s) { results.push_back(std::move(s)); };
  f.lifecycle->BeginControlledShutdown(absl::Seconds(10), keep);
  f.lifecycle->BeginControlledShutdown(absl::Seconds(2), keep);
  auto beat = f.Next(absl::Milliseconds(50));
  f.executor.RunFor(absl::Seconds(1));
  CHECK(results.empty());
  SECTION("relieved") {
    std::move(beat.replied)(HeartbeatReply{true, true, true});
    f.executor.RunUntilIdle();
    REQUIRE(results.size() == 2);
    f.lifecycle->BeginControlledShutdown(absl::Seconds(2), keep);
    CHECK(f.NothingWithin(absl::Seconds(30)));
    REQUIRE(results.size() == 3);
    for (const absl::Status& result : results) CHECK(result.ok());
  }
  SECTION("too late; then asked for again, with a deadline of its own") {
    f.executor.RunFor(absl::Seconds(1));
    REQUIRE(results.size() == 2);
    for (const absl::Status& result : results) CHECK(ReasonOf(result) == Reason::kDeadlineExceeded);
    f.lifecycle->BeginControlledShutdown(absl::Seconds(20), keep);
    std::move(beat.replied)(HeartbeatReply{true, false, false});
    f.executor.RunFor(absl::Milliseconds(50));
    auto again = f.Next(absl::Milliseconds(50));
    f.executor.RunFor(absl::Seconds(15));
    CHECK(results.size() == 2);
    std::move(again.replied)(HeartbeatReply{true, true, true});
    f.executor.RunUntilIdle();
    REQUIRE(results.size() == 3);
    CHECK(results[2].ok());
  }
}

TEST_CASE(
    "Controlled shutdown ends at its deadline, at a lost registration, at Stop, and when nothing was registered") {
  std::vector<absl::Status> results;
  const auto keep = [&](absl::Status s) { results.push_back(std::move(s)); };
  SECTION("deadline") {
    Fixture f;
    f.Run();
    f.lifecycle->BeginControlledShutdown(absl::Seconds(2), keep);
    f.executor.RunFor(absl::Seconds(2));
    REQUIRE(results.size() == 1);
    CHECK(ReasonOf(results[0]) == Reason::kDeadlineExceeded);
  }
  SECTION("lost registration") {
    Fixture f;
    f.Run();
    f.lifecycle->BeginControlledShutdown(absl::Seconds(2), keep);
    std::move(f.Next(absl::Milliseconds(1)).replied)(MakeKafkaError(77, "stale"));
    f.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(results[0].ok());
  }
  SECTION("stop") {
    Fixture f;
    f.Run();
    f.lifecycle->BeginControlledShutdown(absl::Seconds(2), keep);
    f.lifecycle->Stop();
    f.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(ReasonOf(results[0]) == Reason::kShuttingDown);
    CHECK(f.status.state == BrokerState::kNotRunning);
  }
  SECTION("nothing registered") {
    Fixture f;
    f.lifecycle->Start();
    f.executor.RunUntilIdle();
    f.lifecycle->BeginControlledShutdown(absl::Seconds(2), keep);
    f.executor.RunUntilIdle();
    REQUIRE(results.size() == 1);
    CHECK(results[0].ok());
  }
}

TEST_CASE("A broker that is left without a controller gives its hand-over up, but not for a short election") {
  Fixture f;
  f.Run();
  std::vector<absl::Status> results;
  f.lifecycle->BeginControlledShutdown(absl::Seconds(60), [&](absl::Status s) { results.push_back(s); });
  const absl::Status nobody = MakeError(Reason::kNoLeader, Outcome::kNotApplied, "no leader is known");
  // A controller that comes back in time is asked on.
  std::move(f.Next(absl::Seconds(1)).replied)(nobody);
  auto again = f.Next(absl::Seconds(1));
  CHECK(again.heartbeat->want_shutdown);
  std::move(again.replied)(HeartbeatReply{true, false, false});
  const Instant alone = f.clock.Now();
  while (results.empty()) {
    auto beat = f.Next(absl::Seconds(2));
    std::move(beat.replied)(nobody);
    f.executor.RunUntilIdle();
    REQUIRE(f.clock.Now() - alone < absl::Seconds(5));
  }
  CHECK(f.clock.Now() - alone >= absl::Seconds(2));
  CHECK(ReasonOf(results[0]) == Reason::kNoLeader);
  CHECK(f.status.state == BrokerState::kShuttingDown);
  CHECK(f.NothingWithin(absl::Seconds(30)));
}

TEST_CASE("Asked to report its metadata, a broker sends a heartbeat now, but not into a failure's pause") {
  Fixture f;
  f.Run();
  f.lifecycle->OnMetadata(Offset(77));
  f.lifecycle->ReportMetadata();
  auto beat = f.Next();
  CHECK(beat.heartbeat->metadata_end == Offset(77));
  std::move(beat.replied)(MakeError(Reason::kNoLeader, Outcome::kNotApplied, "nobody leads"));
  f.executor.RunUntilIdle();
  f.lifecycle->ReportMetadata();
  CHECK(f.NothingWithin(absl::Milliseconds(70)));
  CHECK_FALSE(f.NothingWithin(absl::Milliseconds(30)));
}

TEST_CASE("A shutdown that begins while a heartbeat is on its way is asked for right after it") {
  Fixture f;
  f.Run();
  auto beat = f.Next(absl::Seconds(3));
  CHECK_FALSE(beat.heartbeat->want_shutdown);
  std::vector<absl::Status> results;
  f.lifecycle->BeginControlledShutdown(absl::Seconds(10), [&](absl::Status s) { results.push_back(s); });
  f.executor.RunUntilIdle();
  std::move(beat.replied)(HeartbeatReply{true, false, false});
  auto asked = f.Next(absl::Milliseconds(50));
  CHECK(asked.heartbeat->want_shutdown);
  std::move(asked.replied)(HeartbeatReply{true, true, true});
  f.executor.RunUntilIdle();
  CHECK(results.size() == 1);
}

}  // namespace
}  // namespace quorate::broker
