// The admin client: one blocking call after another over RpcClient, to whichever of the servers answers.
#include "quorate/admin_client.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/text.h"
#include "node/admin_codec.h"
#include "node/methods.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace quorate {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(100);
// With less than this left (or a quarter of the timeout), who has heard a reason doesn't ask again: the answer would
// only be that the time is over.
constexpr absl::Duration kLastTryMin = absl::Seconds(1);

// What may be tried again without doing anything twice.
bool MayTryAgain(const absl::Status& error, bool changes_something) {
  switch (ReasonOf(error)) {
    case Reason::kUnreachable:
    case Reason::kNoLeader:
    case Reason::kNotLeader:
    case Reason::kLeadershipLost:
    case Reason::kShuttingDown:
    case Reason::kHalted:
    case Reason::kOverloaded:
      return !changes_something || OutcomeOf(error) == Outcome::kNotApplied;
    default:
      return false;
  }
}

class RpcAdminClient final : public AdminClient {
 public:
  RpcAdminClient(std::vector<Endpoint> servers, absl::Duration timeout, std::unique_ptr<RpcClient> rpc)
      : servers_(std::move(servers)), timeout_(timeout), rpc_(std::move(rpc)) {}

  absl::StatusOr<std::vector<TopicResult>> CreateTopics(std::vector<NewTopic> topics, bool validate_only) override {
    return Decoded(Ask(node::kCreateTopics, node::EncodeCreateTopics(topics, validate_only), !validate_only),
                   &node::DecodeTopicResults);
  }

  absl::StatusOr<std::vector<TopicResult>> DeleteTopics(std::vector<std::string> names) override {
    return Decoded(Ask(node::kDeleteTopics, node::EncodeDeleteTopics(names), true), &node::DecodeTopicResults);
  }

  absl::StatusOr<std::vector<TopicDescription>> DescribeTopics(std::optional<std::vector<std::string>> names) override {
    node::DescribeTopicsCall call;
    call.names = std::move(names);
    std::vector<TopicDescription> all;
    while (true) {
      absl::StatusOr<node::TopicsPage> page =
          Decoded(Ask(node::kDescribeTopics, node::EncodeDescribeTopics(call), false), &node::DecodeTopics);
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

  absl::StatusOr<std::vector<std::string>> ListTopics() override {
    return Decoded(Ask(node::kListTopics, "", false), &node::DecodeTopicNames);
  }

  absl::StatusOr<ClusterDescription> DescribeCluster() override {
    return Decoded(Ask(node::kDescribeCluster, "", false), &node::DecodeCluster);
  }

  absl::StatusOr<QuorumDescription> DescribeQuorum() override {
    return Decoded(Ask(node::kDescribeQuorum, "", false), &node::DecodeQuorum);
  }

 private:
  template <typename T>
  static absl::StatusOr<T> Decoded(absl::StatusOr<std::string> answer, absl::StatusOr<T> (*decode)(absl::string_view)) {
    if (!answer.ok()) return answer.status();
    return decode(*answer);
  }

  // One server after the other, round and round, until one answers or the time is over.
  absl::StatusOr<std::string> Ask(const char* method, const std::string& payload, bool changes_something) {
    const Instant deadline = SystemClock()->Now() + timeout_;
    std::vector<absl::Status> errors(servers_.size());  // the last of each server
    for (size_t attempt = 0;; ++attempt) {
      const size_t index = attempt % servers_.size();
      const Endpoint& server = servers_[index];
      const absl::Duration left = deadline - SystemClock()->Now();
      const bool heard = std::any_of(errors.begin(), errors.end(), [](const absl::Status& e) { return !e.ok(); });
      if (left <= absl::ZeroDuration() || (heard && left < std::min(timeout_ / 4, kLastTryMin))) return Failure(errors);
      absl::StatusOr<std::string> answer = CallOnce(server, method, payload, left);
      if (answer.ok() || !MayTryAgain(answer.status(), changes_something)) {
        if (answer.ok() || ReasonOf(answer.status()) != Reason::kDeadlineExceeded) return answer;
        return Explain(server, answer.status());
      }
      errors[index] = Explain(server, answer.status());
      // A pause after each round: all were asked, and something has to change first.
      if (index + 1 == servers_.size()) {
        const absl::Duration pause = std::min(kRetryPause, deadline - SystemClock()->Now());
        if (pause <= absl::ZeroDuration()) return Failure(errors);
        std::mutex mutex;
        std::unique_lock<std::mutex> lock(mutex);
        std::condition_variable().wait_for(lock, absl::ToChronoNanoseconds(pause), [] { return false; });
      }
    }
  }

  absl::StatusOr<std::string> CallOnce(const Endpoint& server, const char* method, const std::string& payload,
                                       absl::Duration timeout) {
    std::mutex mutex;
    std::condition_variable answered;
    std::optional<absl::StatusOr<std::string>> answer;
    rpc_->Call(server, method, payload, timeout, [&](absl::StatusOr<std::string> bytes) {
      const std::lock_guard<std::mutex> lock(mutex);
      answer = std::move(bytes);
      answered.notify_one();  // under the lock: the waiter's frame may be gone as soon as it is free
    });
    std::unique_lock<std::mutex> lock(mutex);
    answered.wait(lock, [&] { return answer.has_value(); });
    return *std::move(answer);
  }

  static absl::Status Explain(const Endpoint& server, const absl::Status& error) {
    StatusDetail detail = DetailOf(error).value_or(StatusDetail());
    if (ReasonOf(error) == Reason::kUnreachable) {
      return MakeError(detail, absl::StrCat(error.message(), " (is the node running?)"));
    }
    return MakeError(detail, absl::StrCat(server.Address(), ": ", error.message()));
  }

  // Everything that was heard, the most telling reason first: a node that says why beats one that is down.
  absl::Status Failure(const std::vector<absl::Status>& errors) const {
    std::vector<absl::Status> heard;
    for (const absl::Status& error : errors) {
      if (!error.ok()) heard.push_back(error);
    }
    if (heard.empty()) {
      return MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied,
                       absl::StrCat("the timeout of ", ShownDuration(timeout_), " left no time to ask a server"));
    }
    std::stable_partition(heard.begin(), heard.end(),
                          [](const absl::Status& error) { return ReasonOf(error) != Reason::kUnreachable; });
    std::string message(heard.front().message());
    for (size_t i = 1; i < heard.size(); ++i) absl::StrAppend(&message, "; ", heard[i].message());
    absl::StrAppend(&message, " (gave up after ", ShownDuration(timeout_), ")");
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
