// A few hundred or thousand trials, each of which is kept: order statistics, never a mean, since one slow election in
// a hundred is what people remember.
#ifndef QUORATE_BENCH_SUPPORT_SAMPLES_H_
#define QUORATE_BENCH_SUPPORT_SAMPLES_H_

#include <string>
#include <utility>
#include <vector>

namespace quorate::bench {

struct Samples {
  std::string name;
  std::vector<double> milliseconds;  // in the order of the trials
};

// The nearest-rank percentile; p in [0, 100]. `sorted` is ascending. 0 when it is empty.
double Percentile(const std::vector<double>& sorted, double p);
std::vector<double> Sorted(std::vector<double> values);
// The distribution as (milliseconds, share of all up to there), for a chart.
std::vector<std::pair<double, double>> Cdf(const Samples& samples);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SUPPORT_SAMPLES_H_
