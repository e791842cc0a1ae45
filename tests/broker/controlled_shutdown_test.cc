// A broker's way out of service: it asks to be relieved, and leaves when it is, or when nobody answers.
#include "broker/lifecycle_fixture.h"

namespace quorate::broker {
namespace {

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
