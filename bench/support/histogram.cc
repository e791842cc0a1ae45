#include "support/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace quorate::bench {
namespace {

constexpr int kBitsPerPower = 7;
constexpr int64_t kPerPower = int64_t{1} << kBitsPerPower;
constexpr int64_t kMost = int64_t{1} << 40;

// Below 2 * kPerPower each nanosecond has a bucket; above, each power of two has kPerPower of them.
size_t BucketOf(int64_t value) {
  if (value < 2 * kPerPower) return static_cast<size_t>(value);
  const int shift = std::bit_width(static_cast<uint64_t>(value)) - 1 - kBitsPerPower;
  return static_cast<size_t>(shift * kPerPower + (value >> shift));
}

// The largest value of a bucket: a percentile is never reported better than it was.
int64_t HighestOf(size_t bucket) {
  const auto index = static_cast<int64_t>(bucket);
  if (index < 2 * kPerPower) return index;
  const int64_t shift = index / kPerPower - 1;
  return ((index - shift * kPerPower + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(BucketOf(kMost) + 1, 0) {}

void Histogram::Record(int64_t nanoseconds) {
  const int64_t value = std::clamp<int64_t>(nanoseconds, 0, kMost);
  ++buckets_[BucketOf(value)];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

int64_t Histogram::Percentile(double p) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<uint64_t>(std::ceil(p / 100 * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= std::max<uint64_t>(rank, 1)) return std::clamp(HighestOf(i), min_, max_);
  }
  return max_;
}

std::vector<std::pair<double, double>> Histogram::Cdf() const {
  std::vector<std::pair<double, double>> points;
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i] == 0) continue;
    seen += buckets_[i];
    points.emplace_back(static_cast<double>(std::min(HighestOf(i), max_)) / 1e6,
                        static_cast<double>(seen) / static_cast<double>(count_));
  }
  return points;
}

}  // namespace quorate::bench
