// A node's calls while it runs, and its end. How it is put together is in node_impl.cc.
#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "node/admin_codec.h"
#include "node/methods.h"
#include "node/node_impl.h"
#include "quorate/status.h"

namespace quorate::node {

// ---- Calls ---------------------------------------------------------------------------------------------

uint64_t NodeImpl::AddPublisher(std::shared_ptr<MetadataPublisher> publisher) {
  const absl::ReaderMutexLock lock(&life_);
  return hub_.Add(std::move(publisher));
}

uint64_t NodeImpl::WatchLeadership(absl::AnyInvocable<void(const Leadership&)> watcher) {
  const absl::ReaderMutexLock lock(&life_);
  return hub_.Watch(std::move(watcher));
}

QuorumDescription NodeImpl::DescribeQuorum() const {
  const absl::ReaderMutexLock lock(&life_);
  return alive_ ? engine_->Describe() : last_quorum_;
}

void NodeImpl::CreateTopics(std::vector<NewTopic> topics, bool validate_only, absl::Duration timeout,
                            absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) {
  SendTopics(kCreateTopics, EncodeCreateTopics(topics, validate_only), timeout, std::move(done));
}

void NodeImpl::DeleteTopics(std::vector<std::string> names, absl::Duration timeout,
                            absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) {
  SendTopics(kDeleteTopics, EncodeDeleteTopics(names), timeout, std::move(done));
}

void NodeImpl::SendTopics(const char* method, std::string payload, absl::Duration timeout,
                          absl::AnyInvocable<void(absl::StatusOr<std::vector<TopicResult>>) &&> done) {
  RpcReply reply = [this, done = std::move(done)](absl::StatusOr<std::string> bytes) mutable {
    RunOnApply([done = std::move(done), bytes = std::move(bytes)]() mutable {
      if (bytes.ok()) {
        std::move(done)(DecodeTopicResults(*bytes));
      } else {
        std::move(done)(bytes.status());
      }
    });
  };
  std::shared_ptr<Forwarder> forwarder;
  {
    const absl::ReaderMutexLock lock(&life_);
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
  call.payload = std::move(payload);
  call.timeout = timeout;
  call.mark = true;
  forwarder->Send(std::move(call), std::move(reply));
}

NodeStatus NodeImpl::status() const {
  NodeStatus now;
  {
    const absl::MutexLock lock(&state_mutex_);
    now = state_;
  }
  now.metadata = slot_.Load()->provenance();
  return now;
}

std::vector<Endpoint> NodeImpl::bound_endpoints() const {
  const absl::ReaderMutexLock lock(&life_);
  std::vector<Endpoint> bound;
  for (const BoundListener& listener : listeners_) bound.push_back(listener.bound);
  return bound;
}

std::vector<Endpoint> NodeImpl::advertised_endpoints() const {
  const absl::ReaderMutexLock lock(&life_);
  return advertised_;
}

// ---- Waiting -------------------------------------------------------------------------------------------

absl::Status NodeImpl::WaitUntilBrokerRunning(absl::Duration timeout) {
  if (!options_.is_broker) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("node ", options_.id.value(), " is no broker (process.roles)"));
  }
  const absl::MutexLock lock(&state_mutex_);
  const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_) {
    return state_.broker == BrokerState::kRunning || !state_.fault.ok();
  };
  state_mutex_.AwaitWithTimeout(absl::Condition(&settled), timeout);
  if (!state_.fault.ok()) return state_.fault;
  if (state_.broker == BrokerState::kRunning) return absl::OkStatus();
  std::string message = absl::StrCat("broker ", options_.id.value(), " is still ", ToString(state_.broker), " after ",
                                     absl::FormatDuration(timeout));
  if (!state_.broker_problem.ok()) absl::StrAppend(&message, ": ", state_.broker_problem.message());
  return MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied, message);
}

absl::Status NodeImpl::WaitUntilQuorumUsable(absl::Duration timeout) {
  {
    const absl::MutexLock lock(&state_mutex_);
    // A record of the leader's epoch is committed and applied here: the leader has a majority.
    const auto settled = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_) {
      return (state_.leadership.leader != kNoNode && metadata_epoch_ >= state_.leadership.epoch) || !state_.fault.ok();
    };
    const bool in_time = state_mutex_.AwaitWithTimeout(absl::Condition(&settled), timeout);
    if (!state_.fault.ok()) return state_.fault;
    if (in_time) return absl::OkStatus();
  }
  return MakeError(Reason::kNoLeader, Outcome::kNotApplied,
                   absl::StrCat(WhyNoLeader(), "; waited ", absl::FormatDuration(timeout)));
}

std::string NodeImpl::WhyNoLeader() {
  const absl::ReaderMutexLock lock(&life_);
  std::string text = "no leader is known: the node isn't running";
  if (alive_) engine_->RunOnStrandAndWait([&] { text = engine_->NoLeaderText(); });
  return text;
}

// ---- The end -------------------------------------------------------------------------------------------

void NodeImpl::BeginControlledShutdown(absl::Duration timeout, absl::AnyInvocable<void(absl::Status) &&> done) {
  {
    const absl::ReaderMutexLock lock(&life_);
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

absl::Status NodeImpl::Shutdown(absl::Duration deadline) {
  const absl::MutexLock one_at_a_time(&shutdown_);
  if (is_shut_down_) return shutdown_result_;
  bool alive = false;
  {
    const absl::MutexLock lock(&life_);
    shutting_down_ = true;
    alive = alive_;
  }
  const Instant until = dependencies_.clock->Now() + deadline;
  const auto left = [&] { return std::max(until - dependencies_.clock->Now(), absl::ZeroDuration()); };
  absl::Status result;
  if (alive && status().fault.ok()) {
    if (lifecycle_ != nullptr && options_.controlled_shutdown && deadline > absl::ZeroDuration()) {
      auto relieved = std::make_shared<absl::Notification>();
      auto outcome = std::make_shared<absl::Status>();
      // The rest of the time is for the quorum's own hand-over.
      lifecycle_->BeginControlledShutdown(left() * 0.7, [relieved, outcome](absl::Status status) {
        *outcome = std::move(status);
        relieved->Notify();
      });
      relieved->WaitForNotification();
      // Without an active controller there is nobody to hand over to: that is as orderly as it gets.
      if (ReasonOf(*outcome) != Reason::kNoLeader) result = *outcome;
    }
    // From here on requests are refused, so that the quorum can come to rest.
    forwarder_->Stop(Reason::kShuttingDown, "this node is shutting down");
    auto handed_over = std::make_shared<absl::Notification>();
    auto outcome = std::make_shared<absl::Status>();
    engine_->ShutdownAsync(left(), [handed_over, outcome](absl::Status status) {
      *outcome = std::move(status);
      handed_over->Notify();
    });
    handed_over->WaitForNotification();
    if (result.ok()) result = *outcome;
  }
  Dismantle(std::min(left(), absl::Seconds(1)));
  is_shut_down_ = true;
  shutdown_result_ = result;
  return result;
}

void NodeImpl::Dismantle(absl::Duration grace) {
  if (executor_ == nullptr) return;  // done before, by Shutdown or by a Start that failed
  std::unique_ptr<quorum::Engine> engine;
  {
    const absl::MutexLock lock(&life_);
    shutting_down_ = true;
    alive_ = false;
  }
  if (lifecycle_ != nullptr) {
    lifecycle_->Stop();
    isr_keeper_->Stop();
  }
  if (forwarder_ != nullptr) forwarder_->Stop(Reason::kShuttingDown, "this node was shut down");
  if (engine_ != nullptr) {
    QuorumDescription last = engine_->Describe();
    engine_->Close();
    const absl::MutexLock lock(&life_);
    last_quorum_ = std::move(last);
    engine = std::move(engine_);
  }
  // Nothing comes from the quorum any more. Now who can still call us, then who can still call back.
  for (BoundListener& bound : listeners_) bound.listener->Stop(grace);
  rpc_client_.reset();
  executor_.reset();  // runs what is left in it, which may refer to the engine
  engine.reset();
  hub_.Stop();
  std::unique_ptr<Executor> apply;
  {
    const absl::MutexLock lock(&life_);
    apply = std::move(apply_);
    listeners_.clear();
  }
  apply.reset();
  dependencies_.directory.reset();
  const absl::MutexLock lock(&state_mutex_);
  state_.running = false;
  state_.active_controller = false;
  state_.broker = BrokerState::kNotRunning;
}

}  // namespace quorate::node
