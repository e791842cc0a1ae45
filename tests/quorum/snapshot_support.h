// What tests of snapshots on whole nodes have in common.
#ifndef QUORATE_TESTS_QUORUM_SNAPSHOT_SUPPORT_H_
#define QUORATE_TESTS_QUORUM_SNAPSHOT_SUPPORT_H_

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {

inline void SnapshotEvery(QuorumCluster& cluster, uint64_t bytes, absl::Duration interval = absl::ZeroDuration()) {
  cluster.adjust = [=](QuorumOptions& options) {
    options.snapshots.log_bytes = bytes;
    options.snapshots.interval = interval;
  };
}

inline LogPosition SnapshotOf(QuorumCluster& cluster, int id) { return cluster.At(id).node->Describe().snapshot; }
inline Offset LogStartOf(QuorumCluster& cluster, int id) { return cluster.At(id).node->Describe().log_start; }

// Proposes `count` ones, one after the other.
inline void ProposeOnes(QuorumCluster& cluster, int id, int count) {
  for (int i = 0; i < count; ++i) {
    const absl::StatusOr<Proposed> proposed = cluster.Propose(id, {"1"});
    INFO(proposed.status());
    REQUIRE(proposed.ok());
  }
}

inline std::vector<std::string> SnapshotFiles(QuorumCluster& cluster, int id) {
  absl::StatusOr<std::vector<std::string>> names = cluster.At(id).files.List("/data");
  REQUIRE(names.ok());
  std::vector<std::string> files;
  for (const std::string& name : *names) {
    // A node that was formatted with voters also keeps a checkpoint of its log.
    if (absl::EndsWith(name, ".checkpoint") && name.size() > 30) files.push_back("/data/" + name);
  }
  return files;
}

}  // namespace quorate::quorum

#endif  // QUORATE_TESTS_QUORUM_SNAPSHOT_SUPPORT_H_
