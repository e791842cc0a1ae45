// A disk that takes its time (F-D12): what is said of it, and who leads.
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

struct Running : QuorumCluster {
  Running() : QuorumCluster(3) {
    StartAll();
    REQUIRE(AwaitLeader() != 0);
    executor().RunFor(absl::Milliseconds(200));
  }
  ~Running() {
    for (int id = 1; id <= size(); ++id) At(id).threads.LetGo();
  }
  absl::Duration DiskAge(int id) { return At(id).node->Describe().disk_age; }
};

TEST_CASE("F-D12: the age of a write that doesn't end is told, and the leader goes by the same figure",
          "[quorum][node]") {
  Running cluster;
  const int leader = cluster.Leader();
  for (int id = 1; id <= 3; ++id) CHECK(cluster.DiskAge(id) == absl::ZeroDuration());
  cluster.At(leader).threads.Keep("quorate-log");
  cluster.executor().RunFor(absl::Seconds(2));
  CHECK(cluster.DiskAge(leader) == absl::ZeroDuration());  // it has had nothing to do
  CHECK(cluster.Leader() == leader);
  std::optional<absl::StatusOr<Proposed>> answer;
  cluster.At(leader).node->Propose({{"1"}, {}}, [&](auto r) { answer = std::move(r); });
  const absl::Duration step = absl::Milliseconds(10);
  absl::Duration oldest;
  while (cluster.At(leader).node->Describe().role == ReplicaRole::kLeader) {
    REQUIRE(oldest < absl::Seconds(1));
    oldest = cluster.DiskAge(leader);
    cluster.executor().RunFor(step);
  }
  CHECK(oldest > QuorumTimeouts().disk_stall - 2 * step);
  CHECK(oldest <= QuorumTimeouts().disk_stall);
  // The other two had stored it: it was committed without this disk.
  REQUIRE(answer.has_value());
  CHECK(answer->ok());
  REQUIRE(cluster.Await([&] { return cluster.Leader() != leader && cluster.Leader() != 0; }, absl::Seconds(5)));
  CHECK(cluster.Propose(cluster.Leader(), {"1"}).ok());
  CHECK(cluster.DiskAge(leader) >= absl::Milliseconds(600));  // still that write, on a follower now
  cluster.At(leader).threads.LetGo();
  CHECK(cluster.Await([&] { return cluster.DiskAge(leader) == absl::ZeroDuration(); }, absl::Seconds(1)));
}

TEST_CASE("F-D12: a follower's disk that stalls, for a log or a vote, is told and delays nobody", "[quorum][node]") {
  Running cluster;
  const int leader = cluster.Leader();
  const int slow = leader % 3 + 1;
  SECTION("log") {
    cluster.At(slow).threads.Keep("quorate-log");
    REQUIRE(cluster.Propose(leader, {"1"}).ok());
  }
  SECTION("vote") {
    cluster.At(slow).threads.Keep("quorate-vote");
    REQUIRE(cluster.Transfer(leader, NodeId(slow % 3 + 1)).ok());
  }
  cluster.executor().RunFor(absl::Seconds(3));
  CHECK(cluster.DiskAge(slow) > absl::Seconds(2));
  const int now = cluster.Leader();
  REQUIRE(now != 0);
  CHECK(cluster.Propose(now, {"1"}).ok());
  cluster.At(slow).threads.LetGo();
  CHECK(cluster.Await([&] { return cluster.DiskAge(slow) == absl::ZeroDuration(); }, absl::Seconds(1)));
}

}  // namespace
}  // namespace quorate::quorum
