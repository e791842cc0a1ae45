#include "node/active_controller.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "metadata/record_codec.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

// A proposal that was taken must not be given up by a timer: later decisions rest on it. It ends with its
// commit or with the leadership; callers have deadlines of their own.
constexpr absl::Duration kProposalTimeout = absl::Hours(24);
constexpr absl::Duration kReclaimInterval = absl::Milliseconds(10);

constexpr absl::Duration kTickRetryInterval = absl::Milliseconds(100);

constexpr int16_t kNotController = 41;

// Why the rest of a change in several batches wasn't taken: what came before it may take effect all the same.
absl::Status Partly(const absl::Status& refused) {
  StatusDetail detail = DetailOf(refused).value_or(StatusDetail());
  detail.outcome = Outcome::kUnknown;
  return MakeError(detail, absl::StrCat("only a part of the change was taken: ", refused.message()));
}

}  // namespace

ActiveController::ActiveController(NodeId self, controller::ControllerConfig config, absl::Duration idle_interval,
                                   Clock* clock, Random* random, std::shared_ptr<LogSink> log_sink)
    : self_(self),
      idle_interval_(idle_interval),
      clock_(clock),
      log_sink_(std::move(log_sink)),
      controller_(std::move(config), *random) {}

void ActiveController::OnLeadership(const Leadership& leadership, const MetadataImagePtr& committed) {
  leadership_ = leadership;
  committed_ = committed;
  if (controller_.active() && (!leadership.is_self || leadership.epoch != claimed_epoch_)) Renounce(NotActive());
  reclaim_ = false;
  if (leadership.is_self && !controller_.active()) Claim(leadership.epoch, committed);
}

void ActiveController::Claim(Epoch epoch, const MetadataImagePtr& committed) {
  claimed_epoch_ = epoch;
  last_write_ = engine_->Now();
  tick_not_before_ = Instant();
  controller_.Claim(committed, epoch, engine_->Now());
  Log(LogLevel::kInfo, absl::StrCat("event=controller_claimed node=", self_.value(), " epoch=", epoch.value(),
                                    " metadata_end=", committed->provenance().end.value()));
  absl::StatusOr<controller::Decision<controller::BootstrapResponse>> first = controller_.Bootstrap(Context());
  if (!first.ok()) {
    HaltIfCorrupt(first.status());
    return;
  }
  if (!first->records.empty()) Carry(std::move(first->records), first->atomic, [](absl::Status) {});
  ArmTimer();
}

void ActiveController::Renounce(const absl::Status& why) {
  if (!controller_.active()) return;
  controller_.Renounce();
  Log(LogLevel::kInfo, absl::StrCat("event=controller_renounced node=", self_.value(),
                                    " epoch=", claimed_epoch_.value(), " cause=\"", ShownStatus(why), "\""));
  std::deque<Deferred> deferred = std::exchange(deferred_, {});
  for (Deferred& waiting : deferred) std::move(waiting.done)(why);
}

void ActiveController::OnCommitted(const MetadataImagePtr& committed) {
  committed_ = committed;
  while (!deferred_.empty() && deferred_.front().after <= committed->provenance().end) {
    Completion done = std::move(deferred_.front().done);
    deferred_.pop_front();
    std::move(done)(absl::OkStatus());
  }
}

void ActiveController::OnLoaded(const MetadataImagePtr& committed) {
  reclaim_ = false;
  Renounce(NotActive());
  committed_ = committed;
}

void ActiveController::OnHalted() {
  leadership_.is_self = false;
  Renounce(MakeError(Reason::kHalted, Outcome::kNotApplied, "this node stopped itself"));
}

void ActiveController::Carry(std::vector<metadata::Record> records, bool atomic, Completion done) {
  if (records.empty()) {
    const Offset after = controller_.uncommitted()->provenance().end;
    if (after <= committed_->provenance().end) {
      std::move(done)(absl::OkStatus());
    } else if (deferred_.size() < limits::kPendingReadsMax) {
      deferred_.push_back({after, std::move(done)});
    } else {
      std::move(done)(MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                                absl::StrCat(deferred_.size(), " answers wait for a commit already; no more can")));
    }
    return;
  }
  absl::Span<const metadata::Record> rest(records);
  bool partly = false;
  while (!atomic && rest.size() > limits::kRecordsPerOperationMax) {
    const absl::Span<const metadata::Record> part = rest.first(limits::kRecordsPerOperationMax);
    rest.remove_prefix(part.size());
    // The last part answers for all: they commit in order, and what breaks one breaks the later ones.
    if (absl::Status refused = Propose(part, [](const absl::Status&) {}); !refused.ok()) {
      std::move(done)(partly ? Partly(refused) : std::move(refused));
      return;
    }
    partly = true;
  }
  auto shared = std::make_shared<Completion>(std::move(done));
  if (absl::Status refused = Propose(rest, [shared](absl::Status status) { std::move (*shared)(std::move(status)); });
      !refused.ok()) {
    std::move (*shared)(partly ? Partly(refused) : std::move(refused));
  }
}

// Hands records to the log and replays them. An error: the log didn't take them, nothing happened.
absl::Status ActiveController::Propose(absl::Span<const metadata::Record> records, Completion done) {
  std::vector<std::string> encoded;
  encoded.reserve(records.size());
  for (const metadata::Record& record : records) encoded.push_back(metadata::EncodeRecord(record));
  const Epoch epoch = claimed_epoch_;
  absl::StatusOr<Offset> base =
      engine_->ProposeOnStrand(std::move(encoded), kProposalTimeout,
                               [this, epoch, done = std::move(done)](absl::StatusOr<Proposed> proposed) mutable {
                                 if (!proposed.ok()) OnProposalFailed(epoch, proposed.status());
                                 std::move(done)(proposed.status());
                               });
  if (!base.ok()) return base.status();
  last_write_ = engine_->Now();
  if (absl::Status replayed = controller_.Replay(records, *base, epoch); !replayed.ok()) {
    // The controller decided something that no node can apply; it is in the log all the same.
    engine_->Halt(MakeError(Reason::kCorruption, Outcome::kUnknown,
                            absl::StrCat("the controller can't replay its own decision: ", replayed.message())));
  }
  return absl::OkStatus();
}

void ActiveController::OnProposalFailed(Epoch epoch, const absl::Status& why) {
  if (!controller_.active() || epoch != claimed_epoch_) return;
  Renounce(why);
  reclaim_ = true;
  ReclaimWhenSettled();
}

// Leadership stays, but images rest on a lost proposal: start over from what is committed, once all that was proposed
// has either been committed or been given up.
void ActiveController::ReclaimWhenSettled() {
  engine_->ScheduleOnStrand(engine_->Now() + kReclaimInterval, [this] {
    if (!reclaim_ || !engine_->IsActiveLeader() || !engine_->fault().ok()) return;
    if (engine_->NextOffset() != committed_->provenance().end) {
      ReclaimWhenSettled();
      return;
    }
    reclaim_ = false;
    Claim(engine_->epoch(), committed_);
  });
}

void ActiveController::ArmTimer() {
  if (!controller_.active()) return;
  Instant next = std::max(controller_.NextDeadline(), tick_not_before_);
  if (idle_interval_ > absl::ZeroDuration()) next = std::min(next, last_write_ + idle_interval_);
  // A timer that is early enough stays: deadlines move with every heartbeat, and a needless look is cheap.
  if (next.is_infinite() || timer_armed_for_ <= next) return;
  if (timer_ != Executor::kNoTimer) engine_->CancelScheduled(timer_);
  timer_armed_for_ = next;
  timer_ = engine_->ScheduleOnStrand(next, [this, next] {
    if (timer_armed_for_ != next) return;
    timer_armed_for_ = Instant::Infinite();
    timer_ = Executor::kNoTimer;
    OnTimer();
  });
}

void ActiveController::OnTimer() {
  if (!controller_.active()) return;
  if (std::max(controller_.NextDeadline(), tick_not_before_) <= engine_->Now()) {
    absl::StatusOr<controller::Decision<controller::TickResponse>> decision = controller_.Tick(Context());
    if (!decision.ok()) {
      tick_not_before_ = engine_->Now() + kTickRetryInterval;
      HaltIfCorrupt(decision.status());
      Log(LogLevel::kError,
          absl::StrCat("event=controller_tick_failed cause=\"", ShownStatus(decision.status()), "\""));
    } else {
      for (const NodeId fenced : decision->response.fenced) {
        Log(LogLevel::kWarning, absl::StrCat("event=broker_session_expired broker=", fenced.value()));
      }
      Carry(std::move(decision->records), decision->atomic, [this](const absl::Status& carried) {
        if (!carried.ok()) tick_not_before_ = engine_->Now() + kTickRetryInterval;
      });
    }
  }
  // What waits for its commit moves the log by itself.
  const bool is_idle =
      controller_.active() && idle_interval_ > absl::ZeroDuration() && engine_->Now() - last_write_ >= idle_interval_;
  if (is_idle && controller_.uncommitted()->provenance().end <= committed_->provenance().end) {
    Carry({metadata::NoOpRecord{}}, true, [](absl::Status) {});
  }
  if (is_idle) last_write_ = engine_->Now();
  ArmTimer();
}

void ActiveController::HaltIfCorrupt(const absl::Status& status) {
  if (ReasonOf(status) == Reason::kCorruption) engine_->Halt(status);
}

controller::RequestContext ActiveController::Context() const {
  return {engine_->Now(), engine_->NextOffset(), clock_->WallNow()};
}

absl::Status ActiveController::NotActive() const {
  StatusDetail detail;
  detail.outcome = Outcome::kNotApplied;
  if (!engine_->fault().ok()) {
    detail.reason = Reason::kHalted;
    return MakeError(detail, absl::StrCat("this node stopped itself: ", engine_->fault().message()));
  }
  if (leadership_.leader == kNoNode || leadership_.leader == self_) {
    detail.reason = Reason::kNoLeader;
    detail.kafka_error = kNotController;
    return MakeError(detail, leadership_.leader == self_
                                 ? absl::StrCat("node ", self_.value(), " is about to become the active controller")
                                 : engine_->NoLeaderText());
  }
  detail.reason = Reason::kNotLeader;
  detail.kafka_error = kNotController;
  detail.leader = LeaderHint{leadership_.leader, leadership_.epoch, leadership_.endpoint};
  return MakeError(detail, absl::StrCat("node ", self_.value(), " isn't the active controller; node ",
                                        leadership_.leader.value(), " appears to be"));
}

}  // namespace quorate::node
