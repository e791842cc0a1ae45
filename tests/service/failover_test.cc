// Leaders that go while proposals are on their way: each is answered once, and what the answer says is true.
#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "service/proposal_cluster.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::service_test {
namespace {

// Proposes unique values in a closed loop of `callers`, through a client, until told to stop.
class Load {
 public:
  Load(ProposalClient* client, std::string name, int callers, bool idempotent)
      : client_(client), name_(std::move(name)) {
    options_.idempotent = idempotent;
    options_.timeout = absl::Seconds(20);
    for (int i = 0; i < callers; ++i) Next();
  }

  void Stop() {
    stopping_ = true;
    REQUIRE(testing::WaitUntil([this] { return open_ == 0; }, absl::Seconds(60)));
  }
  int acknowledged() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return acknowledged_;
  }

  // Against what a member that lived on applied.
  void Check(Tally* tally, bool idempotent) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int unknown = 0;
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      const int times = tally->TimesApplied(absl::StrCat(name_, " ", i));
      INFO(name_ << " " << i << ": " << outcomes_[i].ToString() << ", applied " << times << " times");
      if (!idempotent) CHECK(times <= 1);
      if (outcomes_[i].ok()) {
        CHECK(times >= 1);
      } else if (OutcomeOf(outcomes_[i]) == Outcome::kNotApplied) {
        CHECK(times == 0);
      } else {
        ++unknown;
      }
    }
    if (idempotent) CHECK(unknown == 0);
  }

 private:
  void Next() {
    size_t index = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      index = outcomes_.size();
      outcomes_.push_back(absl::UnknownError("no answer came"));
      times_.push_back(0);
    }
    ++open_;
    client_->Propose(absl::StrCat(name_, " ", index), options_, [this, index](absl::StatusOr<Proposed> result) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        outcomes_[index] = result.status();
        if (result.ok()) ++acknowledged_;
        if (++times_[index] != 1) outcomes_[index] = absl::InternalError("answered twice");
      }
      if (!stopping_) Next();
      --open_;
    });
  }

  ProposalClient* const client_;
  const std::string name_;
  ProposeOptions options_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> open_{0};
  std::mutex mutex_;
  std::vector<absl::Status> outcomes_;
  std::vector<int> times_;
  int acknowledged_ = 0;
};

TEST_CASE("M-31: a leader dies under load, and every answer is true of what its successor has") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  const int other = (leader + 1) % ProposalCluster::kSize;
  const auto stream = cluster.Client(ProposalMode::kStream);
  const auto unary = cluster.Client(ProposalMode::kUnary);
  const auto again = cluster.Client(ProposalMode::kStream);
  const auto behind = cluster.Client(ProposalMode::kStream, {cluster.endpoint(other)}, /*forwarding=*/true);
  Load by_stream(stream.get(), "stream", 16, false);
  Load by_unary(unary.get(), "unary", 16, false);
  Load idempotent(again.get(), "idempotent", 16, true);
  Load forwarded(behind.get(), "forwarded", 16, false);
  const std::vector<Load*> loads = {&by_stream, &by_unary, &idempotent, &forwarded};
  const auto all_reach = [&](int count) {
    return testing::WaitUntil(
        [&] {
          for (Load* load : loads) {
            if (load->acknowledged() < count) return false;
          }
          return true;
        },
        absl::Seconds(60));
  };
  REQUIRE(all_reach(200));
  cluster.member(leader).Kill();
  std::vector<int> before;
  for (Load* load : loads) before.push_back(load->acknowledged());
  const bool went_on = testing::WaitUntil(
      [&] {
        for (size_t i = 0; i < loads.size(); ++i) {
          if (loads[i]->acknowledged() < before[i] + 200) return false;
        }
        return true;
      },
      absl::Seconds(60));
  CHECK(went_on);
  for (Load* load : loads) load->Stop();
  // The member that is asked must have applied all that was acknowledged.
  REQUIRE(ReadAndWait(*behind, "").ok());
  for (Load* load : loads) load->Check(&cluster.member(other).tally, load == &idempotent);
  CHECK(stream->counters().redirects > 0);
}

TEST_CASE("Leadership is handed over under load, and no proposal is lost sight of") {
  ProposalCluster cluster;
  const auto client = cluster.Client(ProposalMode::kStream);
  Load load(client.get(), "handed", 32, false);
  for (int round = 0; round < 3; ++round) {
    const int before = load.acknowledged();
    const int leader = cluster.Leader();
    cluster.member(leader).node->TransferLeadership(NodeId((leader + 1) % 3), absl::Seconds(10), [](absl::Status) {});
    CHECK(testing::WaitUntil([&] { return load.acknowledged() >= before + 200; }, absl::Seconds(60)));
  }
  load.Stop();
  REQUIRE(ReadAndWait(*client, "").ok());
  load.Check(&cluster.member(cluster.Leader()).tally, false);
}

TEST_CASE("A service stops with calls under way: each is answered, and the node goes on") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  const auto stream = cluster.Client(ProposalMode::kStream, {cluster.endpoint(leader)});
  const auto unary = cluster.Client(ProposalMode::kUnary, {cluster.endpoint(leader)});
  REQUIRE(ProposeAndWait(*stream, "first").ok());
  REQUIRE(ProposeAndWait(*unary, "first").ok());
  // Nothing is committed any more, so everything stays under way.
  for (int i = 0; i < ProposalCluster::kSize; ++i) {
    if (i != leader) cluster.member(i).Kill();
  }
  Answers<Proposed> answers;
  ProposeOptions brief;
  brief.timeout = absl::Seconds(3);
  for (int i = 0; i < 50; ++i) stream->Propose("x", brief, answers.Next());
  for (int i = 0; i < 50; ++i) unary->Propose("x", brief, answers.Next());
  ProposalService* const service = cluster.member(leader).service.get();
  CHECK(testing::WaitUntil(
      [&] { return service->counters().proposals + service->counters().refused >= 102 || answers.come() > 0; },
      absl::Seconds(20)));
  service->Stop(absl::ZeroDuration());
  CHECK(service->counters().live_streams == 0);
  service->Stop(absl::Seconds(1));
  const auto all = answers.Wait();
  REQUIRE(all.size() == 100);
  for (const auto& one : all) CHECK_FALSE(one.ok());
  CHECK(answers.OnceEach());
  CHECK(ReasonOf(ProposeAndWait(*unary, "late", brief).status()) == Reason::kDeadlineExceeded);
}

TEST_CASE("A client is closed with calls under way, and answers them all before Close returns") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  for (const ProposalMode mode : {ProposalMode::kStream, ProposalMode::kUnary}) {
    const auto client = cluster.Client(mode, {cluster.endpoint(leader)});
    REQUIRE(ProposeAndWait(*client, "first").ok());
    Answers<Proposed> answers;
    for (int i = 0; i < 500; ++i) client->Propose("x", {}, answers.Next());
    client->Close();
    CHECK(answers.come() == 500);
    CHECK(answers.OnceEach());
    client->Propose("y", {}, answers.Next());
    const auto all = answers.Wait();
    REQUIRE(all.size() == 501);
    CHECK(ReasonOf(all.back().status()) == Reason::kShuttingDown);
    CHECK(OutcomeOf(all.back().status()) == Outcome::kNotApplied);
    client->Close();
  }
}

TEST_CASE("Nobody is there: calls wait for a server until their deadline, and one that comes up late is found") {
  ProposalClientOptions options;
  options.servers = {{"", "127.0.0.1", 1}};
  const auto client = ProposalClient::Create(std::move(options));
  REQUIRE(client.ok());
  ProposeOptions brief;
  brief.timeout = absl::Milliseconds(200);
  const absl::StatusOr<Proposed> refused = ProposeAndWait(**client, "x", brief);
  CHECK(ReasonOf(refused.status()) == Reason::kDeadlineExceeded);
  CHECK(OutcomeOf(refused.status()) == Outcome::kNotApplied);
  CHECK((*client)->counters().retries > 0);

  ProposalCluster cluster;
  const auto patient = cluster.Client(ProposalMode::kStream, {{"", "127.0.0.1", 1}, cluster.endpoint(0)});
  CHECK(ProposeAndWait(*patient, "x").ok());
}

}  // namespace
}  // namespace quorate::service_test
