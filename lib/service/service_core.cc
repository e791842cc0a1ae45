#include "service/service_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "service/service_session.h"

namespace quorate::service {
namespace {

constexpr absl::Duration kTimeoutMax = absl::Seconds(60);
constexpr absl::Duration kConnectTimeout = absl::Seconds(2);
// A leader that can't be reached isn't dialled for each proposal; elections take about as long.
constexpr absl::Duration kDialPause = absl::Milliseconds(20);
constexpr absl::Duration kExpiryTick = absl::Milliseconds(20);
// What clients that still read get to hear, beyond the grace, before their streams are cut.
constexpr absl::Duration kFarewell = absl::Milliseconds(200);

uint32_t Millis(absl::Duration timeout) {
  return static_cast<uint32_t>(std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout)));
}

absl::Status ShuttingDown(Outcome outcome) {
  return MakeError(
      Reason::kShuttingDown, outcome,
      outcome == Outcome::kNotApplied
          ? "this node's proposal service is shutting down"
          : "this node's proposal service shut down before the outcome was known; it may still take effect");
}

}  // namespace

ServiceCore::ServiceCore(ProposalServiceOptions options)
    : options_(std::move(options)),
      self_(options_.node->Describe().self.id),
      executor_(options_.executors->MakeSerial("quorate-serve")),
      streams_(transport::NewGrpcByteStreamClient(executor_.get())) {
  watch_ = options_.node->WatchLeadership([this](const Leadership& leadership) {
    const std::lock_guard<std::mutex> lock(mutex_);
    leadership_ = leadership;
  });
}

ServiceCore::~ServiceCore() { Stop(absl::ZeroDuration()); }

// ---- The table -------------------------------------------------------------------------------------

absl::StatusOr<uint64_t> ServiceCore::Admit(Call* call, std::optional<Leadership>* leadership) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return ShuttingDown(Outcome::kNotApplied);
  if (proposals_ + call->proposals > limits::kServiceProposalsMax ||
      bytes_ + call->bytes > limits::kServiceProposalBytesMax) {
    StatusDetail detail;
    detail.reason = Reason::kOverloaded;
    detail.outcome = Outcome::kNotApplied;
    detail.retry_after = absl::Milliseconds(10);
    return MakeError(detail,
                     absl::StrCat(proposals_, " proposals with ", bytes_,
                                  " bytes wait at this node's proposal service (limits: ", limits::kServiceProposalsMax,
                                  " and ", limits::kServiceProposalBytesMax, ")"));
  }
  proposals_ += call->proposals;
  bytes_ += call->bytes;
  const uint64_t id = ++last_id_;
  calls_.emplace_hint(calls_.end(), id, std::move(*call));
  if (leadership != nullptr && leadership_.leader != kNoNode && leadership_.leader != self_ &&
      !leadership_.endpoint.host.empty()) {
    *leadership = leadership_;
  }
  return id;
}

ServiceCore::Call ServiceCore::Take(uint64_t id) {
  Call call;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = calls_.find(id);
  if (found == calls_.end()) return call;
  call = std::move(found->second);
  calls_.erase(found);
  if (call.deadline.has_value()) watched_.erase({*call.deadline, id});
  proposals_ -= call.proposals;
  bytes_ -= call.bytes;
  if (stopping_ && calls_.empty()) changed_.notify_all();
  return call;
}

void ServiceCore::Finish(uint64_t id, absl::StatusOr<Proposed> result) {
  Call call = Take(id);
  if (!call.proposed) return;
  tally.answered.fetch_add(call.proposals, std::memory_order_relaxed);
  if (!result.ok()) result = Translate(result.status());
  std::move(call.proposed)(std::move(result));
}

void ServiceCore::FinishRead(uint64_t id, absl::StatusOr<ReadAnswer> result) {
  Call call = Take(id);
  if (!call.answered) return;
  tally.answered.fetch_add(1, std::memory_order_relaxed);
  if (!result.ok()) result = Translate(result.status());
  std::move(call.answered)(std::move(result));
}

void ServiceCore::Abandon(uint64_t id) {
  Call call = Take(id);
  tally.answered.fetch_add(call.proposals, std::memory_order_relaxed);
  if (call.proposed) std::move(call.proposed)(ShuttingDown(Outcome::kUnknown));
  if (call.answered) std::move(call.answered)(ShuttingDown(Outcome::kNotApplied));
}

Endpoint ServiceCore::ServiceOf(const LeaderHint& leader) const {
  return options_.leader_endpoint ? options_.leader_endpoint(leader) : leader.endpoint;
}

absl::Status ServiceCore::Translate(const absl::Status& status) const {
  if (!options_.leader_endpoint) return status;
  std::optional<StatusDetail> detail = DetailOf(status);
  // Who passed it on to us, or answered in the leader's place, translated it already.
  if (!detail.has_value() || !detail->leader.has_value() || detail->reason != Reason::kNotLeader) return status;
  detail->leader->endpoint = options_.leader_endpoint(*detail->leader);
  return MakeError(*detail, status.message());
}

// ---- Proposals -------------------------------------------------------------------------------------

void ServiceCore::Submit(Submission submission, ProposedDone done) {
  Call call{submission.proposals, submission.bytes, std::nullopt, std::move(done), nullptr};
  submission.timeout = std::min(submission.timeout, kTimeoutMax);
  std::optional<Leadership> other;
  const bool may_forward = submission.may_forward && options_.forwarding;
  const absl::StatusOr<uint64_t> id = Admit(&call, may_forward ? &other : nullptr);
  if (!id.ok()) {
    tally.refused.fetch_add(call.proposals, std::memory_order_relaxed);
    std::move(call.proposed)(id.status());
    return;
  }
  tally.proposals.fetch_add(submission.proposals, std::memory_order_relaxed);
  other.has_value() ? Forward(*id, std::move(submission), *other) : ProposeHere(*id, std::move(submission));
}

void ServiceCore::ProposeHere(uint64_t id, Submission submission) {
  if (!gate_.Enter()) return Finish(id, ShuttingDown(Outcome::kNotApplied));
  Proposal proposal;
  proposal.records = std::move(submission.records);
  proposal.expected_epoch = submission.expected_epoch;
  proposal.timeout = submission.timeout;
  options_.node->Propose(std::move(proposal), [self = shared_from_this(), id](absl::StatusOr<Proposed> result) {
    self->Finish(id, std::move(result));
  });
  gate_.Leave();
}

void ServiceCore::Forward(uint64_t id, Submission submission, const Leadership& leadership) {
  const LeaderHint hint{leadership.leader, leadership.epoch, leadership.endpoint};
  const Endpoint leader = ServiceOf(hint);
  const std::shared_ptr<ProposalLink> link = leader.host.empty() ? nullptr : LinkTo(leader);
  Watch(id, submission.timeout);
  tally.forwarded.fetch_add(submission.proposals, std::memory_order_relaxed);
  ProposedDone done = [self = shared_from_this(), id](absl::StatusOr<Proposed> result) {
    self->Finish(id, std::move(result));
  };
  if (link != nullptr &&
      link->Propose(submission.records, Millis(submission.timeout), submission.expected_epoch, &done)) {
    return;
  }
  StatusDetail detail;
  detail.reason = Reason::kUnreachable;
  detail.outcome = Outcome::kNotApplied;
  detail.retry_after = kDialPause;
  detail.leader = LeaderHint{leadership.leader, leadership.epoch, leader};
  std::move(done)(MakeError(detail, absl::StrCat("node ", self_.value(), " can't reach the leader, node ",
                                                 leadership.leader.value(), ", to pass the proposal on")));
}

std::shared_ptr<ProposalLink> ServiceCore::LinkTo(const Endpoint& leader) {
  std::shared_ptr<ProposalLink> old;
  std::shared_ptr<ProposalLink> link;
  const std::string address = leader.Address();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return nullptr;
    if (link_ != nullptr && link_address_ == address && !link_->down()) return link_;
    const Instant now = options_.clock->Now();
    if (link_address_ == address && now < next_dial_) return nullptr;
    old = std::move(link_);
    // Opened under the lock, so that there is one: nothing is called back from here.
    link_ = ProposalLink::Open(streams_.get(), leader, kConnectTimeout, /*no_forwarding=*/true, &link_counters_);
    link_address_ = address;
    next_dial_ = now + kDialPause;
    link = link_;
  }
  if (old != nullptr) old->Retire();
  return link;
}

void ServiceCore::Watch(uint64_t id, absl::Duration timeout) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  const Instant now = options_.clock->Now();
  found->second.deadline = now + timeout;
  watched_.emplace(*found->second.deadline, id);
  ArmExpiry(now);
}

void ServiceCore::ArmExpiry(Instant now) {
  if (watched_.empty() || stopping_ || std::exchange(expiry_armed_, true)) return;
  executor_->PostAt(now + kExpiryTick, [this] { Expire(); });
}

void ServiceCore::Expire() {
  std::vector<uint64_t> late;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Instant now = options_.clock->Now();
    expiry_armed_ = false;
    for (auto it = watched_.begin(); it != watched_.end() && it->first + kExpiryTick <= now; ++it) {
      late.push_back(it->second);
    }
    ArmExpiry(now);
  }
  for (const uint64_t id : late) {
    Call call = Take(id);
    tally.answered.fetch_add(call.proposals, std::memory_order_relaxed);
    if (call.proposed) {
      std::move(call.proposed)(
          MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                    "the leader, whom the proposal was passed on to, didn't answer in time; it may still take effect"));
    } else if (call.answered) {
      std::move(call.answered)(MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied,
                                         "this node's state machine didn't answer the query in time"));
    }
  }
}

// ---- Reads -----------------------------------------------------------------------------------------

void ServiceCore::Read(std::string query, absl::Duration timeout, AnswerDone done) {
  Call call{1, query.size(), std::nullopt, nullptr, std::move(done)};
  absl::StatusOr<uint64_t> id =
      query.empty() || options_.query
          ? Admit(&call, nullptr)
          : MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                      "this node's host answers no queries; an empty query is a barrier, and is answered");
  if (id.ok() && !gate_.Enter()) {
    return FinishRead(*id, ShuttingDown(Outcome::kNotApplied));
  }
  if (!id.ok()) {
    tally.refused.fetch_add(1, std::memory_order_relaxed);
    std::move(call.answered)(id.status());
    return;
  }
  tally.reads.fetch_add(1, std::memory_order_relaxed);
  timeout = std::min(timeout, kTimeoutMax);
  if (!query.empty()) Watch(*id, timeout);
  options_.node->ReadBarrier(
      timeout, [self = shared_from_this(), id = *id, query = std::move(query)](absl::StatusOr<Offset> barrier) mutable {
        self->AnswerQuery(id, std::move(query), std::move(barrier));
      });
  gate_.Leave();
}

// The barrier's completion may come on another thread while Apply is stuck, so the query is a stale read after it: that
// is certain to run on the apply thread, and sees at least what the barrier stands for.
void ServiceCore::AnswerQuery(uint64_t id, std::string query, absl::StatusOr<Offset> barrier) {
  if (!barrier.ok()) return FinishRead(id, barrier.status());
  if (query.empty()) return FinishRead(id, ReadAnswer{*barrier, ""});
  if (!gate_.Enter()) return FinishRead(id, ShuttingDown(Outcome::kNotApplied));
  options_.node->ReadStale([self = shared_from_this(), id, query = std::move(query)](LogPosition applied) {
    if (!self->gate_.Enter()) return self->FinishRead(id, ShuttingDown(Outcome::kNotApplied));
    absl::StatusOr<std::string> text = self->options_.query(query);
    self->gate_.Leave();
    text.ok() ? self->FinishRead(id, ReadAnswer{applied.end, *std::move(text)}) : self->FinishRead(id, text.status());
  });
  gate_.Leave();
}

// ---- Streams ---------------------------------------------------------------------------------------

absl::StatusOr<std::shared_ptr<ServiceSession>> ServiceCore::NewSession(transport::ByteStream* stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_) return ShuttingDown(Outcome::kNotApplied);
  if (sessions_.size() >= limits::kProposalStreamsMax) {
    return MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                     absl::StrCat("this node serves ", sessions_.size(), " streams of proposals; no more are taken"));
  }
  auto session = std::make_shared<ServiceSession>(shared_from_this(), stream);
  sessions_.emplace(session.get(), session);
  tally.streams.fetch_add(1, std::memory_order_relaxed);
  return session;
}

void ServiceCore::OnSessionEnd(ServiceSession* session) {
  std::shared_ptr<ServiceSession> last;  // destroyed outside the lock
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  last = std::move(found->second);
  sessions_.erase(found);
  if (sessions_.empty()) changed_.notify_all();
}

ProposalService::Counters ServiceCore::counters() const {
  ProposalService::Counters out;
  out.proposals = tally.proposals.load();
  out.forwarded = tally.forwarded.load();
  out.reads = tally.reads.load();
  out.refused = tally.refused.load();
  out.answered = tally.answered.load();
  out.streams = tally.streams.load();
  out.messages_in = tally.messages_in.load();
  out.messages_out = tally.messages_out.load();
  out.paused = tally.paused.load();
  out.cut = tally.cut.load();
  const std::lock_guard<std::mutex> lock(mutex_);
  out.live_streams = static_cast<int64_t>(sessions_.size());
  return out;
}

// ---- The end ---------------------------------------------------------------------------------------

void ServiceCore::WaitUntil(std::unique_lock<std::mutex>* lock, Instant deadline, bool (ServiceCore::*done)() const) {
  if ((this->*done)()) return;
  auto late = std::make_shared<bool>(false);  // guarded by mutex_
  const Executor::TimerId timer = executor_->PostAt(deadline, [this, late] {
    const std::lock_guard<std::mutex> timer_lock(mutex_);
    *late = true;
    changed_.notify_all();
  });
  changed_.wait(*lock, [&] { return *late || (this->*done)(); });
  lock->unlock();
  executor_->Cancel(timer);
  lock->lock();
}

void ServiceCore::Stop(absl::Duration grace) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (std::exchange(stopping_, true)) {
    changed_.wait(lock, [this] { return stopped_; });
    return;
  }
  const Instant end = options_.clock->Now() + std::clamp(grace, absl::ZeroDuration(), absl::Hours(1));
  WaitUntil(&lock, end, &ServiceCore::NoCalls);
  std::vector<uint64_t> left;
  for (const auto& [id, call] : calls_) left.push_back(id);
  lock.unlock();
  for (const uint64_t id : left) Abandon(id);
  gate_.CloseAndWait();
  options_.node->Unwatch(watch_);
  // Streams end by themselves once their answers are written; those whose client doesn't read are cut.
  for (const bool cut : {false, true}) {
    std::vector<std::shared_ptr<ServiceSession>> sessions;
    lock.lock();
    for (const auto& [raw, session] : sessions_) sessions.push_back(session);
    lock.unlock();
    for (const auto& session : sessions) cut ? session->Cut() : session->Close(ShuttingDown(Outcome::kNotApplied));
    sessions.clear();
    lock.lock();
    const Instant farewell = std::max(end, options_.clock->Now() + kFarewell);
    WaitUntil(&lock, cut ? Instant::Infinite() : farewell, &ServiceCore::NoSessions);
    lock.unlock();
  }
  lock.lock();
  const std::shared_ptr<ProposalLink> link = std::move(link_);
  lock.unlock();
  streams_.reset();
  executor_.reset();
  lock.lock();
  stopped_ = true;
  changed_.notify_all();
}

}  // namespace quorate::service
