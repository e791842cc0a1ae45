// One voter of the benchmark, as a process of its own: QuorumNode over gRPC with files and fsync, as a host
// would embed it. It tells its parent on standard output, one line each, with CLOCK_MONOTONIC nanoseconds,
// which all processes of a machine share:
//
//   ready <ns>                       joined, and a linearizable read has succeeded
//   leader <epoch> <id> <ns>         learned who leads
//   acked <epoch> <ns>               became the leader, and its first write is acknowledged
#ifndef QUORATE_BENCH_ELECTION_MEMBER_H_
#define QUORATE_BENCH_ELECTION_MEMBER_H_

#include <string>
#include <vector>

#include "quorate/types.h"

namespace quorate::bench {

struct MemberOptions {
  ClusterId cluster_id;
  ReplicaKey self;
  std::vector<Voter> voters;
  std::string directory;
  bool log = false;  // events to standard error
};

// Runs until standard input ends. Returns the exit code.
int RunMember(const MemberOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_MEMBER_H_
