// Turns what failovers measured into figures, tables and charts.
#ifndef QUORATE_BENCH_ELECTION_REPORT_H_
#define QUORATE_BENCH_ELECTION_REPORT_H_

#include <string>
#include <vector>

#include "failover.h"
#include "support/results.h"

namespace quorate::bench {

// One work that was done, and how: a row of the summary.
struct Scenario {
  Fault fault = Fault::kKill;
  std::string timeouts;
  int voters = 3;
  int load = 0;
  FailoverResult result;
};

// Figures "election.<fault>.<timeouts>[.voters_N][.load_N].<phase>_<median|p90|p99|max>_ms" (three voters and no load
// are not named), a summary of all, a table of phases and a chart for each, and one chart of all first writes.
void AddScenarios(const std::vector<Scenario>& scenarios, Results* results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_REPORT_H_
