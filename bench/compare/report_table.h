// The measurements of all contenders as one table beside the bars that quorate has set itself, with the figures,
// tables and charts that stand behind it.
#ifndef QUORATE_BENCH_COMPARE_REPORT_TABLE_H_
#define QUORATE_BENCH_COMPARE_REPORT_TABLE_H_

#include <map>
#include <string>
#include <vector>

#include "compare/measurements.h"
#include "compare/system.h"
#include "support/results.h"

namespace quorate::compare {

// Figures of other benchmarks (bench/commit's JSON), by name.
using Figures = std::map<std::string, double>;

// `measured` by the contender's name. A contender without measurements has an empty column.
void Tabulate(const std::vector<Contender>& contenders, const std::map<std::string, Measurements>& measured,
              const Plan& plan, const Figures& others, bench::Results* results);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_REPORT_TABLE_H_
