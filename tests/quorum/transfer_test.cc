// Handing leadership over, on whole nodes under virtual time.

#include "quorate/status.h"
#include "quorum/background_writer.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

TEST_CASE("leadership goes to the voter that is named, under writes, in one go", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() != 0);
  BackgroundWriter writer(&cluster);
  for (int round = 0; round < 6; ++round) {
    const int leader = cluster.AwaitLeader();
    const int to = leader % 3 + 1;
    const Epoch before = cluster.At(leader).node->Describe().epoch;
    const int64_t written = writer.acknowledged();
    const absl::Status transferred = cluster.Transfer(leader, NodeId(to));
    INFO("from " << leader << " to " << to << ": " << transferred);
    REQUIRE(transferred.ok());
    REQUIRE(cluster.Await([&] { return cluster.Leader() == to; }));
    CHECK(cluster.At(to).node->Describe().epoch == before + 1);
    REQUIRE(cluster.Await([&] { return writer.acknowledged() > written + 5; }));
  }
  writer.Stop();
  CHECK(writer.longest_gap() < absl::Milliseconds(500));  // no election timeout is waited for
  for (int id = 1; id <= 3; ++id) {
    CHECK(cluster.Await([&] { return cluster.At(id).machine->sum >= writer.acknowledged(); }));
    CHECK(cluster.At(id).machine->sum <= writer.acknowledged() + writer.unknown());
  }
}

TEST_CASE("without a name it goes to the best voter", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  const int dead = leader == 1 ? 2 : 1;
  cluster.Crash(dead);
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  const absl::Status transferred = cluster.Transfer(leader, std::nullopt);
  INFO(transferred);
  REQUIRE(transferred.ok());
  CHECK(cluster.Await([&] { return cluster.Leader() == 6 - leader - dead; }));
}

TEST_CASE("a transfer that can't be is refused, and the leader leads on", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.adjust = [](QuorumOptions& options) {
    if (options.self.id == NodeId(3)) options.priority = kPriorityNever;
  };
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(leader != 3);
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  CHECK(ReasonOf(cluster.Transfer(leader, NodeId(7))) == Reason::kVoterNotFound);
  CHECK_FALSE(cluster.Transfer(leader, NodeId(3)).ok());  // it never leads
  CHECK(ReasonOf(cluster.Transfer(leader, NodeId(leader == 1 ? 2 : 1), absl::ZeroDuration())) ==
        Reason::kInvalidArgument);
  const absl::Status elsewhere = cluster.Transfer(3, NodeId(1));
  CHECK(ReasonOf(elsewhere) == Reason::kNotLeader);
  CHECK(cluster.Leader() == leader);
  CHECK(cluster.Propose(leader, {"1"}).ok());
}

TEST_CASE("a transfer to a dead voter ends by its deadline, and what waited goes on", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int dead = leader == 1 ? 2 : 1;
  cluster.Crash(dead);
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  std::optional<absl::Status> ended;
  cluster.At(leader).node->TransferLeadership(NodeId(dead), absl::Seconds(1),
                                              [&](absl::Status status) { ended = std::move(status); });
  const absl::StatusOr<Proposed> waited = cluster.Propose(leader, {"1"});
  INFO(waited.status());
  CHECK(waited.ok());
  REQUIRE(cluster.Await([&] { return ended.has_value(); }));
  CHECK_FALSE(ended->ok());
  CHECK(cluster.Leader() == leader);
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  CHECK(cluster.At(leader).machine->sum == 3);
}

TEST_CASE("a leader that is cut off while it hands over leaves nobody waiting (I-24)", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int to = leader == 1 ? 2 : 1;
  int answers = 0;
  cluster.Isolate(leader, true);
  cluster.At(leader).node->TransferLeadership(NodeId(to), absl::Seconds(20), [&](absl::Status) { ++answers; });
  for (int i = 0; i < 5; ++i) {
    cluster.At(leader).node->Propose({{"1"}, std::nullopt, absl::Seconds(30)},
                                     [&](const absl::StatusOr<Proposed>&) { ++answers; });
  }
  REQUIRE(cluster.Await([&] { return cluster.Leader() != leader && cluster.Leader() != 0; }));
  cluster.Isolate(leader, false);
  CHECK(cluster.Await([&] { return answers == 6; }));
}

TEST_CASE("the host may say that the leader is dead; a live one isn't disturbed", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  const Epoch epoch = cluster.At(leader).node->Describe().epoch;
  // One is mistaken. The third still hears the leader, and so there is no majority for an election.
  cluster.At(leader == 1 ? 2 : 1).node->SuspectLeader(NodeId(leader));
  cluster.executor().RunFor(absl::Seconds(3));
  CHECK(cluster.Leader() == leader);
  CHECK(cluster.At(leader).node->Describe().epoch == epoch);
  CHECK(cluster.Propose(leader, {"1"}).ok());
}

TEST_CASE("a stale read shows a committed state with its position, wherever it is asked", "[quorum][transfer]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(cluster.Propose(leader, {"5"}).ok());
  for (int id = 1; id <= 3; ++id) REQUIRE(cluster.Read(id).ok());
  cluster.Isolate(leader, true);
  REQUIRE(cluster.Await([&] { return cluster.Leader() != leader && cluster.Leader() != 0; }));
  REQUIRE(cluster.Propose(cluster.Leader(), {"7"}).ok());
  const auto stale = [&](int id) {
    std::optional<std::pair<LogPosition, int64_t>> seen;
    cluster.At(id).node->ReadStale([&](LogPosition position) { seen = {position, cluster.At(id).machine->sum}; });
    REQUIRE(cluster.Await([&] { return seen.has_value(); }));
    return *seen;
  };
  const auto [old_position, old_sum] = stale(leader);
  const auto [new_position, new_sum] = stale(cluster.Leader());
  CHECK(old_sum == 5);
  CHECK(new_sum == 12);
  CHECK(old_position < new_position);
  CHECK(new_position.end == cluster.At(cluster.Leader()).node->Describe().applied_end);
  CHECK(new_position.epoch == cluster.At(cluster.Leader()).node->Describe().epoch);
}

}  // namespace
}  // namespace quorate::quorum
