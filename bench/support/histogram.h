// How long each of millions of calls took, in 30 KiB: a log-linear histogram.
//
// Every power of two is cut into 128 equal buckets, so a percentile is off by less than 0.8 %, whatever the range.
// Why not keep each sample: a benchmark that fills memory while it runs measures its own page faults. Where there
// are few samples (elections), keep them: bench/support/samples.h.
//
// Not thread-safe: one for each thread, merged afterwards.
#ifndef QUORATE_BENCH_SUPPORT_HISTOGRAM_H_
#define QUORATE_BENCH_SUPPORT_HISTOGRAM_H_

#include <cstdint>
#include <utility>
#include <vector>

namespace quorate::bench {

class Histogram {
 public:
  Histogram();

  // Negative values count as 0, those above 2^40 ns (18 minutes) as that.
  void Record(int64_t nanoseconds);
  void Merge(const Histogram& other);

  [[nodiscard]] uint64_t count() const { return count_; }
  // 0 when nothing was recorded.
  [[nodiscard]] int64_t min() const { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] int64_t max() const { return max_; }
  // The nearest-rank percentile; p in [0, 100]. 0 when nothing was recorded.
  [[nodiscard]] int64_t Percentile(double p) const;
  // The distribution as (milliseconds, share of all up to there), ascending, for a chart.
  [[nodiscard]] std::vector<std::pair<double, double>> Cdf() const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = 0;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SUPPORT_HISTOGRAM_H_
