#include "support/samples.h"

#include <algorithm>
#include <cmath>

namespace quorate::bench {

double Percentile(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

std::vector<double> Sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<std::pair<double, double>> Cdf(const Samples& samples) {
  const std::vector<double> sorted = Sorted(samples.milliseconds);
  std::vector<std::pair<double, double>> points;
  for (size_t i = 0; i < sorted.size(); ++i) {
    points.emplace_back(sorted[i], static_cast<double>(i + 1) / static_cast<double>(sorted.size()));
  }
  return points;
}

}  // namespace quorate::bench
