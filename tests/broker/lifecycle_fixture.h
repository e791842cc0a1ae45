// A broker's life against a controller that the test scripts, under virtual time.
#ifndef QUORATE_TESTS_BROKER_LIFECYCLE_FIXTURE_H_
#define QUORATE_TESTS_BROKER_LIFECYCLE_FIXTURE_H_

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/xoshiro.h"
#include "broker/lifecycle.h"
#include "quorate/status.h"
#include "quorate/testing/manual_executor.h"
#include "support/catch.h"

namespace quorate::broker {

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

}  // namespace quorate::broker

#endif  // QUORATE_TESTS_BROKER_LIFECYCLE_FIXTURE_H_
