// A node's calls while it runs, and its end. How it is put together is in node_impl.cc.
#include <algorithm>
#include <chrono>
#include <future>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "node/admin_codec.h"
#include "node/methods.h"
#include "node/node_impl.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

// Real time, for threads that block. A timeout beyond a year is as good as none, and the clock's type holds it.
std::chrono::nanoseconds WaitFor(absl::Duration timeout) {
  return absl::ToChronoNanoseconds(std::clamp(timeout, absl::ZeroDuration(), absl::Hours(24 * 365)));
}

absl::Status NothingToWaitFor() {
  return MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "the node is shutting down");
}

}  // namespace

// ---- Calls ---------------------------------------------------------------------------------------------

uint64_t NodeImpl::AddPublisher(std::shared_ptr<MetadataPublisher> publisher) {
  const std::lock_guard<std::mutex> lock(life_);
  return hub_.Add(std::move(publisher));
}

uint64_t NodeImpl::WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) {
  const std::lock_guard<std::mutex> lock(life_);
  return hub_.Watch(std::move(watcher));
}

QuorumDescription NodeImpl::DescribeQuorum() const {
  QuorumDescription now;
  if (UseEngine([&now](quorum::Engine& engine) { now = engine.Describe(); })) return now;
  const std::lock_guard<std::mutex> lock(life_);
  return last_quorum_;
}

void NodeImpl::CreateTopics(std::vector<NewTopic> topics, bool validate_only, absl::Duration timeout,
                            absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) {
  SendTopics(kCreateTopics, EncodeCreateTopics(topics, validate_only), timeout, std::move(done));
}

void NodeImpl::DeleteTopics(std::vector<std::string> names, absl::Duration timeout,
                            absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) {
  SendTopics(kDeleteTopics, EncodeDeleteTopics(names), timeout, std::move(done));
}

void NodeImpl::AddController(Voter voter, VoterChangeOptions options, absl::AnyInvocable<void(absl::Status) &&> done) {
  SendChange(kAddController, EncodeAddController({std::move(voter), options.dry_run}), options.timeout,
             std::move(done));
}

void NodeImpl::RemoveController(ReplicaKey key, VoterChangeOptions options,
                                absl::AnyInvocable<void(absl::Status) &&> done) {
  SendChange(kRemoveController, EncodeRemoveController({key, options.dry_run}), options.timeout, std::move(done));
}

void NodeImpl::TransferLeadership(std::optional<NodeId> to, absl::Duration timeout,
                                  absl::AnyInvocable<void(absl::Status) &&> done) {
  SendChange(kTransferLeadership, EncodeTransferLeadership({to}), timeout, std::move(done));
}

void NodeImpl::SendTopics(const char* method, std::string payload, absl::Duration timeout,
                          absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) {
  SendToController(method, std::move(payload), timeout,
                   [this, done = std::move(done)](absl::StatusOr<std::string> bytes) mutable {
                     RunOnApply([done = std::move(done), bytes = std::move(bytes)]() mutable {
                       if (bytes.ok()) {
                         std::move(done)(DecodeTopicResults(*bytes));
                       } else {
                         std::move(done)(bytes.status());
                       }
                     });
                   });
}

void NodeImpl::SendChange(const char* method, std::string payload, absl::Duration timeout,
                          absl::AnyInvocable<void(absl::Status) &&> done) {
  SendToController(
      method, std::move(payload), timeout,
      [this, done = std::move(done)](const absl::StatusOr<std::string>& bytes) mutable {
        RunOnApply([done = std::move(done), status = bytes.status()]() mutable { std::move(done)(std::move(status)); });
      });
}

void NodeImpl::SendToController(const char* method, std::string payload, absl::Duration timeout, RpcReply reply) {
  std::shared_ptr<Forwarder> forwarder;
  {
    const std::lock_guard<std::mutex> lock(life_);
    forwarder = forwarder_;
  }
  bool forwarded = false;
  absl::Status refusal = CheckControllerCall(method, payload, &forwarded);
  if (refusal.ok() && forwarder == nullptr) {
    refusal = MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "the node isn't running");
  }
  if (!refusal.ok()) {
    std::move(reply)(std::move(refusal));
    return;
  }
  ControllerCall call;
  call.method = method;
  call.idempotent = IsIdempotentCall(call.method, payload);
  call.payload = std::move(payload);
  call.timeout = timeout;
  call.mark = true;
  forwarder->Send(std::move(call), std::move(reply));
}

void NodeImpl::SuspectLeader(NodeId leader) {
  UseEngine([leader](quorum::Engine& engine) { engine.SuspectLeader(leader); });
}

void NodeImpl::TakeSnapshot(absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&> done) {
  const auto shared = std::make_shared<absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&>>(std::move(done));
  const auto answer = [this, shared](absl::StatusOr<LogPosition> position) {
    RunOnApply([shared, position = std::move(position)]() mutable { std::move (*shared)(std::move(position)); });
  };
  if (!UseEngine([&answer](quorum::Engine& engine) { engine.TakeSnapshot(answer); })) {
    answer(MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "the node isn't running"));
  }
}

NodeStatus NodeImpl::status() const {
  NodeStatus now;
  {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    now = state_;
  }
  now.metadata = slot_.Load()->provenance();
  return now;
}

std::vector<Endpoint> NodeImpl::bound_endpoints() const {
  const std::lock_guard<std::mutex> lock(life_);
  std::vector<Endpoint> bound;
  for (const BoundListener& listener : listeners_) bound.push_back(listener.bound);
  return bound;
}

std::vector<Endpoint> NodeImpl::advertised_endpoints() const {
  const std::lock_guard<std::mutex> lock(life_);
  return advertised_;
}

// ---- Waiting -------------------------------------------------------------------------------------------

absl::Status NodeImpl::WaitUntilBrokerRunning(absl::Duration timeout) {
  if (!options_.is_broker) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("node ", options_.id.value(), " is no broker (process.roles)"));
  }
  std::unique_lock<std::mutex> lock(state_mutex_);
  state_changed_.wait_for(lock, WaitFor(timeout),
                          [this] { return state_.broker == BrokerState::kRunning || !state_.fault.ok() || ends_; });
  if (!state_.fault.ok()) return state_.fault;
  if (ends_) return NothingToWaitFor();
  if (state_.broker == BrokerState::kRunning) return absl::OkStatus();
  std::string message = absl::StrCat("broker ", options_.id.value(), " is still ", ToString(state_.broker), " after ",
                                     ShownDuration(timeout));
  if (!state_.broker_problem.ok()) absl::StrAppend(&message, ": ", state_.broker_problem.message());
  return MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied, message);
}

absl::Status NodeImpl::WaitUntilQuorumUsable(absl::Duration timeout) {
  {
    std::unique_lock<std::mutex> lock(state_mutex_);
    // A record of the leader's epoch is committed and applied here: the leader has a majority.
    const auto settled = [this] {
      return (state_.leadership.leader != kNoNode && metadata_epoch_ >= state_.leadership.epoch) ||
             !state_.fault.ok() || ends_;
    };
    const bool in_time = state_changed_.wait_for(lock, WaitFor(timeout), settled);
    if (!state_.fault.ok()) return state_.fault;
    if (ends_) return NothingToWaitFor();
    if (in_time) return absl::OkStatus();
  }
  return MakeError(Reason::kNoLeader, Outcome::kNotApplied,
                   absl::StrCat(WhyNoLeader(), "; waited ", ShownDuration(timeout)));
}

std::string NodeImpl::WhyNoLeader() {
  std::string text = "no leader is known: the node isn't running";
  UseEngine([&text](quorum::Engine& engine) { engine.RunOnStrandAndWait([&] { text = engine.NoLeaderText(); }); });
  return text;
}

bool NodeImpl::UseEngine(absl::FunctionRef<void(quorum::Engine&)> use) const {
  quorum::Engine* engine = nullptr;
  {
    const std::lock_guard<std::mutex> lock(life_);
    if (!alive_) return false;
    ++engine_users_;
    engine = engine_.get();
  }
  use(*engine);
  const std::lock_guard<std::mutex> lock(life_);
  if (--engine_users_ == 0) engine_unused_.notify_all();
  return true;
}

// ---- The end -------------------------------------------------------------------------------------------

void NodeImpl::BeginControlledShutdown(absl::Duration timeout, absl::AnyInvocable<void(absl::Status) &&> done) {
  {
    const std::lock_guard<std::mutex> lock(life_);
    if (alive_ && lifecycle_ != nullptr && options_.controlled_shutdown) {
      lifecycle_->BeginControlledShutdown(timeout, [this, done = std::move(done)](absl::Status result) mutable {
        RunOnApply(
            [done = std::move(done), result = std::move(result)]() mutable { std::move(done)(std::move(result)); });
      });
      return;
    }
  }
  RunOnApply([done = std::move(done)]() mutable { std::move(done)(absl::OkStatus()); });
}

void NodeImpl::EndWaits() {
  const std::lock_guard<std::mutex> lock(state_mutex_);
  ends_ = true;
  state_changed_.notify_all();
}

absl::Status NodeImpl::Shutdown(absl::Duration deadline) {
  const std::lock_guard<std::mutex> one_at_a_time(shutdown_);
  if (is_shut_down_) return shutdown_result_;
  bool alive = false;
  {
    const std::lock_guard<std::mutex> lock(life_);
    shutting_down_ = true;
    alive = alive_;
  }
  EndWaits();
  const Instant until = dependencies_.clock->Now() + deadline;
  const auto left = [&] { return std::max(until - dependencies_.clock->Now(), absl::ZeroDuration()); };
  absl::Status result;
  if (alive && status().fault.ok()) {
    if (lifecycle_ != nullptr && options_.controlled_shutdown && deadline > absl::ZeroDuration()) {
      std::promise<absl::Status> relieved;
      std::future<absl::Status> outcome = relieved.get_future();
      // The rest of the time is for the quorum's own hand-over.
      lifecycle_->BeginControlledShutdown(left() * 0.7, [relieved = std::move(relieved)](absl::Status status) mutable {
        relieved.set_value(std::move(status));
      });
      const absl::Status moved = outcome.get();
      // Without an active controller there is nobody to hand over to: that is as orderly as it gets.
      if (ReasonOf(moved) != Reason::kNoLeader) result = moved;
    }
    // From here on requests are refused, so that the quorum can come to rest.
    forwarder_->Stop(Reason::kShuttingDown, "this node is shutting down");
    std::promise<absl::Status> handed_over;
    std::future<absl::Status> outcome = handed_over.get_future();
    engine_->ShutdownAsync(left(), [handed_over = std::move(handed_over)](absl::Status status) mutable {
      handed_over.set_value(std::move(status));
    });
    const absl::Status quorum = outcome.get();
    if (result.ok()) result = quorum;
  }
  Dismantle(std::min(left(), absl::Seconds(1)));
  is_shut_down_ = true;
  shutdown_result_ = result;
  return result;
}

void NodeImpl::Dismantle(absl::Duration grace) {
  if (executor_ == nullptr) return;  // done before, by Shutdown or by a Start that failed
  EndWaits();
  {
    std::unique_lock<std::mutex> lock(life_);
    shutting_down_ = true;
    alive_ = false;
    engine_unused_.wait(lock, [this] { return engine_users_ == 0; });
  }
  if (lifecycle_ != nullptr) {
    lifecycle_->Stop();
    isr_keeper_->Stop();
  }
  if (forwarder_ != nullptr) {
    forwarder_->Stop(Reason::kShuttingDown, "this node was shut down");
    forwarder_->Drain();  // a host's thread may be in CreateTopics
  }
  if (engine_ != nullptr) {
    QuorumDescription last = engine_->Describe();
    engine_->Close();
    const std::lock_guard<std::mutex> lock(life_);
    last_quorum_ = std::move(last);
  }
  // Nothing comes from the quorum any more. Now who can still call us, then who can still call back.
  for (BoundListener& bound : listeners_) bound.listener->Stop(grace);
  rpc_client_.reset();
  executor_.reset();  // runs what is left in it, which may refer to the engine
  engine_.reset();
  hub_.Stop();
  std::unique_ptr<Executor> apply;
  {
    const std::lock_guard<std::mutex> lock(life_);
    apply = std::move(apply_);
    listeners_.clear();
  }
  apply.reset();
  dependencies_.directory.reset();
  const std::lock_guard<std::mutex> lock(state_mutex_);
  state_.running = false;
  state_.active_controller = false;
  state_.broker = BrokerState::kNotRunning;
}

}  // namespace quorate::node
