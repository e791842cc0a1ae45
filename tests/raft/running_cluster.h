// A CoreCluster that has started and has a leader whom everybody follows: where the tests about changing leaders begin.
#ifndef QUORATE_TESTS_RAFT_RUNNING_CLUSTER_H_
#define QUORATE_TESTS_RAFT_RUNNING_CLUSTER_H_

#include <utility>

#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {

struct RunningCluster : CoreCluster {
  explicit RunningCluster(ClusterOptions options = {}) : CoreCluster(std::move(options)) {
    StartAll();
    REQUIRE(RunUntil([&] { return Settled(); }, absl::Seconds(15)));
  }
  // The n-th node, from 0, that doesn't lead.
  int Follower(int nth = 0) {
    for (int id = 1;; ++id) {
      if (id != Leader() && nth-- == 0) return id;
    }
  }
};

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_RUNNING_CLUSTER_H_
