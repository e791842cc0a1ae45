// A broker's way into service, and back after failures.
#include "broker/lifecycle_fixture.h"

namespace quorate::broker {
namespace {

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

}  // namespace
}  // namespace quorate::broker
