#include "node/forwarder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "node/retry.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

constexpr absl::Duration kPauseMin = absl::Milliseconds(10);
constexpr absl::Duration kPauseMax = absl::Milliseconds(200);

// `bool forwarded = 15` set to true. Fields that follow a serialized message are merged into it, so the mark needs
// no decoding of what it is put on.
constexpr absl::string_view kForwardedMark("\x78\x01", 2);

bool MayTryAgain(const absl::Status& error, bool idempotent) {
  const bool harmless = idempotent || OutcomeOf(error) == Outcome::kNotApplied;
  switch (ReasonOf(error)) {
    case Reason::kUnreachable:
      return WasNotReached(error) && harmless;
    case Reason::kNotLeader:
    case Reason::kNoLeader:
    case Reason::kLeadershipLost:
    case Reason::kEpochMismatch:
    case Reason::kShuttingDown:
    case Reason::kHalted:
      return harmless;
    default:
      return false;
  }
}

}  // namespace

std::shared_ptr<Forwarder> Forwarder::Make(NodeId self, Clock* clock, Executor* executor, RpcClient* client,
                                           size_t waiting_max, LocalHandler local, NoLeaderText no_leader_text) {
  return std::shared_ptr<Forwarder>(
      new Forwarder(self, clock, executor, client, waiting_max, std::move(local), std::move(no_leader_text)));
}

Forwarder::Forwarder(NodeId self, Clock* clock, Executor* executor, RpcClient* client, size_t waiting_max,
                     LocalHandler local, NoLeaderText no_leader_text)
    : self_(self),
      clock_(clock),
      executor_(executor),
      client_(client),
      waiting_max_(waiting_max),
      local_(std::move(local)),
      no_leader_text_(std::move(no_leader_text)) {}

void Forwarder::Send(ControllerCall call, RpcReply reply) {
  auto pending = std::make_shared<Pending>();
  pending->reply = std::move(reply);
  absl::Status refusal;
  if (call.timeout <= absl::ZeroDuration() || call.timeout == absl::InfiniteDuration()) {
    refusal = call.timeout == absl::InfiniteDuration()
                  ? MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a timeout must be finite")
                  : MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied,
                              "the deadline had passed when the request came");
  }
  pending->deadline = clock_->Now() + call.timeout;
  pending->call = std::move(call);
  if (refusal.ok()) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!stopped_.ok()) {
      refusal = stopped_;
    } else if (pending_.size() >= kPendingMax) {
      refusal = MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                          absl::StrCat(kPendingMax, " requests wait for their answer on this node; no more are taken"));
    } else {
      pending->id = ++last_id_;
      pending_.emplace(pending->id, pending);
      pending->timer =
          executor_->PostAt(pending->deadline, [self = shared_from_this(), pending] { self->OnDeadline(pending); });
    }
  }
  if (!refusal.ok()) {
    std::move(pending->reply)(std::move(refusal));
    return;
  }
  Try(pending);
}

void Forwarder::Try(const PendingPtr& pending) {
  enum class Way { kNone, kHere, kThere } way = Way::kNone;
  Endpoint there;
  uint64_t generation = 0;
  absl::Status refusal;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pending_.count(pending->id) == 0) return;
    if (pending->waiting) {
      pending->waiting = false;
      --waiting_;
    }
    generation = generation_;
    const bool other_leads = leadership_.leader != kNoNode && leadership_.leader != self_;
    if (active_here_) {
      way = Way::kHere;
    } else if (other_leads && pending->call.here_or_nowhere) {
      refusal = NotHereError();
    } else if (other_leads && !leadership_.endpoint.host.empty()) {
      way = Way::kThere;
      there = leadership_.endpoint;
    } else if (!WaitLocked(pending, absl::InfiniteDuration())) {
      refusal =
          MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                    absl::StrCat(waiting_max_, " requests wait for a leader on this node already; no more are taken"));
    }
    if (way != Way::kNone) ++calling_out_;  // under the lock that Stop takes: later ones see that there is nothing left
  }
  if (!refusal.ok()) {
    Finish(pending, std::move(refusal));
    return;
  }
  if (way == Way::kNone) return;
  const absl::Duration left = pending->deadline - clock_->Now();
  auto answer = [self = shared_from_this(), pending, generation](absl::StatusOr<std::string> answer) mutable {
    self->OnAnswer(pending, generation, std::move(answer));
  };
  if (left <= absl::ZeroDuration()) {
    // The deadline's timer answers.
  } else if (way == Way::kHere) {
    ControllerCall call = pending->call;
    call.timeout = left;
    local_(std::move(call), std::move(answer));
  } else {
    std::string payload = pending->call.payload;
    if (pending->call.mark) payload.append(kForwardedMark.data(), kForwardedMark.size());
    client_->Call(there, pending->call.method, std::move(payload), left, std::move(answer));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--calling_out_ == 0) called_out_.notify_all();
}

void Forwarder::OnAnswer(const PendingPtr& pending, uint64_t generation, absl::StatusOr<std::string> answer) {
  if (answer.ok() || pending->call.here_or_nowhere || !MayTryAgain(answer.status(), pending->call.idempotent)) {
    Finish(pending, std::move(answer));
    return;
  }
  bool try_now = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pending_.count(pending->id) == 0) return;
    pending->last_error = answer.status();
    pending->may_have_arrived |= OutcomeOf(answer.status()) == Outcome::kUnknown;
    pending->pause = pending->pause == absl::ZeroDuration() ? kPauseMin : std::min(pending->pause * 2, kPauseMax);
    // Whom we asked is no longer whom we would ask: go on at once.
    try_now = generation != generation_;
    if (!try_now && WaitLocked(pending, pending->pause)) return;
  }
  if (try_now) {
    executor_->Post([self = shared_from_this(), pending] { self->Try(pending); });
  } else {
    Finish(pending, std::move(answer));
  }
}

bool Forwarder::WaitLocked(const PendingPtr& pending, absl::Duration retry_in) {
  if (waiting_ >= waiting_max_) return false;
  ++waiting_;
  pending->waiting = true;
  const uint64_t round = ++pending->wait_round;
  if (retry_in == absl::InfiniteDuration()) return true;
  executor_->PostAt(clock_->Now() + retry_in, [self = shared_from_this(), pending, round] {
    {
      const std::lock_guard<std::mutex> lock(self->mutex_);
      if (!pending->waiting || pending->wait_round != round) return;
    }
    self->Try(pending);
  });
  return true;
}

void Forwarder::OnLeadership(const Leadership& leadership, bool active_here) {
  std::vector<PendingPtr> ready;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (leadership == leadership_ && active_here == active_here_) return;
    leadership_ = leadership;
    active_here_ = active_here;
    ++generation_;
    for (const auto& [id, pending] : pending_) {
      if (pending->waiting) ready.push_back(pending);
    }
  }
  // Not here: this is the strand, and a call may be large.
  for (PendingPtr& pending : ready) {
    executor_->Post([self = shared_from_this(), pending = std::move(pending)] { self->Try(pending); });
  }
}

void Forwarder::OnDeadline(const PendingPtr& pending) {
  bool waits = false;
  bool has_leader = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pending_.count(pending->id) == 0) return;
    waits = pending->waiting;
    has_leader = leadership_.leader != kNoNode && leadership_.leader != self_;
  }
  const std::string span = ShownDuration(pending->call.timeout);
  if (!waits) {
    const Outcome outcome = Outcome::kUnknown;
    Finish(pending, MakeError(Reason::kDeadlineExceeded, outcome,
                              absl::StrCat("the active controller did not answer within ", span,
                                           "; the request may still take effect")));
    return;
  }
  if (has_leader && !pending->last_error.ok()) {
    const Outcome outcome = OutcomeOf(pending->last_error);
    StatusDetail detail = DetailOf(pending->last_error).value_or(StatusDetail());
    detail.outcome = outcome;
    // The caller reached us; whom we couldn't reach is the leader that we remember.
    if (detail.reason == Reason::kUnreachable) detail.reason = Reason::kNoLeader;
    Finish(pending, MakeError(detail, absl::StrCat("the active controller could not be asked within ", span, ": ",
                                                   pending->last_error.message())));
    return;
  }
  no_leader_text_([self = shared_from_this(), pending, span](std::string why) {
    self->Finish(pending, MakeError(Reason::kNoLeader, Outcome::kNotApplied, absl::StrCat(why, "; waited ", span)));
  });
}

void Forwarder::Finish(const PendingPtr& pending, absl::StatusOr<std::string> answer) {
  RpcReply reply;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pending_.erase(pending->id) == 0) return;
    if (pending->waiting) {
      pending->waiting = false;
      --waiting_;
    }
    reply = std::move(pending->reply);
    // What the last try knows of itself isn't the whole story.
    if (!answer.ok() && pending->may_have_arrived && OutcomeOf(answer.status()) == Outcome::kNotApplied) {
      StatusDetail detail = *DetailOf(answer.status());
      detail.outcome = Outcome::kUnknown;
      answer = MakeError(detail, answer.status().message());
    }
  }
  executor_->Cancel(pending->timer);
  std::move(reply)(std::move(answer));
}

void Forwarder::Stop(Reason reason, const std::string& why) {
  std::vector<std::pair<PendingPtr, bool>> left;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!stopped_.ok()) return;
    stopped_ = MakeError(reason, Outcome::kNotApplied, why);
    for (const auto& [id, pending] : pending_) left.emplace_back(pending, pending->waiting);
  }
  for (const auto& [pending, waits] : left) {
    Finish(pending,
           MakeError(reason, waits ? Outcome::kNotApplied : Outcome::kUnknown,
                     waits ? why : absl::StrCat(why, "; the request was on its way and may still take effect")));
  }
}

void Forwarder::Drain() {
  std::unique_lock<std::mutex> lock(mutex_);
  called_out_.wait(lock, [this] { return calling_out_ == 0; });
}

absl::Status Forwarder::NotHereError() const {
  StatusDetail detail;
  detail.reason = Reason::kNotLeader;
  detail.outcome = Outcome::kNotApplied;
  detail.kafka_error = 41;
  detail.leader = LeaderHint{leadership_.leader, leadership_.epoch, leadership_.endpoint};
  return MakeError(detail, absl::StrCat("node ", self_.value(), " isn't the active controller; node ",
                                        leadership_.leader.value(), " appears to be"));
}

}  // namespace quorate::node
