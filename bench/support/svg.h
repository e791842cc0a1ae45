// Charts as SVG: lines or distribution functions over a linear or logarithmic axis, readable in a browser, in a page
// of bench/report and on a code host, light or dark. Why not a plotting program: these pictures are made where the
// benchmark runs, and nothing else should have to be installed there.
#ifndef QUORATE_BENCH_SUPPORT_SVG_H_
#define QUORATE_BENCH_SUPPORT_SVG_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "support/results.h"

namespace quorate::bench {

nlohmann::json ChartToJson(const Chart& chart);
absl::StatusOr<Chart> ChartFromJson(const nlohmann::json& json);

// A whole SVG document, 760 x 420. A line with more than 400 points is thinned; a chart without points says so.
std::string ChartToSvg(const Chart& chart);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SUPPORT_SVG_H_
