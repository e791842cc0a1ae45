// The admin client over an RPC client of the test: what it repeats, for how long, and what it tells meanwhile.
#include "quorate/admin_client.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "node/admin_codec.h"
#include "node/methods.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "support/catch.h"

namespace quorate {
namespace {

using Answer = absl::StatusOr<std::string>;

// Answers from a thread of its own, as the script says: (method, number of the call of that method, from 0).
class ScriptedRpc final : public RpcClient {
 public:
  using Script = std::function<Answer(const std::string& method, int number)>;
  // An answer of this kind never comes before the call's deadline.
  static Answer Late() { return absl::CancelledError("late"); }

  explicit ScriptedRpc(Script script) : script_(std::move(script)) {}

  void Call(const Endpoint&, absl::string_view method, std::string, absl::Duration timeout,
            absl::AnyInvocable<void(Answer) &&> done) override {
    int number = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const std::string name(method);
      number = static_cast<int>(std::count(calls_.begin(), calls_.end(), name));
      calls_.push_back(name);
    }
    Answer answer = script_(std::string(method), number);
    const Instant when = answer == Late() ? SystemClock()->Now() + timeout : SystemClock()->Now();
    if (answer == Late()) answer = MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown, "no answer in time");
    thread_->PostAt(
        when, [done = std::move(done), answer = std::move(answer)]() mutable { std::move(done)(std::move(answer)); });
  }

  int Calls(const std::string& method) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int>(std::count(calls_.begin(), calls_.end(), method));
  }

 private:
  const Script script_;
  std::mutex mutex_;
  std::vector<std::string> calls_;
  std::unique_ptr<Executor> thread_ = ThreadExecutorFactory()->MakeSerial("rpc");
};

struct Client {
  explicit Client(ScriptedRpc::Script script) {
    auto owned = std::make_unique<ScriptedRpc>(std::move(script));
    rpc = owned.get();
    AdminClientOptions options;
    options.servers = {{"", "host", 1}};
    options.timeout = absl::Seconds(5);
    options.rpc = std::move(owned);
    admin = *AdminClient::Create(std::move(options));
  }
  ScriptedRpc* rpc = nullptr;
  std::unique_ptr<AdminClient> admin;
};

const ReplicaKey kKey{NodeId(3), DirectoryId(Uuid(5, 1003))};
const Voter kVoter{kKey, {{"CONTROLLER", "host", 9093}}, 0, 1};

absl::Status Refusal(Reason reason, Outcome outcome = Outcome::kNotApplied, int16_t kafka_error = 7) {
  StatusDetail detail;
  detail.reason = reason;
  detail.outcome = outcome;
  detail.kafka_error = kafka_error;
  detail.retry_after = absl::Milliseconds(1);
  return MakeError(detail, "the leader says why");
}

TEST_CASE("A change waits until it is its turn, and is repeated through a change of the leader") {
  for (const absl::Status& passing :
       {Refusal(Reason::kChangePending), Refusal(Reason::kLeaderNotReady), Refusal(Reason::kNoLeader),
        Refusal(Reason::kLeadershipLost, Outcome::kUnknown), Refusal(Reason::kUnreachable, Outcome::kUnknown, 0)}) {
    INFO(passing);
    Client client([&](const std::string&, int number) -> Answer { return number < 2 ? Answer(passing) : Answer(""); });
    const absl::Status added = client.admin->AddController(kVoter, {.timeout = absl::Seconds(5)});
    INFO(added);
    CHECK(added.ok());
    CHECK(client.rpc->Calls(node::kAddController) == 3);
  }
}

TEST_CASE("A refusal that time doesn't change comes at once, with the leader's sentence") {
  for (const Reason reason : {Reason::kVoterExists, Reason::kVoterNotFound, Reason::kVoterRemoved, Reason::kNotCaughtUp,
                              Reason::kUnsupportedVersion, Reason::kUnsafeChange, Reason::kWrongReplica,
                              // The newcomer, not the server: it has Kafka's number.
                              Reason::kUnreachable}) {
    Client client([&](const std::string&, int) -> Answer { return Refusal(reason); });
    const absl::Status refused = client.admin->RemoveController(kKey, {.timeout = absl::Seconds(5)});
    INFO(refused);
    CHECK(ReasonOf(refused) == reason);
    CHECK(absl::StrContains(refused.message(), "the leader says why"));
    CHECK(client.rpc->Calls(node::kRemoveController) == 1);
  }
}

TEST_CASE("A dry run says what would happen now, and doesn't wait for its turn") {
  Client client([](const std::string&, int) -> Answer { return Refusal(Reason::kChangePending); });
  const absl::Status refused = client.admin->AddController(kVoter, {.timeout = absl::Seconds(5), .dry_run = true});
  CHECK(ReasonOf(refused) == Reason::kChangePending);
  CHECK(client.rpc->Calls(node::kAddController) == 1);
}

TEST_CASE("Leadership that was moved to nobody in particular isn't moved a second time") {
  const auto lost = [](const std::string&, int number) -> Answer {
    return number == 0 ? Answer(Refusal(Reason::kLeadershipLost, Outcome::kUnknown)) : Answer("");
  };
  Client anybody(lost);
  CHECK(OutcomeOf(anybody.admin->TransferLeadership(std::nullopt, {.timeout = absl::Seconds(5)})) == Outcome::kUnknown);
  CHECK(anybody.rpc->Calls(node::kTransferLeadership) == 1);
  Client somebody(lost);
  CHECK(somebody.admin->TransferLeadership(NodeId(2), {.timeout = absl::Seconds(5)}).ok());
  CHECK(somebody.rpc->Calls(node::kTransferLeadership) == 2);
}

TEST_CASE("Arguments that make no sense are refused without a call") {
  Client client([](const std::string&, int) -> Answer { return std::string(); });
  CHECK(ReasonOf(client.admin->AddController(kVoter, {.timeout = absl::ZeroDuration()})) == Reason::kInvalidArgument);
  CHECK(ReasonOf(client.admin->RemoveController(kKey, {.timeout = absl::InfiniteDuration()})) ==
        Reason::kInvalidArgument);
  CHECK(ReasonOf(client.admin->TransferLeadership(NodeId(1), {.dry_run = true})) == Reason::kInvalidArgument);
  CHECK(client.rpc->Calls(node::kAddController) == 0);
}

TEST_CASE("While an addition lasts, the caller is told what the leader works on") {
  QuorumDescription quorum;
  quorum.cluster_id = ClusterId(Uuid(1, 2));
  quorum.voter_change.emplace();
  quorum.voter_change->change.voter = kVoter;
  quorum.voter_change->phase = PendingVoterChange::Phase::kCatchingUp;
  quorum.voter_change->caught_up_to = Offset(10);
  quorum.voter_change->catch_up_target = Offset(90);
  Client client([&](const std::string& method, int) -> Answer {
    return method == node::kDescribeQuorum ? Answer(node::EncodeQuorum(quorum)) : ScriptedRpc::Late();
  });
  std::vector<PendingVoterChange> seen;
  const Instant began = SystemClock()->Now();
  const absl::Status late = client.admin->AddController(
      kVoter, {.timeout = absl::Milliseconds(1800),
               .on_progress = [&](const PendingVoterChange& pending) { seen.push_back(pending); }});
  CHECK(ReasonOf(late) == Reason::kDeadlineExceeded);
  CHECK(SystemClock()->Now() - began < absl::Seconds(10));
  REQUIRE_FALSE(seen.empty());
  CHECK(seen.front() == *quorum.voter_change);
}

}  // namespace
}  // namespace quorate
