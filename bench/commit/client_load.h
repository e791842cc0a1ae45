// The load of clients over the plain socket: one thread that waits for all its connections, sends what is to be sent
// with one system call each, and takes answers as they come. Cheap, because on a small machine what the clients use is
// missing to the nodes.
//
// One thread.
#ifndef QUORATE_BENCH_COMMIT_CLIENT_LOAD_H_
#define QUORATE_BENCH_COMMIT_CLIENT_LOAD_H_

#include "absl/status/statusor.h"
#include "load.h"

namespace quorate::bench {

// Runs the load against the node whose clients' port this is. Blocks. An error: not connected, cut off, or no answer
// for ten seconds; refused calls are counted in the result.
absl::StatusOr<LoadResult> RunClientLoad(const LoadSpec& spec, int port);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_CLIENT_LOAD_H_
