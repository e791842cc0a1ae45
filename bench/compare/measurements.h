// What was measured of one contender, over all rounds.
#ifndef QUORATE_BENCH_COMPARE_MEASUREMENTS_H_
#define QUORATE_BENCH_COMPARE_MEASUREMENTS_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compare/closed_loop.h"
#include "support/samples.h"

namespace quorate::compare {

// How much work a run does.
struct Plan {
  int rounds = 5;
  double seconds = 10;   // of each commit cell, each round
  int connections = 16;  // at most, of one client program
  int kills = 10;        // each round, for each setting of the timeouts; likewise the next two
  int pauses = 5;
  int transfers = 20;           // default timeouts only
  int64_t entries = 1'000'000;  // before memory is looked at and all three are restarted; once
  int64_t keys = 100'000;
  int restarts = 3;
  std::vector<CommitCell> cells = {{1, 100}, {256, 100}, {1000, 100}, {1, 1024}, {256, 1024}, {1000, 1024}};
};
Plan QuickPlan();

struct Measurements {
  // By "kill.default", "kill.tuned", "pause.default", "pause.tuned".
  std::map<std::string, std::vector<double>> failovers_ms;
  std::vector<double> transfer_first_write_ms;
  std::vector<double> transfer_call_ms;
  std::vector<double> start_ms;
  std::vector<double> restart_ms;
  std::optional<double> rss_mib;                           // of the three nodes together
  std::map<std::pair<int, size_t>, CommitResult> commits;  // by callers and bytes
  std::vector<std::string> failures;                       // what went wrong, one sentence each
};

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_MEASUREMENTS_H_
