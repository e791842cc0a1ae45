// QuorumNode as a host sees it, on whole nodes under virtual time.

#include "quorate/quorum_node.h"

#include <algorithm>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

int Other(int leader) { return leader == 1 ? 2 : 1; }

TEST_CASE("three nodes elect a leader, commit, and apply everywhere", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(leader != 0);
  absl::StatusOr<Proposed> first = cluster.Propose(leader, {"5", "7"});
  INFO(first.status());
  REQUIRE(first.ok());
  CHECK(first->results == std::vector<std::string>{"5", "12"});
  absl::StatusOr<Proposed> second = cluster.Propose(leader, {"30"});
  REQUIRE(second.ok());
  CHECK(second->results == std::vector<std::string>{"42"});
  CHECK(second->base_offset == first->base_offset + 2);
  for (int id = 1; id <= 3; ++id) CHECK(cluster.Await([&] { return cluster.At(id).machine->sum == 42; }));
}

TEST_CASE("a single voter needs nobody, but its disk (M-14)", "[quorum][node]") {
  QuorumCluster cluster(1);
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  REQUIRE(cluster.Propose(1, {"1"}).ok());
  cluster.Crash(1);
  REQUIRE(cluster.Start(1).ok());
  CHECK(cluster.Await([&] { return cluster.At(1).machine->sum == 1; }));
}

TEST_CASE("who doesn't lead says who does", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int other = Other(leader);
  REQUIRE(cluster.Await([&] { return cluster.At(other).node->Describe().leader == NodeId(leader); }));
  const absl::Status refused = cluster.Propose(other, {"1"}).status();
  CHECK(ReasonOf(refused) == Reason::kNotLeader);
  CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  REQUIRE(LeaderHintFrom(refused).has_value());
  CHECK(LeaderHintFrom(refused)->id == NodeId(leader));
  CHECK(LeaderHintFrom(refused)->endpoint == cluster.At(leader).endpoint);
}

TEST_CASE("losing the leader loses nothing that was acknowledged (P2)", "[quorum][node]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    QuorumCluster cluster(3, seed);
    cluster.StartAll();
    int64_t acknowledged = 0;
    for (int round = 0; round < 5; ++round) {
      const int leader = cluster.AwaitLeader();
      REQUIRE(leader != 0);
      REQUIRE(cluster.Propose(leader, {"1"}).ok());
      ++acknowledged;
      cluster.Crash(leader);
      const int next = cluster.AwaitLeader();
      REQUIRE(next != 0);
      REQUIRE(next != leader);
      REQUIRE(cluster.Read(next).ok());
      CHECK(cluster.At(next).machine->sum == acknowledged);
      REQUIRE(cluster.Start(leader).ok());
    }
    cluster.CrashAll();
    cluster.StartAll();
    for (int id = 1; id <= 3; ++id) {
      CHECK(cluster.Await([&] { return cluster.At(id).machine->sum == acknowledged; }));
    }
  }
}

TEST_CASE("without a majority, calls fail by their deadline and say why", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  for (int id = 1; id <= 3; ++id) {
    if (id != leader) cluster.Crash(id);
  }
  const absl::Status lost = cluster.Propose(leader, {"2"}, absl::Seconds(2)).status();
  INFO(lost);
  CHECK(OutcomeOf(lost) == Outcome::kUnknown);  // it is in a log
  REQUIRE(cluster.Await([&] { return cluster.At(leader).node->Describe().role != ReplicaRole::kLeader; }));
  const absl::Status refused = cluster.Propose(leader, {"3"}).status();
  CHECK(ReasonOf(refused) == Reason::kNoLeader);
  CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  CHECK(refused.message().find("reaches 1 of 3 voters") != absl::string_view::npos);
  const absl::Status read = cluster.Read(leader, absl::Seconds(1)).status();
  CHECK(ReasonOf(read) == Reason::kDeadlineExceeded);
  // One comes back: a majority again.
  REQUIRE(cluster.Start(Other(leader)).ok());
  const int next = cluster.AwaitLeader();
  REQUIRE(next != 0);
  CHECK(cluster.Await([&] { return cluster.Leader() != 0 && cluster.Propose(cluster.Leader(), {"0"}).ok(); }));
}

TEST_CASE("a cut-off leader answers no read and steps down (M-09, M-28)", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int old_leader = cluster.AwaitLeader();
  cluster.Isolate(old_leader, true);
  std::optional<absl::StatusOr<Offset>> stale;
  cluster.At(old_leader).node->ReadBarrier(absl::Seconds(20), [&](absl::StatusOr<Offset> r) { stale = std::move(r); });
  REQUIRE(cluster.Await([&] { return cluster.Leader() != old_leader && cluster.Leader() != 0; }));
  REQUIRE(cluster.Propose(cluster.Leader(), {"9"}).ok());
  CHECK_FALSE(stale.has_value());
  cluster.Isolate(old_leader, false);
  // Connected again it reads what was written without it.
  REQUIRE(cluster.Await([&] { return stale.has_value(); }));
  INFO(stale->status());
  CHECK(stale->ok());
  CHECK(cluster.At(old_leader).machine->sum == 9);
}

TEST_CASE("a read on any node sees what was acknowledged before it", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  for (int i = 1; i <= 10; ++i) {
    REQUIRE(cluster.Propose(leader, {"1"}).ok());
    const int reader = i % 3 + 1;
    REQUIRE(cluster.Read(reader).ok());
    CHECK(cluster.At(reader).machine->sum == i);
  }
}

TEST_CASE("an epoch can be demanded", "[quorum][node]") {
  QuorumCluster cluster(1);
  cluster.StartAll();
  cluster.AwaitLeader();
  std::optional<absl::StatusOr<Proposed>> result;
  Proposal proposal;
  proposal.records = {"1"};
  proposal.expected_epoch = Epoch(77);
  cluster.At(1).node->Propose(std::move(proposal), [&](absl::StatusOr<Proposed> r) { result = std::move(r); });
  cluster.executor().RunUntilIdle();
  REQUIRE(result.has_value());
  CHECK(ReasonOf(result->status()) == Reason::kEpochMismatch);
}

TEST_CASE("many proposals at once share batches, keep their order, and all complete (I-24)", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  std::vector<int64_t> sums;
  for (int i = 0; i < 500; ++i) {
    Proposal proposal;
    proposal.records = {"1"};
    cluster.At(leader).node->Propose(std::move(proposal), [&](absl::StatusOr<Proposed> r) {
      REQUIRE(r.ok());
      sums.push_back(std::stoll(r->results.at(0)));
    });
  }
  REQUIRE(cluster.Await([&] { return sums.size() == 500; }));
  for (int i = 0; i < 500; ++i) CHECK(sums[i] == i + 1);
  CHECK(cluster.At(leader).files.CountOf(testing::FileCall::kSync) < 200);
}

TEST_CASE("a state machine that fails or throws stops its node, not the process (F-H01)", "[quorum][node]") {
  for (bool throws : {false, true}) {
    QuorumCluster cluster(3);
    cluster.StartAll();
    const int leader = cluster.AwaitLeader();
    (throws ? cluster.At(leader).machine->throws_at : cluster.At(leader).machine->fails_at) = "13";
    const absl::Status failed = cluster.Propose(leader, {"13"}).status();
    CHECK(ReasonOf(failed) == Reason::kHalted);
    REQUIRE(cluster.Await([&] { return !cluster.At(leader).fault.ok(); }));
    CHECK(cluster.At(leader).fault.message().find("asked to") != absl::string_view::npos);
    CHECK(cluster.At(leader).node->Describe().role == ReplicaRole::kHalted);
    CHECK(ReasonOf(cluster.Propose(leader, {"1"}).status()) == Reason::kHalted);
    // The others go on, and it took effect there.
    REQUIRE(cluster.Await([&] { return cluster.Leader() != leader && cluster.Leader() != 0; }));
    CHECK(cluster.Await([&] { return cluster.At(cluster.Leader()).machine->sum == 13; }));
  }
}

TEST_CASE("a completion or a watcher that throws stops its node, not the process (F-H01)", "[quorum][node]") {
  for (const char* what : {"proposal", "read", "watcher"}) {
    INFO(what);
    QuorumCluster cluster(1);
    cluster.StartAll();
    REQUIRE(cluster.AwaitLeader() == 1);
    QuorumNode& node = *cluster.At(1).node;
    int calls = 0;
    const auto fail = [&calls] {
      ++calls;
      throw std::runtime_error("asked to throw");
    };
    uint64_t watch = 0;
    if (what == std::string("proposal")) {
      node.Propose({{"1"}, std::nullopt, absl::Seconds(5)}, [&](absl::StatusOr<Proposed>) { fail(); });
    } else if (what == std::string("read")) {
      node.ReadBarrier(absl::Seconds(5), [&](absl::StatusOr<Offset>) { fail(); });
    } else {
      watch = node.WatchLeadership([&](const Leadership&) { fail(); });
    }
    REQUIRE(cluster.Await([&] { return !cluster.At(1).fault.ok(); }));
    CHECK(cluster.At(1).fault.message().find("asked to throw") != absl::string_view::npos);
    CHECK(node.Describe().role == ReplicaRole::kHalted);
    if (watch != 0) node.Unwatch(watch);
    CHECK(calls >= 1);
  }
}

TEST_CASE("a disk that fails stops its node and acknowledges nothing (F-D08, F-D09)", "[quorum][node]") {
  for (testing::FileCall call : {testing::FileCall::kSync, testing::FileCall::kWrite}) {
    QuorumCluster cluster(3);
    cluster.StartAll();
    const int leader = cluster.AwaitLeader();
    REQUIRE(cluster.Propose(leader, {"1"}).ok());
    int failures = 0;
    cluster.At(leader).files.SetHook([&](const testing::FileCallInfo& info) -> absl::Status {
      if (info.call != call || failures > 0) return absl::OkStatus();
      ++failures;
      return MakeError(Reason::kStorage, Outcome::kUnknown, "injected: EIO");
    });
    const absl::Status failed = cluster.Propose(leader, {"2"}).status();
    CHECK(OutcomeOf(failed) == Outcome::kUnknown);
    CHECK(failures == 1);  // not retried: only the first is refused
    REQUIRE(cluster.Await([&] { return !cluster.At(leader).fault.ok(); }));
    const int next =
        cluster.Await([&] { return cluster.Leader() != leader && cluster.Leader() != 0; }) ? cluster.Leader() : 0;
    REQUIRE(next != 0);
    CHECK(cluster.Propose(next, {"10"}).ok());
    CHECK(cluster.At(next).machine->sum >= 11);
  }
}

TEST_CASE("bad proposals are refused at once", "[quorum][node]") {
  QuorumCluster cluster(1);
  cluster.StartAll();
  cluster.AwaitLeader();
  CHECK(ReasonOf(cluster.Propose(1, {}).status()) == Reason::kInvalidArgument);
  CHECK(ReasonOf(cluster.Propose(1, {std::string(limits::kProposalBytesMax + 1, 'x')}).status()) == Reason::kTooLarge);
  CHECK(ReasonOf(cluster.Propose(1, {"1"}, absl::ZeroDuration()).status()) == Reason::kInvalidArgument);
  CHECK(cluster.At(1).fault.ok());
}

TEST_CASE("destroying a node completes what it still had (F-H05)", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  int completed = 0;
  for (int i = 0; i < 10; ++i) {
    Proposal proposal;
    proposal.records = {"1"};
    cluster.At(leader).node->Propose(std::move(proposal), [&](absl::StatusOr<Proposed> r) {
      CHECK_FALSE(r.ok());
      ++completed;
    });
    cluster.At(leader).node->ReadBarrier(absl::Seconds(5), [&](absl::StatusOr<Offset> r) {
      CHECK_FALSE(r.ok());
      ++completed;
    });
  }
  cluster.At(leader).node.reset();
  CHECK(completed == 20);
}

TEST_CASE("the leader describes every voter, itself included", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  REQUIRE(cluster.Await([&] {
    const QuorumDescription now = cluster.At(leader).node->Describe();
    return std::all_of(now.voters.begin(), now.voters.end(),
                       [&](const ReplicaStatus& voter) { return voter.log_end == now.log_end; });
  }));
  const QuorumDescription quorum = cluster.At(leader).node->Describe();
  CHECK(quorum.role == ReplicaRole::kLeader);
  REQUIRE(quorum.voters.size() == 3);
  for (const ReplicaStatus& voter : quorum.voters) {
    CHECK(voter.last_fetch > absl::InfinitePast());
    CHECK(voter.last_caught_up > absl::InfinitePast());
    CHECK(voter.endpoints.size() == 1);
  }
  CHECK(quorum.observers.empty());
}

TEST_CASE("options are checked all at once", "[quorum][node]") {
  absl::StatusOr<std::unique_ptr<QuorumNode>> node = QuorumNode::Create({}, {});
  REQUIRE_FALSE(node.ok());
  for (const char* part : {"cluster_id", "self.id", "self.directory", "initial_voters and bootstrap_servers"}) {
    INFO(node.status().message());
    CHECK(node.status().message().find(part) != absl::string_view::npos);
  }
}

}  // namespace
}  // namespace quorate::quorum
