// A folder of results as one page: tables, charts, and under which circumstances they came about.
//
// One file without anything from elsewhere - no scripts, no fonts, no pictures beside it - so that it can be mailed,
// kept with a release, and read in ten years. The charts are drawn anew from the JSON, not copied from the SVG files.
// It follows the reader's choice of light or dark, and on a narrow screen wide tables scroll by themselves.
//
// The page is well-formed XML as well as HTML, so that a test can tell when it is broken.
#ifndef QUORATE_BENCH_REPORT_PAGE_H_
#define QUORATE_BENCH_REPORT_PAGE_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate::bench {

// The results in `folder`, sorted by the benchmark's name. Files that aren't results of ours are passed over; one that
// is and can't be read is an error, and so is a folder without any.
absl::StatusOr<std::vector<nlohmann::json>> ReadResults(const std::string& folder);

// An error when one of them lacks what support/results.h says that it has.
absl::StatusOr<std::string> MakePage(const std::vector<nlohmann::json>& results);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_REPORT_PAGE_H_
