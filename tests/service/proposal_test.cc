// Proposals and reads from outside, to a quorum that stands: results, errors, forwarding, bounds of the client.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "service/proposal_cluster.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::service_test {
namespace {

TEST_CASE("What Apply leaves for a record is the answer, by stream and by unary call, wherever the search begins") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  for (const ProposalMode mode : {ProposalMode::kStream, ProposalMode::kUnary}) {
    for (int first = 0; first < ProposalCluster::kSize; ++first) {
      const auto client = cluster.Client(mode, {cluster.endpoint(first)});
      const std::string value = absl::StrCat("from ", first, mode == ProposalMode::kUnary ? " unary" : " stream");
      const absl::StatusOr<Proposed> proposed = ProposeAndWait(*client, value);
      INFO(proposed.status().ToString());
      REQUIRE(proposed.ok());
      REQUIRE(proposed->results.size() == 1);
      CHECK(absl::EndsWith(proposed->results[0], absl::StrCat(":", value)));
      CHECK(client->counters().redirects == (first == leader ? 0 : 1));
      const absl::StatusOr<ReadAnswer> read = ReadAndWait(*client, value);
      INFO(read.status().ToString());
      REQUIRE(read.ok());
      CHECK(read->answer == "1");
      CHECK(read->offset > proposed->base_offset);
      // An empty query is a barrier.
      CHECK(ReadAndWait(*client, "").ok());
    }
  }
}

TEST_CASE("Thousands at once are each answered once, with their own result, in few messages") {
  ProposalCluster cluster;
  const auto client = cluster.Client(ProposalMode::kStream);
  REQUIRE(ProposeAndWait(*client, "first").ok());
  Answers<Proposed> answers;
  constexpr int kCount = 4000;
  for (int i = 0; i < kCount; ++i) client->Propose(absl::StrCat("value ", i), {}, answers.Next());
  const auto all = answers.Wait();
  REQUIRE(all.size() == kCount);
  std::set<int64_t> offsets;
  for (int i = 0; i < kCount; ++i) {
    INFO(i << ": " << all[i].status().ToString());
    REQUIRE(all[i].ok());
    REQUIRE(all[i]->results.size() == 1);
    CHECK(absl::EndsWith(all[i]->results[0], absl::StrCat(":value ", i)));
    offsets.insert(all[i]->base_offset.value());
  }
  CHECK(offsets.size() == kCount);
  CHECK(answers.OnceEach());
  const ProposalClient::Counters counters = client->counters();
  CHECK(counters.messages_out < counters.sent);
  CHECK(counters.messages_in < kCount);
}

TEST_CASE("The records of one proposal stand together, and have a result each") {
  ProposalCluster cluster;
  for (const ProposalMode mode : {ProposalMode::kStream, ProposalMode::kUnary}) {
    const auto client = cluster.Client(mode);
    Answers<Proposed> answers;
    client->ProposeAll({"a", "b", "c"}, {}, answers.Next());
    client->ProposeAll({"d"}, {}, answers.Next());
    const auto all = answers.Wait();
    REQUIRE(all.size() == 2);
    INFO(all[0].status().ToString());
    REQUIRE(all[0].ok());
    REQUIRE(all[0]->results.size() == 3);
    CHECK(absl::EndsWith(all[0]->results[2], ":c"));
    REQUIRE(all[1].ok());
    CHECK(all[1]->results.size() == 1);
  }
}

TEST_CASE("A follower passes proposals on, over one hop, and its clients needn't reach the leader") {
  ProposalCluster cluster;
  const int follower = cluster.AFollower();
  for (const ProposalMode mode : {ProposalMode::kStream, ProposalMode::kUnary}) {
    const auto client = cluster.Client(mode, {cluster.endpoint(follower)}, /*forwarding=*/true);
    Answers<Proposed> answers;
    for (int i = 0; i < 200; ++i) client->Propose(absl::StrCat("on ", i), {}, answers.Next());
    const auto all = answers.Wait();
    REQUIRE(all.size() == 200);
    for (int i = 0; i < 200; ++i) {
      INFO(all[i].status().ToString());
      REQUIRE(all[i].ok());
      CHECK(absl::EndsWith(all[i]->results[0], absl::StrCat(":on ", i)));
    }
    CHECK(client->counters().redirects == 0);
    // Linearizable at the follower itself.
    const absl::StatusOr<ReadAnswer> read = ReadAndWait(*client, "on 7");
    REQUIRE(read.ok());
    CHECK(read->answer == (mode == ProposalMode::kStream ? "1" : "2"));
  }
  CHECK(cluster.member(follower).service->counters().forwarded == 400);
  CHECK(cluster.member(cluster.Leader()).service->counters().streams == 1);
  CHECK(cluster.member(cluster.Leader()).service->counters().forwarded == 0);
}

TEST_CASE("Who isn't to forward says who leads, and where its service is") {
  // Ports of their own for clients are simulated by a wrong endpoint, which must be the one that is told.
  ProposalCluster cluster([](ProposalServiceOptions* options) {
    options->forwarding = false;
    options->leader_endpoint = [](const LeaderHint& leader) {
      return Endpoint{"CLIENTS", "127.0.0.2", leader.endpoint.port};
    };
  });
  const int leader = cluster.Leader();
  const auto client =
      cluster.Client(ProposalMode::kUnary, {cluster.endpoint(cluster.AFollower())}, /*forwarding=*/true);
  ProposeOptions brief;
  brief.timeout = absl::Milliseconds(300);
  const absl::StatusOr<Proposed> refused = ProposeAndWait(*client, "x", brief);
  CHECK(ReasonOf(refused.status()) == Reason::kDeadlineExceeded);
  CHECK(OutcomeOf(refused.status()) == Outcome::kNotApplied);
  const std::optional<LeaderHint> hint = LeaderHintFrom(refused.status());
  REQUIRE(hint.has_value());
  CHECK(hint->id == NodeId(leader));
  CHECK(hint->endpoint.host == "127.0.0.2");
  CHECK(hint->endpoint.port == cluster.endpoint(leader).port);
}

TEST_CASE("What can't be is refused with its reason, and certainly not applied") {
  ProposalCluster cluster;
  const Epoch epoch = cluster.member(cluster.Leader()).node->Describe().epoch;
  for (const ProposalMode mode : {ProposalMode::kStream, ProposalMode::kUnary}) {
    const auto client = cluster.Client(mode);
    Answers<Proposed> answers;
    ProposeOptions other_epoch;
    other_epoch.expected_epoch = epoch + 1;
    client->Propose("x", other_epoch, answers.Next());
    ProposeOptions this_epoch;
    this_epoch.expected_epoch = epoch;
    client->Propose("y", this_epoch, answers.Next());
    client->ProposeAll({}, {}, answers.Next());
    ProposeOptions no_time;
    no_time.timeout = absl::ZeroDuration();
    client->Propose("x", no_time, answers.Next());
    client->Propose(std::string(limits::kProposalBytesMax + 1, 'x'), {}, answers.Next());
    const auto all = answers.Wait();
    REQUIRE(all.size() == 5);
    CHECK(ReasonOf(all[0].status()) == Reason::kEpochMismatch);
    CHECK(all[1].ok());
    CHECK(ReasonOf(all[2].status()) == Reason::kInvalidArgument);
    CHECK(ReasonOf(all[3].status()) == Reason::kInvalidArgument);
    CHECK(ReasonOf(all[4].status()) == Reason::kTooLarge);
    for (const int i : {0, 2, 3, 4}) CHECK(OutcomeOf(all[i].status()) == Outcome::kNotApplied);
  }
  CHECK(cluster.member(cluster.Leader()).tally.TimesApplied("x") == 0);
  ProposalClientOptions nowhere;
  CHECK(ReasonOf(ProposalClient::Create(nowhere).status()) == Reason::kInvalidArgument);
  CHECK(ReasonOf(ProposalService::Create({}).status()) == Reason::kInvalidArgument);
}

TEST_CASE("A window bounds what is open, and a query needs somebody who answers it") {
  ProposalCluster cluster([](ProposalServiceOptions* options) { options->query = nullptr; });
  cluster.Leader();
  const auto client = cluster.Client(ProposalMode::kStream, {}, false, /*window=*/3);
  Answers<Proposed> answers;
  for (int i = 0; i < 10; ++i) client->Propose("x", {}, answers.Next());
  const auto all = answers.Wait();
  REQUIRE(all.size() == 10);
  int refused = 0;
  for (const auto& one : all) {
    if (one.ok()) continue;
    ++refused;
    CHECK(ReasonOf(one.status()) == Reason::kOverloaded);
    CHECK(OutcomeOf(one.status()) == Outcome::kNotApplied);
    CHECK(absl::StrContains(one.status().message(), "window = 3"));
  }
  CHECK(refused > 0);
  CHECK(all[0].ok());
  CHECK(ReadAndWait(*client, "").ok());
  CHECK(ReasonOf(ReadAndWait(*client, "x").status()) == Reason::kInvalidArgument);
}

TEST_CASE("Without a majority a call ends by its deadline, and says what it knows") {
  ProposalCluster cluster;
  const int leader = cluster.Leader();
  const auto stream = cluster.Client(ProposalMode::kStream, {cluster.endpoint(leader)});
  const auto unary = cluster.Client(ProposalMode::kUnary, {cluster.endpoint(leader)});
  REQUIRE(ProposeAndWait(*stream, "before").ok());
  REQUIRE(ProposeAndWait(*unary, "before").ok());
  for (int i = 0; i < ProposalCluster::kSize; ++i) {
    if (i != leader) cluster.member(i).Kill();
  }
  ProposeOptions brief;
  brief.timeout = absl::Milliseconds(500);
  for (ProposalClient* const client : {stream.get(), unary.get()}) {
    const absl::StatusOr<Proposed> late = ProposeAndWait(*client, "after", brief);
    CHECK_FALSE(late.ok());
    // It led, for all it knew, and appended it; or it had resigned before, and says so.
    if (ReasonOf(late.status()) != Reason::kDeadlineExceeded) CHECK(ReasonOf(late.status()) == Reason::kLeadershipLost);
    const absl::StatusOr<ReadAnswer> read = ReadAndWait(*client, "before", absl::Milliseconds(500));
    CHECK(ReasonOf(read.status()) == Reason::kDeadlineExceeded);
    CHECK(OutcomeOf(read.status()) == Outcome::kNotApplied);
  }
}

}  // namespace
}  // namespace quorate::service_test
