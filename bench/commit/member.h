// A node of the benchmark: a register host that also runs loads of its own when it is told so over the clients' port,
// for the figures of callers in the leader's process.
#ifndef QUORATE_BENCH_COMMIT_MEMBER_H_
#define QUORATE_BENCH_COMMIT_MEMBER_H_

#include "absl/status/statusor.h"
#include "load.h"

namespace quorate::bench {

// The process as a node, with the flags of register_host. Returns its exit code.
int RunMember(int argc, char** argv);

// Tells the member whose clients' port this is to run the load, and waits for what comes of it.
absl::StatusOr<LoadResult> RunLoadInMember(const LoadSpec& spec, int port);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_MEMBER_H_
