#include "statistics.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace quorate::bench {
namespace {

constexpr std::pair<const char*, double> kColumns[] = {
    {"min", 0}, {"median", 50}, {"p90", 90}, {"p99", 99}, {"max", 100}};

}  // namespace

double Percentile(const std::vector<double>& sorted, double p) {
  const auto rank = static_cast<size_t>(std::ceil(p / 100 * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

std::string Table(const std::vector<Series>& series) {
  std::string out = absl::StrFormat("%-44s %7s", "milliseconds", "trials");
  for (const auto& [name, p] : kColumns) absl::StrAppendFormat(&out, " %9s", name);
  out += "\n";
  for (const Series& one : series) {
    std::vector<double> sorted = one.milliseconds;
    std::sort(sorted.begin(), sorted.end());
    absl::StrAppendFormat(&out, "%-44s %7d", one.name, sorted.size());
    for (const auto& [name, p] : kColumns) {
      if (sorted.empty()) {
        absl::StrAppendFormat(&out, " %9s", "-");
      } else {
        absl::StrAppendFormat(&out, " %9.3f", Percentile(sorted, p));
      }
    }
    out += "\n";
  }
  return out;
}

nlohmann::json ToJson(const std::vector<Series>& series) {
  nlohmann::json out = nlohmann::json::array();
  for (const Series& one : series) {
    std::vector<double> sorted = one.milliseconds;
    std::sort(sorted.begin(), sorted.end());
    nlohmann::json row = {{"name", one.name}, {"unit", "ms"}, {"trials", sorted.size()}, {"samples", one.milliseconds}};
    if (!sorted.empty()) {
      for (const auto& [name, p] : kColumns) row[name] = Percentile(sorted, p);
    }
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace quorate::bench
