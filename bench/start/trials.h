// One start, timed: from the moment before the first process is made to what is waited for.
//
// One thread: a child process is bound to the thread that started it.
#ifndef QUORATE_BENCH_START_TRIALS_H_
#define QUORATE_BENCH_START_TRIALS_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "host/cluster.h"

namespace quorate::bench {

// Starts all nodes, none of which runs, and returns when a write is acknowledged.
absl::StatusOr<absl::Duration> StartToFirstWrite(Cluster& cluster);

// Fills the cluster through its leader: so many writes over so many registers of 100 bytes.
absl::Status Fill(Cluster& cluster, uint64_t entries, int64_t keys);

// Starts a node with an empty disk; returns when it has applied what was committed when it was started.
absl::StatusOr<absl::Duration> EmptyNodeCatchesUp(Cluster& cluster);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_START_TRIALS_H_
