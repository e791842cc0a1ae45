// The admin client: one blocking call after another over RpcClient, to whichever of the servers answers.
#include "quorate/admin_client.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "node/admin_codec.h"
#include "node/methods.h"
#include "node/retry.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace quorate {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(100);
constexpr absl::Duration kRetryPauseMax = absl::Seconds(2);  // however late a server wants us back
constexpr absl::Duration kProgressInterval = absl::Milliseconds(500);
// With less than this left (or a quarter of the timeout), who has heard a reason doesn't ask again: the answer would
// only be that the time is over.
constexpr absl::Duration kLastTryMin = absl::Seconds(1);

// What a call does, and so when it may be sent again without doing anything twice.
enum class Effect {
  kNone,        // asks
  kOnce,        // changes something: again only after a certain "not applied"
  kIdempotent,  // changes something, and what is so already is no error
};

bool MayTryAgain(const absl::Status& error, Effect effect) {
  const bool harmless = effect != Effect::kOnce || OutcomeOf(error) == Outcome::kNotApplied;
  switch (ReasonOf(error)) {
    case Reason::kUnreachable:
      return node::WasNotReached(error) && harmless;
    case Reason::kNoLeader:
    case Reason::kNotLeader:
    case Reason::kLeadershipLost:
    case Reason::kShuttingDown:
    case Reason::kHalted:
    case Reason::kOverloaded:
      return harmless;
    // Passes by itself; who only asks whether something could be done now wants to hear it.
    case Reason::kChangePending:
    case Reason::kLeaderNotReady:
      return effect != Effect::kNone && harmless;
    // Of one call; a change may take longer than the longest call.
    case Reason::kDeadlineExceeded:
      return effect == Effect::kIdempotent;
    default:
      return false;
  }
}

class RpcAdminClient final : public AdminClient {
 public:
  RpcAdminClient(std::vector<Endpoint> servers, absl::Duration timeout, std::unique_ptr<RpcClient> rpc)
      : servers_(std::move(servers)), timeout_(timeout), rpc_(std::move(rpc)) {}

  absl::StatusOr<std::vector<TopicResult>> CreateTopics(std::vector<NewTopic> topics, bool validate_only) override {
    return Decoded(Ask(node::kCreateTopics, node::EncodeCreateTopics(topics, validate_only),
                       validate_only ? Effect::kNone : Effect::kOnce),
                   &node::DecodeTopicResults);
  }

  absl::StatusOr<std::vector<TopicResult>> DeleteTopics(std::vector<std::string> names) override {
    return Decoded(Ask(node::kDeleteTopics, node::EncodeDeleteTopics(names), Effect::kOnce), &node::DecodeTopicResults);
  }

  absl::StatusOr<std::vector<TopicDescription>> DescribeTopics(std::optional<std::vector<std::string>> names) override {
    node::DescribeTopicsCall call;
    call.names = std::move(names);
    std::vector<TopicDescription> all;
    while (true) {
      absl::StatusOr<node::TopicsPage> page =
          Decoded(Ask(node::kDescribeTopics, node::EncodeDescribeTopics(call), Effect::kNone), &node::DecodeTopics);
      if (!page.ok()) return page.status();
      std::move(page->topics.begin(), page->topics.end(), std::back_inserter(all));
      if (page->continue_after.empty()) return all;
      if (page->topics.empty() || page->continue_after == call.after) {
        return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                         "the server's list of topics doesn't come to an end");
      }
      call.after = page->continue_after;
    }
  }

  absl::StatusOr<TopicList> ListTopics() override {
    return Decoded(Ask(node::kListTopics, "", Effect::kNone), &node::DecodeTopicNames);
  }

  absl::StatusOr<ClusterDescription> DescribeCluster() override {
    return Decoded(Ask(node::kDescribeCluster, "", Effect::kNone), &node::DecodeCluster);
  }

  absl::StatusOr<QuorumDescription> DescribeQuorum() override {
    return Decoded(Ask(node::kDescribeQuorum, "", Effect::kNone), &node::DecodeQuorum);
  }

  absl::Status AddController(const Voter& voter, const QuorumChangeOptions& options) override {
    return Change(node::kAddController, node::EncodeAddController({voter, options.dry_run}), options,
                  Effect::kIdempotent);
  }

  absl::Status RemoveController(const ReplicaKey& key, const QuorumChangeOptions& options) override {
    return Change(node::kRemoveController, node::EncodeRemoveController({key, options.dry_run}), options,
                  Effect::kIdempotent);
  }

  absl::Status TransferLeadership(std::optional<NodeId> to, const QuorumChangeOptions& options) override {
    if (options.dry_run) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                       "leadership can't be transferred as a dry run; leave dry_run out");
    }
    // "To the best" twice would move it twice.
    return Change(node::kTransferLeadership, node::EncodeTransferLeadership({to}), options,
                  to.has_value() ? Effect::kIdempotent : Effect::kOnce);
  }

 private:
  // A call that is on its way; shared with its callbacks, which may come late.
  struct Flight {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<absl::StatusOr<std::string>> answer;
    bool asking = false;  // for the progress
    std::optional<PendingVoterChange> progress;
  };
  using Progress = std::function<void(const PendingVoterChange&)>;

  template <typename T>
  static absl::StatusOr<T> Decoded(absl::StatusOr<std::string> answer, absl::StatusOr<T> (*decode)(absl::string_view)) {
    if (!answer.ok()) return answer.status();
    return decode(*answer);
  }

  absl::StatusOr<std::string> Ask(const char* method, const std::string& payload, Effect effect) {
    return AskUntil(method, payload, effect, timeout_, nullptr);
  }

  absl::Status Change(const char* method, const std::string& payload, const QuorumChangeOptions& options,
                      Effect effect) {
    if (options.timeout <= absl::ZeroDuration() || options.timeout == absl::InfiniteDuration()) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a timeout must be positive and finite");
    }
    if (options.dry_run) {
      absl::StatusOr<std::string> answer = AskUntil(method, payload, Effect::kNone, options.timeout, nullptr);
      return answer.ok() ? node::DecodeNothing(*answer) : answer.status();
    }
    absl::StatusOr<std::string> answer = AskUntil(method, payload, effect, options.timeout, options.on_progress);
    return answer.ok() ? node::DecodeNothing(*answer) : answer.status();
  }

  // One server after the other, round and round, until one answers or the time is over.
  absl::StatusOr<std::string> AskUntil(const char* method, const std::string& payload, Effect effect,
                                       absl::Duration timeout, const Progress& on_progress) {
    const Instant deadline = SystemClock()->Now() + timeout;
    std::vector<absl::Status> errors(servers_.size());  // the last of each server
    absl::Duration pause = kRetryPause;
    for (size_t attempt = 0;; ++attempt) {
      const size_t index = attempt % servers_.size();
      const Endpoint& server = servers_[index];
      const absl::Duration left = deadline - SystemClock()->Now();
      const bool heard = std::any_of(errors.begin(), errors.end(), [](const absl::Status& e) { return !e.ok(); });
      if (left <= absl::ZeroDuration() || (heard && left < std::min(timeout / 4, kLastTryMin))) {
        return Failure(errors, timeout);
      }
      absl::StatusOr<std::string> answer = CallOnce(server, method, payload, left, on_progress);
      if (answer.ok()) return answer;
      const bool is_over = deadline - SystemClock()->Now() <= absl::ZeroDuration();
      if (!MayTryAgain(answer.status(), effect) ||
          (is_over && ReasonOf(answer.status()) == Reason::kDeadlineExceeded)) {
        if (ReasonOf(answer.status()) != Reason::kDeadlineExceeded) return answer;
        return Explain(server, answer.status());
      }
      if (const std::optional<StatusDetail> detail = DetailOf(answer.status()); detail.has_value()) {
        pause = std::clamp(detail->retry_after, pause, kRetryPauseMax);
      }
      errors[index] = Explain(server, answer.status());
      // A pause after each round: all were asked, and something has to change first.
      if (index + 1 == servers_.size()) {
        const absl::Duration rest = std::min(std::exchange(pause, kRetryPause), deadline - SystemClock()->Now());
        if (rest <= absl::ZeroDuration()) return Failure(errors, timeout);
        std::mutex mutex;
        std::unique_lock<std::mutex> lock(mutex);
        std::condition_variable().wait_for(lock, absl::ToChronoNanoseconds(rest), [] { return false; });
      }
    }
  }

  absl::StatusOr<std::string> CallOnce(const Endpoint& server, const char* method, const std::string& payload,
                                       absl::Duration timeout, const Progress& on_progress) {
    auto flight = std::make_shared<Flight>();
    rpc_->Call(server, method, payload, timeout, [flight](absl::StatusOr<std::string> bytes) {
      const std::lock_guard<std::mutex> lock(flight->mutex);
      flight->answer = std::move(bytes);
      flight->changed.notify_one();
    });
    std::unique_lock<std::mutex> lock(flight->mutex);
    const auto is_answered = [&flight] { return flight->answer.has_value(); };
    if (!on_progress) {
      flight->changed.wait(lock, is_answered);
      return *std::move(flight->answer);
    }
    while (!flight->changed.wait_for(lock, absl::ToChronoNanoseconds(kProgressInterval), is_answered)) {
      const std::optional<PendingVoterChange> progress = std::exchange(flight->progress, std::nullopt);
      const bool ask = !std::exchange(flight->asking, true);
      lock.unlock();  // the callbacks below may run in place
      if (progress.has_value()) on_progress(*progress);
      if (ask) AskForProgress(server, flight);
      lock.lock();
    }
    return *std::move(flight->answer);
  }

  void AskForProgress(const Endpoint& server, const std::shared_ptr<Flight>& flight) {
    rpc_->Call(server, node::kDescribeQuorum, "", kProgressInterval * 4, [flight](absl::StatusOr<std::string> bytes) {
      absl::StatusOr<QuorumDescription> quorum = Decoded(std::move(bytes), &node::DecodeQuorum);
      const std::lock_guard<std::mutex> lock(flight->mutex);
      flight->asking = false;
      if (quorum.ok()) flight->progress = std::move(quorum->voter_change);
    });
  }

  static absl::Status Explain(const Endpoint& server, const absl::Status& error) {
    StatusDetail detail = DetailOf(error).value_or(StatusDetail());
    if (node::WasNotReached(error)) {
      return MakeError(detail, absl::StrCat(error.message(), " (is the node running?)"));
    }
    return MakeError(detail, absl::StrCat(server.Address(), ": ", error.message()));
  }

  // Everything that was heard, the most telling reason first: a node that says why beats one that is down.
  static absl::Status Failure(const std::vector<absl::Status>& errors, absl::Duration timeout) {
    std::vector<absl::Status> heard;
    for (const absl::Status& error : errors) {
      if (!error.ok()) heard.push_back(error);
    }
    if (heard.empty()) {
      return MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied,
                       absl::StrCat("the timeout of ", ShownDuration(timeout), " left no time to ask a server"));
    }
    std::stable_partition(heard.begin(), heard.end(),
                          [](const absl::Status& error) { return ReasonOf(error) != Reason::kUnreachable; });
    std::string message(heard.front().message());
    for (size_t i = 1; i < heard.size(); ++i) absl::StrAppend(&message, "; ", heard[i].message());
    absl::StrAppend(&message, " (gave up after ", ShownDuration(timeout), ")");
    return MakeError(DetailOf(heard.front()).value_or(StatusDetail()), message);
  }

  const std::vector<Endpoint> servers_;
  const absl::Duration timeout_;
  const std::unique_ptr<RpcClient> rpc_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Create(AdminClientOptions options) {
  if (options.servers.empty()) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     "an admin client needs at least one server (host:port)");
  }
  for (const Endpoint& server : options.servers) {
    if (server.host.empty() || server.port == 0) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                       absl::StrCat("the server '", server.Address(), "' must have a host and a port"));
    }
  }
  if (options.timeout <= absl::ZeroDuration() || options.timeout == absl::InfiniteDuration()) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     "an admin client's timeout must be positive and finite");
  }
  if (options.rpc == nullptr) options.rpc = NewGrpcRpcClient();
  return std::make_unique<RpcAdminClient>(std::move(options.servers), options.timeout, std::move(options.rpc));
}

}  // namespace quorate
