#include "broker/lifecycle.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "quorate/status.h"

namespace quorate {

absl::string_view ToString(BrokerState state) {
  switch (state) {
    case BrokerState::kNotRunning:
      return "NotRunning";
    case BrokerState::kStarting:
      return "Starting";
    case BrokerState::kRecovery:
      return "Recovery";
    case BrokerState::kRunning:
      return "Running";
    case BrokerState::kPendingControlledShutdown:
      return "PendingControlledShutdown";
    case BrokerState::kShuttingDown:
      return "ShuttingDown";
  }
  return "Unknown";
}

}  // namespace quorate

namespace quorate::broker {
namespace {

constexpr int16_t kStaleBrokerEpoch = 77;
constexpr int16_t kBrokerIdNotRegistered = 102;

constexpr absl::Duration kBackoffMin = absl::Milliseconds(100);
// Moving leaderships takes the controller a commit or two; Kafka looks again after as long.
constexpr absl::Duration kShutdownHeartbeatInterval = absl::Milliseconds(50);
constexpr absl::Duration kLogAgainAfter = absl::Seconds(30);
constexpr absl::Duration kHandOverPatience = absl::Seconds(2);

}  // namespace

std::shared_ptr<Lifecycle> Lifecycle::Make(LifecycleOptions options, Clock* clock, Random* random, Executor* executor,
                                           ControllerChannel* channel, std::shared_ptr<LogSink> log_sink,
                                           LifecycleListener listener) {
  return std::shared_ptr<Lifecycle>(
      new Lifecycle(std::move(options), clock, random, executor, channel, std::move(log_sink), std::move(listener)));
}

Lifecycle::Lifecycle(LifecycleOptions options, Clock* clock, Random* random, Executor* executor,
                     ControllerChannel* channel, std::shared_ptr<LogSink> log_sink, LifecycleListener listener)
    : options_(std::move(options)),
      clock_(clock),
      random_(random),
      executor_(executor),
      channel_(channel),
      log_sink_(log_sink == nullptr ? NullLogSink() : std::move(log_sink)),
      listener_(std::move(listener)) {}

void Lifecycle::Post(absl::AnyInvocable<void(Lifecycle&) &&> action) {
  executor_->Post([self = shared_from_this(), action = std::move(action)]() mutable { std::move(action)(*self); });
}

void Lifecycle::Start() {
  Post([](Lifecycle& self) {
    if (self.started_ || self.stopped_) return;
    self.started_ = true;
    const uint64_t high = self.random_->Next() | 1;
    self.incarnation_ = IncarnationId(Uuid(high, self.random_->Next()));
    self.executor_->PostAt(self.clock_->Now() + self.options_.initial_registration_timeout,
                           [me = self.shared_from_this()] { me->CheckInitialRegistration(); });
    self.SetState(BrokerState::kStarting);
    self.SendDue();
  });
}

void Lifecycle::OnMetadata(Offset end) {
  metadata_end_.store(end.value());
  // Sequentially consistent on both sides: either we see what is awaited, or OnRegistered sees the new end.
  if (end.value() < awaited_end_.load()) return;
  Post([](Lifecycle& self) {
    if (self.awaited_end_.load() > self.metadata_end_.load()) return;
    self.awaited_end_.store(INT64_MAX);
    self.HurryUp();
  });
}

void Lifecycle::ReportMetadata() {
  Post([](Lifecycle& self) {
    if (self.status_.epoch != kNoBrokerEpoch && self.backoff_ == absl::ZeroDuration()) self.HurryUp();
  });
}

void Lifecycle::OnControllerChanged() {
  Post([](Lifecycle& self) {
    // A heartbeat to a new controller tells it early that we live; one that waits out a failure need not.
    self.backoff_ = absl::ZeroDuration();
    self.HurryUp();
  });
}

void Lifecycle::SetReady() {
  Post([](Lifecycle& self) {
    self.ready_ = true;
    if (self.IsCaughtUp()) self.HurryUp();
  });
}

void Lifecycle::BeginControlledShutdown(absl::Duration timeout, absl::AnyInvocable<void(absl::Status) &&> done) {
  Post([timeout, done = std::move(done)](Lifecycle& self) mutable {
    const bool runs = !self.shutdown_done_.empty();
    self.shutdown_done_.push_back(std::move(done));
    if (runs) {
      self.ArmShutdownTimer(timeout);
      return;
    }
    if (self.relieved_ || self.stopped_ || !self.started_ || self.status_.epoch == kNoBrokerEpoch) {
      self.FinishControlledShutdown(absl::OkStatus());
      return;
    }
    self.SetState(BrokerState::kPendingControlledShutdown);
    self.ArmShutdownTimer(timeout);
    self.HurryUp();
  });
}

// Unless the shutdown that runs ends earlier anyway.
void Lifecycle::ArmShutdownTimer(absl::Duration timeout) {
  const Instant deadline = clock_->Now() + timeout;
  if (deadline >= shutdown_deadline_) return;
  executor_->Cancel(shutdown_timer_);
  shutdown_deadline_ = deadline;
  shutdown_timer_ = executor_->PostAt(deadline, [me = shared_from_this(), deadline, timeout] {
    if (me->shutdown_deadline_ != deadline) return;  // ended, or called off too late
    me->FinishControlledShutdown(MakeError(
        Reason::kDeadlineExceeded, Outcome::kUnknown,
        absl::StrCat("the controller did not take over what this broker leads within ", ShownDuration(timeout))));
  });
}

void Lifecycle::Stop() {
  Post([](Lifecycle& self) {
    self.FinishControlledShutdown(MakeError(Reason::kShuttingDown, Outcome::kUnknown, "the broker is stopping"));
    self.stopped_ = true;
    self.executor_->Cancel(self.timer_);
    self.SetState(BrokerState::kNotRunning);
    // They may hold on to whoever holds us.
    self.listener_ = LifecycleListener();
  });
}

// Sends whatever the present state asks for, unless a request is on its way.
void Lifecycle::SendDue() {
  if (stopped_ || !started_ || status_.state == BrokerState::kShuttingDown) return;
  if (in_flight_) {
    hurry_ = true;
    return;
  }
  hurry_ = false;
  executor_->Cancel(timer_);
  ++timer_round_;
  in_flight_ = true;
  if (status_.epoch == kNoBrokerEpoch) {
    SendRegistration();
  } else {
    SendHeartbeat();
  }
}

void Lifecycle::SendRegistration() {
  Registration registration;
  registration.broker = options_.id;
  registration.cluster_id = options_.cluster_id;
  registration.incarnation = incarnation_;
  registration.endpoints = options_.endpoints;
  registration.features = options_.features;
  registration.log_dirs = options_.log_dirs;
  registration.rack = options_.rack;
  channel_->Register(
      std::move(registration), RequestTimeout(),
      [self = shared_from_this()](absl::StatusOr<BrokerEpoch> epoch) mutable {
        self->Post([epoch = std::move(epoch)](Lifecycle& me) mutable { me.OnRegistered(std::move(epoch)); });
      });
}

void Lifecycle::SendHeartbeat() {
  Heartbeat heartbeat;
  heartbeat.broker = options_.id;
  heartbeat.epoch = status_.epoch;
  heartbeat.metadata_end = Offset(metadata_end_.load());
  heartbeat.want_shutdown = status_.state == BrokerState::kPendingControlledShutdown;
  heartbeat.want_fence = !ready_ && !heartbeat.want_shutdown;
  channel_->SendHeartbeat(
      heartbeat, RequestTimeout(), [self = shared_from_this()](absl::StatusOr<HeartbeatReply> reply) mutable {
        self->Post([reply = std::move(reply)](Lifecycle& me) mutable { me.OnHeartbeatReply(std::move(reply)); });
      });
}

void Lifecycle::OnRegistered(absl::StatusOr<BrokerEpoch> epoch) {
  in_flight_ = false;
  if (stopped_ || status_.state == BrokerState::kShuttingDown) return;
  if (!epoch.ok()) {
    OnFailure(epoch.status());
    return;
  }
  backoff_ = absl::ZeroDuration();
  ever_registered_ = true;
  status_.epoch = *epoch;
  status_.problem = absl::OkStatus();
  awaited_end_.store(epoch->value() + 1);
  Log(LogLevel::kInfo, absl::StrCat("event=broker_registered broker=", options_.id.value(), " epoch=", epoch->value()));
  Report();
  if (IsCaughtUp()) awaited_end_.store(INT64_MAX);
  if (IsCaughtUp() || hurry_) {
    SendDue();
  } else {
    ScheduleNext(options_.heartbeat_interval);
  }
}

void Lifecycle::OnHeartbeatReply(absl::StatusOr<HeartbeatReply> reply) {
  in_flight_ = false;
  if (stopped_ || status_.state == BrokerState::kShuttingDown) return;
  if (!reply.ok()) {
    const int16_t error = KafkaErrorOf(reply.status());
    if (error == kStaleBrokerEpoch || error == kBrokerIdNotRegistered) {
      RegisterAnew(reply.status());
    } else {
      OnFailure(reply.status());
    }
    return;
  }
  backoff_ = absl::ZeroDuration();
  alone_since_.reset();
  logged_reason_ = Reason::kUnspecified;
  const bool had_problem = !status_.problem.ok();
  status_.problem = absl::OkStatus();
  if (status_.state == BrokerState::kPendingControlledShutdown) {
    if (reply->should_shut_down) {
      FinishControlledShutdown(absl::OkStatus());
    } else if (hurry_) {
      SendDue();  // this answer was to a heartbeat that didn't ask yet
    } else {
      ScheduleNext(kShutdownHeartbeatInterval);
    }
    return;
  }
  if (had_problem) Report();
  OnFenced(*reply);
  if (hurry_) {
    SendDue();
  } else {
    ScheduleNext(options_.heartbeat_interval);
  }
}

void Lifecycle::OnFenced(const HeartbeatReply& reply) {
  if (!reply.is_fenced) {
    SetState(BrokerState::kRunning);
  } else if (reply.is_caught_up) {
    if (status_.state == BrokerState::kRunning) {
      Log(LogLevel::kWarning, absl::StrCat("event=broker_fenced broker=", options_.id.value(),
                                           " epoch=", status_.epoch.value(), " cause=heartbeats_missed"));
    }
    SetState(BrokerState::kRecovery);
  }
}

void Lifecycle::OnFailure(const absl::Status& why) {
  status_.problem = why;
  // Once for each kind of trouble, and then from time to time: it may last for hours.
  const Instant now = clock_->Now();
  if (ReasonOf(why) != logged_reason_ || now >= log_again_at_) {
    logged_reason_ = ReasonOf(why);
    log_again_at_ = now + kLogAgainAfter;
    Log(LogLevel::kWarning, absl::StrCat("event=broker_request_failed broker=", options_.id.value(),
                                         " request=", status_.epoch == kNoBrokerEpoch ? "registration" : "heartbeat",
                                         " cause=\"", ShownStatus(why), "\""));
  }
  Report();
  if (GivesUpHandOver(why)) return;
  const absl::Duration max = std::max(kBackoffMin, options_.session_timeout / 2);
  backoff_ = backoff_ == absl::ZeroDuration() ? kBackoffMin : std::min(backoff_ * 2, max);
  if (hurry_) {
    // News came while the request was on its way: they may be what it failed for.
    SendDue();
    return;
  }
  // Between 80 and 100 percent.
  const absl::Duration jitter = backoff_ / 1000 * static_cast<int64_t>(random_->Below(200));
  ScheduleNext(backoff_ - jitter);
}

// The last brokers of a cluster that is stopped as a whole find no controller that could relieve them, and there will
// be none: they don't wait for it until their deadline. An election takes far less than this patience.
bool Lifecycle::GivesUpHandOver(const absl::Status& why) {
  if (status_.state != BrokerState::kPendingControlledShutdown) return false;
  const Reason reason = ReasonOf(why);
  if (reason != Reason::kNoLeader && reason != Reason::kUnreachable) {
    alone_since_.reset();
    return false;
  }
  const Instant now = clock_->Now();
  if (!alone_since_.has_value()) alone_since_ = now;
  if (now - *alone_since_ < kHandOverPatience) return false;
  FinishControlledShutdown(
      MakeError(Reason::kNoLeader, Outcome::kNotApplied,
                absl::StrCat("there is no active controller to take over what this broker leads: ", why.message())));
  return true;
}

void Lifecycle::RegisterAnew(const absl::Status& why) {
  Log(LogLevel::kWarning, absl::StrCat("event=broker_registration_lost broker=", options_.id.value(),
                                       " epoch=", status_.epoch.value(), " cause=\"", ShownStatus(why), "\""));
  status_.epoch = kNoBrokerEpoch;
  status_.problem = why;
  if (status_.state == BrokerState::kPendingControlledShutdown) {
    // Whoever took the registration away took our partitions, too.
    FinishControlledShutdown(absl::OkStatus());
    return;
  }
  const uint64_t high = random_->Next() | 1;
  incarnation_ = IncarnationId(Uuid(high, random_->Next()));
  SetState(BrokerState::kStarting);
  // Without a pause two brokers of the same id would chase each other as fast as the controller answers.
  backoff_ = kBackoffMin;
  ScheduleNext(kBackoffMin);
}

void Lifecycle::ScheduleNext(absl::Duration in) {
  const uint64_t round = ++timer_round_;
  timer_ = executor_->PostAt(clock_->Now() + in, [self = shared_from_this(), round] {
    if (self->timer_round_ == round) self->SendDue();
  });
}

void Lifecycle::HurryUp() {
  if (started_ && !stopped_) SendDue();
}

void Lifecycle::CheckInitialRegistration() {
  const bool leaves = status_.state == BrokerState::kShuttingDown;
  if (ever_registered_ || leaves || stopped_ || !listener_.on_failed) return;
  std::string message =
      absl::StrCat("broker ", options_.id.value(), " could not register within ",
                   ShownDuration(options_.initial_registration_timeout), " (initial.broker.registration.timeout.ms)");
  if (!status_.problem.ok()) absl::StrAppend(&message, "; last: ", status_.problem.message());
  auto on_failed = std::exchange(listener_.on_failed, nullptr);
  StatusDetail detail = DetailOf(status_.problem).value_or(StatusDetail());
  detail.reason = detail.reason == Reason::kUnspecified ? Reason::kDeadlineExceeded : detail.reason;
  on_failed(MakeError(detail, message));
}

void Lifecycle::FinishControlledShutdown(const absl::Status& result) {
  if (shutdown_done_.empty()) return;
  auto waiting = std::exchange(shutdown_done_, {});
  executor_->Cancel(shutdown_timer_);
  shutdown_deadline_ = Instant::Infinite();
  if (result.ok()) relieved_ = true;
  if (!stopped_) SetState(BrokerState::kShuttingDown);
  executor_->Cancel(timer_);
  ++timer_round_;
  Log(result.ok() ? LogLevel::kInfo : LogLevel::kWarning,
      absl::StrCat("event=controlled_shutdown broker=", options_.id.value(), " result=\"", ShownStatus(result), "\""));
  for (auto& done : waiting) std::move(done)(result);
}

void Lifecycle::SetState(BrokerState state) {
  if (status_.state == state) return;
  Log(LogLevel::kInfo, absl::StrCat("event=broker_state broker=", options_.id.value(),
                                    " from=", ToString(status_.state), " to=", ToString(state)));
  status_.state = state;
  Report();
}

void Lifecycle::Report() {
  if (listener_.on_change) listener_.on_change(status_);
}

void Lifecycle::Log(LogLevel level, absl::string_view line) { log_sink_->Write(level, "broker", line); }

bool Lifecycle::IsCaughtUp() const {
  // The registration is the record at offset `epoch`.
  return status_.epoch != kNoBrokerEpoch && metadata_end_.load() > status_.epoch.value();
}

absl::Duration Lifecycle::RequestTimeout() const {
  // Several tries must fit into a session; a request may have to wait for an election.
  return std::max(absl::Milliseconds(50), std::min(options_.heartbeat_interval, options_.session_timeout / 3));
}

}  // namespace quorate::broker
