// A quorum that has settled, for tests of what becomes of its voter set.
#ifndef QUORATE_TESTS_RAFT_GROWN_CLUSTER_H_
#define QUORATE_TESTS_RAFT_GROWN_CLUSTER_H_

#include <string>
#include <utility>
#include <vector>

#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {

using Ids = std::vector<int>;

inline void NoViolations(CoreCluster& c) { REQUIRE(c.violations() == std::vector<std::string>()); }

// Waits for the answer.
inline absl::Status Await(CoreCluster& c, uint64_t change, absl::Duration at_most = absl::Seconds(40)) {
  if (!c.RunUntil([&] { return c.ChangeResult(change).has_value(); }, at_most)) return absl::UnknownError("no answer");
  return *c.ChangeResult(change);
}

inline void Settle(CoreCluster& c) {
  REQUIRE(c.RunUntil([&] { return c.Settled(); }, absl::Seconds(15)));
}

struct Grown : CoreCluster {
  explicit Grown(ClusterOptions options) : CoreCluster(std::move(options)) {
    StartAll();
    Settle(*this);
  }
  absl::Status Ask(const VoterChange& change) { return Await(*this, Change(Leader(), change)); }
  // Another node leads, than which ever does now.
  int Other() { return Leader() == 1 ? 2 : 1; }
};

inline ClusterOptions Options(int voters, int spares) {
  ClusterOptions o;
  o.voters = voters;
  o.spares = spares;
  return o;
}

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_GROWN_CLUSTER_H_
