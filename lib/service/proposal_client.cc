// The client of quorate/proposal_service.h: whom to ask, what to repeat, and when to give up.
//
// One attempt of a call is under way at a time, on the stream to the present target or as a unary call. Whom to ask
// next is decided once for all calls: each attempt remembers the `generation` of the target that it was made with, so
// that a thousand failures at once change the target once. Calls between two attempts wait on the executor.
//
// Deadlines are kept by the servers, which know best what became of a call. For servers that don't answer, a sweep over
// the open calls runs every few milliseconds while there are any: cheaper than a timer for each, and late by no more
// than its interval.
#include "quorate/proposal_client.h"

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"
#include "service/gate.h"
#include "service/proposal_codec.h"
#include "service/proposal_link.h"
#include "transport/byte_stream.h"

namespace quorate {
namespace {

using service::AnswerDone;
using service::ProposalLink;
using service::ProposedDone;

constexpr char kProposeMethod[] = "/quorate.v1.Proposals/Propose";
constexpr char kReadMethod[] = "/quorate.v1.Proposals/Read";
constexpr absl::Duration kSweepInterval = absl::Milliseconds(20);
constexpr absl::Duration kPauseMin = absl::Milliseconds(5);
constexpr absl::Duration kPauseMax = absl::Milliseconds(160);
// A stream on which nothing has come for so long, although something is due: new calls look for another node.
constexpr absl::Duration kStall = absl::Seconds(1);
// Hints followed in a row without a pause. Two nodes that take each other for the leader shall not keep us busy.
constexpr int kHopsMax = 3;

struct Call {
  bool is_read = false;
  std::vector<std::string> records;  // of a read: the query
  size_t bytes = 0;
  ProposeOptions options;
  Instant deadline;
  ProposedDone proposed;
  AnswerDone answered;

  // Guarded by the client's mutex.
  bool done = false;
  bool under_way = false;
  bool may_have_applied = false;
  absl::Status last_error;
  std::list<std::shared_ptr<Call>>::iterator place;

  // Of whoever is at it: the attempt, or what follows it.
  int attempts = 0;
  int hops = 0;
};
using CallPtr = std::shared_ptr<Call>;

uint32_t Millis(absl::Duration left) {
  return static_cast<uint32_t>(std::clamp<int64_t>(absl::ToInt64Milliseconds(left), 1, UINT32_MAX));
}

absl::Status WithOutcome(const absl::Status& status, Outcome outcome, absl::string_view remark) {
  StatusDetail detail = DetailOf(status).value_or(StatusDetail());
  detail.outcome = outcome;
  return MakeError(detail, absl::StrCat(status.message(), remark));
}

class ProposalClientImpl final : public ProposalClient {
 public:
  explicit ProposalClientImpl(ProposalClientOptions options)
      : options_(std::move(options)),
        executor_(options_.executors->MakeSerial("quorate-client")),
        streams_(transport::NewGrpcByteStreamClient(executor_.get())),
        target_(options_.servers.front()) {
    GrpcRpcClientOptions rpc;
    rpc.connect_timeout = options_.connect_timeout;
    if (options_.mode == ProposalMode::kUnary) rpc_ = NewGrpcRpcClient(rpc);
  }
  ~ProposalClientImpl() override { Close(); }

  void Propose(std::string record, const ProposeOptions& options, ProposedDone done) override {
    std::vector<std::string> records;
    records.push_back(std::move(record));
    ProposeAll(std::move(records), options, std::move(done));
  }
  void ProposeAll(std::vector<std::string> records, const ProposeOptions& options, ProposedDone done) override;
  void Read(std::string query, absl::Duration timeout, AnswerDone done) override;
  void Close() override;
  [[nodiscard]] Counters counters() const override;

 private:
  void Begin(CallPtr call);
  absl::Status Admit(const CallPtr& call);
  void Attempt(const CallPtr& call);
  void AttemptByStream(const CallPtr& call, absl::Duration left);
  void AttemptByUnaryCall(const CallPtr& call, absl::Duration left, uint64_t generation, const Endpoint& target);
  void OnFailure(const CallPtr& call, uint64_t generation, const absl::Status& error);
  [[nodiscard]] bool MayRepeat(const Call& call, const absl::Status& error) const;
  bool Redirect(uint64_t generation, const absl::Status& error);
  void Finish(const CallPtr& call, absl::StatusOr<Proposed> result);
  void Finish(const CallPtr& call, absl::StatusOr<ReadAnswer> result);
  bool Claim(const CallPtr& call);  // true for the first who asks: it is to be answered
  void Fail(const CallPtr& call, const absl::Status& error);
  void Expire(const CallPtr& call);
  void Sweep();
  bool IsStalled(Instant now);  // with mutex_ held

  const ProposalClientOptions options_;
  service::Gate gate_;  // around every use of streams_ and rpc_
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<transport::ByteStreamClient> streams_;
  std::unique_ptr<RpcClient> rpc_;
  service::LinkCounters link_counters_;
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> retries_{0};
  std::atomic<uint64_t> redirects_{0};

  std::mutex mutex_;
  std::mutex closing_;                  // held by Close
  bool closed_ = false;                 // guarded by mutex_
  std::list<CallPtr> open_;             // guarded by mutex_
  size_t open_bytes_ = 0;               // guarded by mutex_
  Endpoint target_;                     // guarded by mutex_
  size_t next_server_ = 0;              // guarded by mutex_; whom to try when nobody has a hint, one before
  uint64_t generation_ = 0;             // guarded by mutex_; of target_
  std::shared_ptr<ProposalLink> link_;  // guarded by mutex_; to target_
  bool sweeping_ = false;               // guarded by mutex_
  uint64_t stall_answered_ = 0;         // guarded by mutex_
  Instant stall_since_;                 // guarded by mutex_
};

// ---- Calls -----------------------------------------------------------------------------------------

void ProposalClientImpl::ProposeAll(std::vector<std::string> records, const ProposeOptions& options,
                                    ProposedDone done) {
  auto call = std::make_shared<Call>();
  call->records = std::move(records);
  call->options = options;
  call->proposed = std::move(done);
  Begin(std::move(call));
}

void ProposalClientImpl::Read(std::string query, absl::Duration timeout, AnswerDone done) {
  auto call = std::make_shared<Call>();
  call->is_read = true;
  call->records.push_back(std::move(query));
  call->options.timeout = timeout;
  call->options.idempotent = true;
  call->answered = std::move(done);
  Begin(std::move(call));
}

void ProposalClientImpl::Begin(CallPtr call) {
  for (const std::string& record : call->records) call->bytes += record.size();
  if (const absl::Status refusal = Admit(call); !refusal.ok()) {
    call->is_read ? std::move(call->answered)(refusal) : std::move(call->proposed)(refusal);
    return;
  }
  Attempt(call);
}

absl::Status ProposalClientImpl::Admit(const CallPtr& call) {
  const absl::Duration timeout = call->options.timeout;
  if (timeout <= absl::ZeroDuration() || timeout == absl::InfiniteDuration()) {
    return MakeError(
        Reason::kInvalidArgument, Outcome::kNotApplied,
        absl::StrCat("a timeout of ", absl::FormatDuration(timeout), " was given; it must be positive and finite"));
  }
  if (call->records.empty()) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a proposal needs at least one record");
  }
  if (call->bytes > limits::kProposalBytesMax) {
    return MakeError(
        Reason::kTooLarge, Outcome::kNotApplied,
        absl::StrCat(call->bytes, " bytes were given; at most ", limits::kProposalBytesMax, " can go at once"));
  }
  call->deadline = options_.clock->Now() + timeout;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "the client was closed");
  if (open_.size() >= options_.window || open_bytes_ + call->bytes > options_.window_bytes) {
    return MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                     absl::StrCat(open_.size(), " calls with ", open_bytes_,
                                  " bytes have no answer yet (limits: window = ", options_.window,
                                  ", window_bytes = ", options_.window_bytes, ")"));
  }
  call->place = open_.insert(open_.end(), call);
  open_bytes_ += call->bytes;
  if (!std::exchange(sweeping_, true)) {
    stall_since_ = options_.clock->Now();
    executor_->PostAt(stall_since_ + kSweepInterval, [this] { Sweep(); });
  }
  return absl::OkStatus();
}

void ProposalClientImpl::Attempt(const CallPtr& call) {
  const absl::Duration left = call->deadline - options_.clock->Now();
  if (left <= absl::ZeroDuration()) return Expire(call);
  if (!gate_.Enter()) return;  // Close answers
  Endpoint target;
  uint64_t generation = 0;
  bool open = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    open = call->under_way = !call->done;
    generation = generation_;
    if (rpc_ != nullptr) target = target_;
  }
  if (open) {
    sent_.fetch_add(1, std::memory_order_relaxed);
    if (call->attempts++ > 0) retries_.fetch_add(1, std::memory_order_relaxed);
    rpc_ == nullptr ? AttemptByStream(call, left) : AttemptByUnaryCall(call, left, generation, target);
  }
  gate_.Leave();
}

void ProposalClientImpl::AttemptByStream(const CallPtr& call, absl::Duration left) {
  std::shared_ptr<ProposalLink> link;
  uint64_t generation = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (link_ == nullptr) {
      link_ =
          ProposalLink::Open(streams_.get(), target_, options_.connect_timeout, !options_.forwarding, &link_counters_);
      stall_answered_ = 0;
      stall_since_ = options_.clock->Now();
    }
    generation = generation_;
    link = link_;
  }
  bool taken = false;
  if (call->is_read) {
    AnswerDone done = [this, call, generation](absl::StatusOr<ReadAnswer> result) {
      result.ok() ? Finish(call, std::move(result)) : OnFailure(call, generation, result.status());
    };
    taken = link->Read(call->records.front(), Millis(left), &done);
  } else {
    ProposedDone done = [this, call, generation](absl::StatusOr<Proposed> result) {
      result.ok() ? Finish(call, std::move(result)) : OnFailure(call, generation, result.status());
    };
    taken = link->Propose(call->records, Millis(left), call->options.expected_epoch, &done);
  }
  if (!taken) {
    OnFailure(call, generation,
              MakeError(Reason::kUnreachable, Outcome::kNotApplied, "the stream to the node that was asked has ended"));
  }
}

void ProposalClientImpl::AttemptByUnaryCall(const CallPtr& call, absl::Duration left, uint64_t generation,
                                            const Endpoint& target) {
  if (call->is_read) {
    const service::WireRead read{0, call->records.front(), Millis(left)};
    rpc_->Call(target, kReadMethod, service::EncodeRead(read), left,
               [this, call, generation](absl::StatusOr<std::string> reply) {
                 absl::StatusOr<ReadAnswer> result =
                     reply.ok() ? service::DecodeAnswer(*reply) : absl::StatusOr<ReadAnswer>(reply.status());
                 result.ok() ? Finish(call, std::move(result)) : OnFailure(call, generation, result.status());
               });
    return;
  }
  service::WireProposal proposal;
  proposal.timeout_ms = Millis(left);
  proposal.expected_epoch = call->options.expected_epoch;
  const std::vector<absl::string_view> records(call->records.begin(), call->records.end());
  rpc_->Call(target, kProposeMethod, service::EncodePropose(proposal, records, !options_.forwarding), left,
             [this, call, generation](absl::StatusOr<std::string> reply) {
               absl::StatusOr<Proposed> result =
                   reply.ok() ? service::DecodeProposed(*reply) : absl::StatusOr<Proposed>(reply.status());
               result.ok() ? Finish(call, std::move(result)) : OnFailure(call, generation, result.status());
             });
}

// ---- What becomes of an attempt that failed --------------------------------------------------------

bool ProposalClientImpl::MayRepeat(const Call& call, const absl::Status& error) const {
  if (OutcomeOf(error) == Outcome::kUnknown && !call.options.idempotent) return false;
  switch (ReasonOf(error)) {
    case Reason::kNotLeader:
    case Reason::kNoLeader:
    case Reason::kLeadershipLost:
    case Reason::kShuttingDown:
    case Reason::kHalted:
    case Reason::kUnreachable:
    case Reason::kOverloaded:
      return true;
    case Reason::kEpochMismatch:  // not ours: the leader's own, whose epoch ended before it was appended
      return !call.options.expected_epoch.has_value();
    case Reason::kUnspecified:  // the connection's, which knows no more than that it broke
      return !DetailOf(error).has_value() && !absl::IsUnimplemented(error);
    default:
      return false;
  }
}

void ProposalClientImpl::OnFailure(const CallPtr& call, uint64_t generation, const absl::Status& error) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (call->done) return;
    call->under_way = false;
    call->may_have_applied |= OutcomeOf(error) == Outcome::kUnknown && !call->is_read;
    call->last_error = error;
  }
  if (!MayRepeat(*call, error)) return Fail(call, error);
  const bool elsewhere = ReasonOf(error) != Reason::kOverloaded && Redirect(generation, error);
  absl::Duration pause;
  if (!elsewhere || ++call->hops % kHopsMax == 0) {
    pause = std::min(kPauseMin * (int64_t{1} << std::min(call->attempts, 6)), kPauseMax);
    if (const auto detail = DetailOf(error); detail.has_value()) pause = std::max(pause, detail->retry_after);
  }
  executor_->PostAt(std::min(options_.clock->Now() + pause, call->deadline), [this, call] { Attempt(call); });
}

// True: the next attempt goes to another node than the one that gave this error.
bool ProposalClientImpl::Redirect(uint64_t generation, const absl::Status& error) {
  std::shared_ptr<ProposalLink> old;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (generation != generation_) return true;
    const std::optional<LeaderHint> hint = options_.forwarding ? std::nullopt : LeaderHintFrom(error);
    Endpoint next;
    // A node that couldn't be reached, or that is going, has nothing to say about others.
    if (hint.has_value() && !hint->endpoint.host.empty() && hint->endpoint.port != 0) {
      next = hint->endpoint;
    } else {
      next_server_ = (next_server_ + 1) % options_.servers.size();
      next = options_.servers[next_server_];
    }
    const bool elsewhere = next.Address() != target_.Address();
    const bool broken = link_ != nullptr && link_->down();
    if (!elsewhere && !broken) return false;
    target_ = next;
    ++generation_;
    old = std::move(link_);
    link_ = nullptr;
    redirects_.fetch_add(elsewhere ? 1 : 0, std::memory_order_relaxed);
    if (!elsewhere) return false;
  }
  if (old != nullptr) old->Retire();
  return true;
}

bool ProposalClientImpl::Claim(const CallPtr& call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (std::exchange(call->done, true)) return false;
  open_bytes_ -= call->bytes;
  open_.erase(call->place);
  return true;
}

void ProposalClientImpl::Finish(const CallPtr& call, absl::StatusOr<Proposed> result) {
  if (Claim(call)) std::move(call->proposed)(std::move(result));
}

void ProposalClientImpl::Finish(const CallPtr& call, absl::StatusOr<ReadAnswer> result) {
  if (Claim(call)) std::move(call->answered)(std::move(result));
}

void ProposalClientImpl::Fail(const CallPtr& call, const absl::Status& error) {
  bool open_fate = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_fate = call->may_have_applied && OutcomeOf(error) == Outcome::kNotApplied;
  }
  absl::Status honest = error;
  if (open_fate) {
    honest = WithOutcome(error, Outcome::kUnknown, "; an earlier attempt may have been applied all the same");
  } else if (call->is_read && DetailOf(error).has_value()) {
    honest = WithOutcome(error, Outcome::kNotApplied, "");  // a read has no effect, wherever it was lost
  }
  call->is_read ? Finish(call, absl::StatusOr<ReadAnswer>(honest)) : Finish(call, absl::StatusOr<Proposed>(honest));
}

void ProposalClientImpl::Expire(const CallPtr& call) {
  bool under_way = false;
  absl::Status last;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    under_way = call->under_way;
    last = call->last_error;
  }
  const std::string span = absl::FormatDuration(call->options.timeout);
  if (under_way) {
    const Outcome outcome = call->is_read ? Outcome::kNotApplied : Outcome::kUnknown;
    return Fail(call, MakeError(Reason::kDeadlineExceeded, outcome, absl::StrCat("no answer within ", span)));
  }
  StatusDetail detail = DetailOf(last).value_or(StatusDetail());
  detail.reason = Reason::kDeadlineExceeded;
  detail.outcome = Outcome::kNotApplied;
  Fail(call, MakeError(detail, absl::StrCat("it couldn't be done within ", span, "; last: ", last.message())));
}

void ProposalClientImpl::Sweep() {
  std::vector<CallPtr> late;
  bool silent = false;
  uint64_t generation = 0;
  bool stalled = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Instant now = options_.clock->Now();
    for (const CallPtr& call : open_) {
      // The server's word is better than ours, if it comes.
      if (call->deadline + kSweepInterval > now) continue;
      late.push_back(call);
      silent |= call->under_way;
    }
    stalled = IsStalled(now);
    generation = generation_;
    sweeping_ = !open_.empty() && !closed_;
    if (sweeping_) executor_->PostAt(now + kSweepInterval, [this] { Sweep(); });
  }
  for (const CallPtr& call : late) Expire(call);
  // Whoever let a deadline pass may hang; the others know where the leader is.
  if (stalled || silent) Redirect(generation, absl::OkStatus());
}

bool ProposalClientImpl::IsStalled(Instant now) {
  if (link_ == nullptr || !link_->has_open() || link_->answered() != stall_answered_) {
    stall_answered_ = link_ == nullptr ? 0 : link_->answered();
    stall_since_ = now;
    return false;
  }
  if (now - stall_since_ < kStall) return false;
  stall_since_ = now;
  return true;
}

// ---- The end ---------------------------------------------------------------------------------------

void ProposalClientImpl::Close() {
  const std::lock_guard<std::mutex> one_at_a_time(closing_);
  std::vector<std::pair<CallPtr, Outcome>> left;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    for (const CallPtr& call : open_) {
      const bool open_fate = (call->under_way || call->may_have_applied) && !call->is_read;
      left.emplace_back(call, open_fate ? Outcome::kUnknown : Outcome::kNotApplied);
    }
    link_ = nullptr;
  }
  for (const auto& [call, outcome] : left) {
    Fail(call, MakeError(Reason::kShuttingDown, outcome, "the client was closed before the answer came"));
  }
  gate_.CloseAndWait();
  streams_.reset();
  rpc_.reset();
  executor_.reset();
}

ProposalClient::Counters ProposalClientImpl::counters() const {
  Counters out;
  out.sent = sent_.load();
  out.retries = retries_.load();
  out.redirects = redirects_.load();
  out.connects = link_counters_.connects.load();
  out.messages_out = link_counters_.messages_out.load();
  out.messages_in = link_counters_.messages_in.load();
  return out;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProposalClient>> ProposalClient::Create(ProposalClientOptions options) {
  std::string problem;
  if (options.servers.empty()) problem = "servers is empty; at least one node must be known";
  for (const Endpoint& server : options.servers) {
    if (server.host.empty() || server.port == 0) {
      problem = absl::StrCat("servers has '", server.Address(), "'; a host and a port are needed");
    }
  }
  if (options.window == 0 || options.window_bytes == 0) problem = "window and window_bytes must be positive";
  if (options.connect_timeout <= absl::ZeroDuration() || options.connect_timeout == absl::InfiniteDuration()) {
    problem = "connect_timeout must be positive and finite";
  }
  if (!problem.empty()) return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, problem);
  if (options.clock == nullptr) options.clock = SystemClock();
  if (options.executors == nullptr) options.executors = ThreadExecutorFactory();
  return std::make_unique<ProposalClientImpl>(std::move(options));
}

}  // namespace quorate
