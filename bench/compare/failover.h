// How long until a write is acknowledged again: after the leader was killed or paused, after it was asked to hand over,
// after three nodes were started.
//
// One prober for all systems. It writes to the nodes that should take over: the next attempt on a node follows its
// refusal, at most every quarter of a millisecond; a node that says nothing gets another attempt every five, since
// etcd's followers forward to a leader that is gone and never tell. So the answer is late by a quarter of a
// millisecond at most, and the load is the same for all.
#ifndef QUORATE_BENCH_COMPARE_FAILOVER_H_
#define QUORATE_BENCH_COMPARE_FAILOVER_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/system.h"

namespace quorate::compare {

enum class Fault { kKill, kPause };

// `name` makes the keys of the probes new ones. What the writes begin with is `disturb`, and the time counts from its
// call. nullopt-like: DeadlineExceeded after `limit`.
absl::StatusOr<absl::Duration> TimeToFirstWrite(PutClient& client, const std::string& name, absl::Duration limit,
                                                absl::FunctionRef<absl::Status()> disturb);

// One trial on a whole cluster, which is whole again afterwards.
absl::StatusOr<absl::Duration> RunFailover(System& system, Fault fault, const std::string& name);

struct TransferResult {
  absl::Duration first_write;
  absl::Duration call;  // until it returned
};
absl::StatusOr<TransferResult> RunTransfer(System& system, const std::string& name);

// Starts all three.
absl::StatusOr<absl::Duration> RunStart(System& system, const std::string& name);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_FAILOVER_H_
