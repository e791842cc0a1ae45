// One voter of the benchmark, as a process of its own: QuorumNode over gRPC with files and fsync, as a host would embed
// it. Its parent gives commands on standard input, a line each, and reads on standard output what happened when
// (member_trace.h):
//
//   ready       say when a linearizable read succeeds
//   status      epoch, leader, and the silence that this follower would bear
//   write       propose one record, if this node leads
//   cut, heal   the network; stall, unstall: the disk (member_faults.h)
//   transfer    hand leadership to whom it thinks best
//   stop        shut down in order, and end
#ifndef QUORATE_BENCH_ELECTION_MEMBER_H_
#define QUORATE_BENCH_ELECTION_MEMBER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quorate/quorum_types.h"
#include "quorate/types.h"

namespace quorate::bench {

// "default" is quorate's own; "tuned" is what suits a quiet network of one room: everything shorter.
absl::StatusOr<QuorumTimeouts> TimeoutsByName(const std::string& name);

struct MemberOptions {
  ClusterId cluster_id;
  ReplicaKey self;
  std::vector<Voter> voters;
  std::string directory;
  QuorumTimeouts timeouts;
  int load = 0;      // callers that write in a closed loop wherever the leader is, 100 bytes each
  bool log = false;  // events to standard error
};

// Runs until standard input ends, or "stop". Returns the exit code.
int RunMember(const MemberOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_MEMBER_H_
