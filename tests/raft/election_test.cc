#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

TEST_CASE("three voters elect a leader, which commits its own record") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(2)));
  CHECK(cluster.committed() == Offset(3));
  CHECK(cluster.violations() == std::vector<std::string>());
}

TEST_CASE("a crashed leader is replaced within a few round trips and syncs") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(2)));
  const int old_leader = cluster.Leader();
  const Instant crash = cluster.now();
  cluster.Crash(old_leader);
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(2)));
  CHECK(cluster.now() - crash < absl::Milliseconds(6));
  CHECK(cluster.violations() == std::vector<std::string>());
}

}  // namespace
}  // namespace quorate::raft
