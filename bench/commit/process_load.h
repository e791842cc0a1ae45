// The load of callers in a node's own process.
//
// Closed loops in two forms: threads that wait, as most programs call a library (each call then wakes a thread); or a
// few threads that never wait for one call, with as many calls under way as there are callers. Open loops never wait.
#ifndef QUORATE_BENCH_COMMIT_PROCESS_LOAD_H_
#define QUORATE_BENCH_COMMIT_PROCESS_LOAD_H_

#include "load.h"
#include "quorate/quorum_node.h"

namespace quorate::bench {

// Blocks until every call has its answer.
LoadResult RunProcessLoad(const LoadSpec& spec, QuorumNode* node);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_PROCESS_LOAD_H_
