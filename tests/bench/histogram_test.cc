// A percentile of the histogram against the same percentile of the sorted samples: never below it, and at most the
// width of a bucket above.
#include "support/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "support/catch.h"
#include "support/samples.h"

namespace quorate::bench {
namespace {

constexpr double kBucketWidth = 1.0 / 128;  // relative

int64_t NearestRank(const std::vector<int64_t>& sorted, double p) {
  const auto rank = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

void CheckAgainstSorted(std::vector<int64_t> samples) {
  Histogram histogram;
  for (const int64_t sample : samples) histogram.Record(sample);
  std::sort(samples.begin(), samples.end());
  REQUIRE(histogram.count() == samples.size());
  CHECK(histogram.min() == samples.front());
  CHECK(histogram.max() == samples.back());
  for (const double p : {0.0, 0.1, 1.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const int64_t exact = NearestRank(samples, p);
    const int64_t told = histogram.Percentile(p);
    INFO("p" << p << ": " << exact << " is told as " << told);
    CHECK(told >= exact);
    CHECK(static_cast<double>(told) <= static_cast<double>(exact) * (1 + kBucketWidth) + 1);
  }
}

TEST_CASE("Percentiles are those of the sorted samples, within a bucket", "[bench]") {
  std::mt19937_64 random(7);
  SECTION("small numbers are exact") {
    std::vector<int64_t> samples;
    for (int64_t i = 0; i < 256; ++i) samples.push_back(i);
    Histogram histogram;
    for (const int64_t sample : samples) histogram.Record(sample);
    CHECK(histogram.Percentile(50) == 127);
    CHECK(histogram.Percentile(99) == 253);
    CheckAgainstSorted(samples);
  }
  SECTION("one sample is all percentiles") {
    Histogram histogram;
    histogram.Record(123'456'789);
    for (const double p : {0.0, 50.0, 100.0}) CHECK(histogram.Percentile(p) == 123'456'789);
  }
  SECTION("many magnitudes") {
    std::uniform_real_distribution<double> exponent(0, 38);
    std::vector<int64_t> samples;
    for (int i = 0; i < 20'000; ++i) samples.push_back(static_cast<int64_t>(std::exp2(exponent(random))));
    CheckAgainstSorted(samples);
  }
  SECTION("a bulk and a tail") {
    std::vector<int64_t> samples(10'000, 200'000);
    for (int i = 0; i < 20; ++i) samples.push_back(50'000'000 + i);
    CheckAgainstSorted(samples);
  }
}

TEST_CASE("What is out of range is counted at its end", "[bench]") {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(INT64_MAX);
  CHECK(histogram.count() == 2);
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == int64_t{1} << 40);
  CHECK(histogram.Percentile(100) == int64_t{1} << 40);
}

TEST_CASE("An empty histogram says nothing", "[bench]") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.Percentile(99) == 0);
  CHECK(histogram.Cdf().empty());
}

TEST_CASE("Merged histograms are the histogram of all", "[bench]") {
  Histogram all, even, odd, nothing;
  for (int64_t i = 1; i <= 5000; ++i) {
    all.Record(i * 1000);
    (i % 2 == 0 ? even : odd).Record(i * 1000);
  }
  even.Merge(odd);
  even.Merge(nothing);
  CHECK(even.count() == all.count());
  CHECK(even.min() == all.min());
  CHECK(even.max() == all.max());
  CHECK(even.Cdf() == all.Cdf());
  nothing.Merge(all);
  CHECK(nothing.Cdf() == all.Cdf());
}

TEST_CASE("A distribution ascends and ends at one", "[bench]") {
  Histogram histogram;
  for (int64_t i = 0; i < 3000; ++i) histogram.Record(i * i);
  const auto cdf = histogram.Cdf();
  REQUIRE(cdf.size() > 2);
  for (size_t i = 1; i < cdf.size(); ++i) {
    CHECK(cdf[i].first > cdf[i - 1].first);
    CHECK(cdf[i].second > cdf[i - 1].second);
  }
  CHECK(cdf.back().second == 1.0);
  CHECK(cdf.back().first == 2999.0 * 2999.0 / 1e6);
}

TEST_CASE("Few samples keep their order and have exact percentiles", "[bench]") {
  const Samples samples{"kill", {5, 1, 4, 2, 3}};
  const std::vector<double> sorted = Sorted(samples.milliseconds);
  CHECK(sorted == std::vector<double>{1, 2, 3, 4, 5});
  CHECK(Percentile(sorted, 0) == 1);
  CHECK(Percentile(sorted, 50) == 3);
  CHECK(Percentile(sorted, 80) == 4);
  CHECK(Percentile(sorted, 81) == 5);
  CHECK(Percentile(sorted, 100) == 5);
  CHECK(Percentile({}, 50) == 0);
  const auto cdf = Cdf(samples);
  REQUIRE(cdf.size() == 5);
  CHECK(cdf.front() == std::make_pair(1.0, 0.2));
  CHECK(cdf.back() == std::make_pair(5.0, 1.0));
}

}  // namespace
}  // namespace quorate::bench
