// What a series of trials says: order statistics, never a mean, since one slow election in a hundred is what
// people remember.
#ifndef QUORATE_BENCH_ELECTION_STATISTICS_H_
#define QUORATE_BENCH_ELECTION_STATISTICS_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace quorate::bench {

struct Series {
  std::string name;
  std::vector<double> milliseconds;
};

// The nearest-rank percentile; p in [0, 100]. `sorted` is ascending and not empty.
double Percentile(const std::vector<double>& sorted, double p);

// A table with min, median, p90, p99 and max of each series.
std::string Table(const std::vector<Series>& series);

// The same figures and every sample.
nlohmann::json ToJson(const std::vector<Series>& series);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_STATISTICS_H_
