// That the figures weren't bought with safety: the same loads with their history recorded and checked, and with the
// nodes' syncs counted.
#ifndef QUORATE_BENCH_COMMIT_PROOFS_H_
#define QUORATE_BENCH_COMMIT_PROOFS_H_

#include "absl/status/status.h"
#include "cells.h"
#include "support/results.h"

namespace quorate::bench {

// Writers over sockets, gRPC streams and unary calls, to the leader and through a follower, and readers at all three
// nodes, at once: is what they saw linearizable? An error says why not.
absl::Status CheckHistory(const Settings& settings, const LoadSpec& load, Results* results);

// One caller at a time under `strace -c`: each acknowledgement must have cost an fdatasync on a majority of the nodes.
absl::Status CountSyncs(const Settings& settings, const LoadSpec& load, Results* results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_PROOFS_H_
