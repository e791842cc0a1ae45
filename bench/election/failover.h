// The real thing: voters as processes, with files, fsync and gRPC; their leader is taken away in one of six ways, again
// and again, and what the others say tells where the time went.
#ifndef QUORATE_BENCH_ELECTION_FAILOVER_H_
#define QUORATE_BENCH_ELECTION_FAILOVER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cluster.h"
#include "support/samples.h"

namespace quorate::bench {

enum class Fault {
  kKill,       // SIGKILL
  kHang,       // SIGSTOP: connections stand, nobody answers
  kCut,        // nothing goes in or out
  kDiskStall,  // its writes stand still
  kStop,       // shut down in order
  kTransfer,   // hands leadership over on request, and stays
};
const char* NameOf(Fault fault);

struct FailoverOptions {
  ClusterOptions cluster;
  Fault fault = Fault::kKill;
  int trials = 50;
  // Between the recovery from one trial and the next: half to one and a half of it. A leader that was just elected has
  // no rhythm yet, and its followers wait longer than for one they know (raft/silence.h).
  absl::Duration settle = absl::Seconds(1);
};

// Milliseconds from the fault, one sample for each trial.
struct FailoverResult {
  Samples noticed{"noticed", {}};              // the first voter gives the leader up
  Samples pre_vote_won{"pre-vote won", {}};    // the winner asks for votes
  Samples vote_won{"vote won", {}};            // it leads
  Samples known_to_all{"known to all", {}};    // the last member in reach was told who leads
  Samples first_write{"first write", {}};      // acknowledged by the new leader
  Samples published{"published", {}};          // and applied by the last member in reach
  Samples call_returned{"call returned", {}};  // transfer only
  Samples silence{"silence in force", {}};     // the shortest that a follower would have borne, when the fault began
  // First write after so many times that silence.
  std::vector<double> silences_until_write;
  int unexpected = 0;  // elections between two trials
};

absl::StatusOr<FailoverResult> RunFailovers(const FailoverOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_FAILOVER_H_
