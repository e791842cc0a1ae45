// The real thing: voters as processes, the leader killed with SIGKILL again and again.
#ifndef QUORATE_BENCH_ELECTION_PROCESSES_H_
#define QUORATE_BENCH_ELECTION_PROCESSES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "statistics.h"

namespace quorate::bench {

struct ProcessRunOptions {
  std::string program;    // our own path: it is started again as each member
  std::string directory;  // data directories go here; created, and removed again if it was not there
  int voters = 3;
  int kills = 50;
  bool log = false;  // members log their events to standard error, and so does each kill
};

// Every process that it starts is stopped when it returns, however it returns. Progress goes to standard error.
absl::StatusOr<std::vector<Series>> RunProcesses(const ProcessRunOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_PROCESSES_H_
