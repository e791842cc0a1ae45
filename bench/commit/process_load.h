// The load of callers in a node's own process.
//
// Closed loops in two forms: threads that wait, as most programs call a library (each call then wakes a thread); or a
// few threads that never wait for one call, with as many calls under way as there are callers. Open loops never wait.
#ifndef QUORATE_BENCH_COMMIT_PROCESS_LOAD_H_
#define QUORATE_BENCH_COMMIT_PROCESS_LOAD_H_

#include <functional>

#include "absl/status/status.h"
#include "load.h"
#include "quorate/quorum_node.h"

namespace quorate::bench {

inline constexpr absl::Duration kCallTimeout = absl::Seconds(2);

using CallDone = std::function<void(absl::Status)>;
// Makes one call; `done` runs once, on any thread, or at once. The command is valid during the call.
using Caller = std::function<void(const host::Command&, CallDone)>;

// Few threads that never wait for one call, whatever a call is. Blocks until every call has its answer.
LoadResult RunAsyncLoad(const LoadSpec& spec, const Caller& caller);

// Blocks until every call has its answer.
LoadResult RunProcessLoad(const LoadSpec& spec, QuorumNode* node);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_PROCESS_LOAD_H_
