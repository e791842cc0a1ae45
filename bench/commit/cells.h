// One cell of the table: a fresh cluster of three processes, one load, and what it took.
//
// One thread: a child process is bound to the thread that started it.
#ifndef QUORATE_BENCH_COMMIT_CELLS_H_
#define QUORATE_BENCH_COMMIT_CELLS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "host/cluster.h"
#include "load.h"

namespace quorate::bench {

// How calls reach the quorum.
enum class Path {
  kInProcess,       // threads of the leader's process that wait
  kInProcessAsync,  // threads of the leader's process that don't
  kEngine,          // clients of the leader over the plain socket
  kGrpcUnary,       // clients of the leader over gRPC, a unary call each
  kGrpcStream,      // clients of the leader over gRPC, on one stream
  kGrpcEcho,        // as kGrpcUnary, but answered at once: what gRPC alone allows and costs
  kForward,         // the same with a follower, which passes the calls on
  kReadLeader,      // as kEngine, linearizable reads
  kReadFollower,    // linearizable reads through a follower
};
absl::StatusOr<Path> ParsePath(absl::string_view name);
absl::string_view ToString(Path path);

struct Settings {
  std::string program;    // our own path: it is started again as each node
  std::string directory;  // where data goes
  std::vector<std::string> node_flags;
};

struct Cell {
  Path path = Path::kEngine;
  LoadSpec load;
};

struct Measured {
  LoadResult load;
  double cpu_ms_per_1000 = 0;        // of all nodes
  double disk_bytes_per_commit = 0;  // of all nodes
  double rss_mib = 0;                // of all nodes, at the end
};

// An error: the cluster didn't come up, or the load failed. A leader that changed meanwhile makes the cell run again.
absl::StatusOr<Measured> RunCell(const Settings& settings, const Cell& cell);

// A new cluster with everything started and a leader that acknowledged a write.
struct RunningCluster {
  std::unique_ptr<Cluster> cluster;
  int leader = 0;
  [[nodiscard]] int follower() const { return leader % cluster->nodes() + 1; }
};
absl::StatusOr<RunningCluster> StartCluster(const Settings& settings, const std::vector<std::string>& wrapper = {});

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_CELLS_H_
