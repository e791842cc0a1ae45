// What a benchmark found out, in three forms from one description: a table to read, JSON to compare, pictures to look
// at. Each program fills one Results and calls Publish; bench/report makes a page of a folder of them.
//
// The JSON of one run ("<name>.json"):
//
//   {"benchmark": "commit", "title": …, "command": …, "when": "2026-11-22T04:00:00Z", "version": …,
//    "machine": {"cpu": …, "cores": 2, "memory_mib": …, "kernel": …, "load": 0.1, "fdatasync_us": …},
//    "figures": {"commit.in_process.1.p50_us": 190.2, …},
//    "tables": [{"name": …, "caption": …, "columns": […], "rows": [[…], …]}],
//    "charts": [{"name": …, "title": …, "x": …, "y": …, "log_x": true, "series": [{"name": …, "points": [[x, y],
//    …]}]}], "notes": […]}
//
// A figure's name ends with its unit (_us, _ms, _per_s, _bytes, _mib, or none for a plain count): other programs
// (bench/compare, the guard) look figures up by name and never parse tables.
#ifndef QUORATE_BENCH_SUPPORT_RESULTS_H_
#define QUORATE_BENCH_SUPPORT_RESULTS_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "support/histogram.h"
#include "support/samples.h"

namespace quorate::bench {

struct Table {
  std::string name;  // of a file: lower case, without blanks
  std::string caption;
  std::vector<std::string> columns;               // the first names the rows
  std::vector<std::vector<nlohmann::json>> rows;  // strings, numbers, or null for "not measured"
};

struct Chart {
  struct Line {
    std::string name;
    std::vector<std::pair<double, double>> points;  // ascending x
  };
  std::string name;  // of a file: lower case, without blanks
  std::string title;
  std::string x;  // what the axes show, with units
  std::string y;
  bool log_x = false;
  bool log_y = false;
  bool steps = false;  // a distribution function: draw steps, y from 0 to 1
  std::vector<Line> lines;
};

struct Results {
  std::string benchmark;  // the program's name
  std::string title;
  std::string command;  // how to run it again
  std::map<std::string, double> figures;
  std::vector<Table> tables;
  std::vector<Chart> charts;
  std::vector<std::string> notes;  // what a reader must know to read the figures right
};

// A table with min, median, p90, p99 and max of each, a chart with a distribution function of each, and the figures
// "<prefix>.<name>.median_ms" and so on, with blanks of the name turned into "_".
void AddSamples(Results& results, const std::string& prefix, const std::string& caption,
                const std::vector<Samples>& samples);

// The command line of this process, shell-quoted.
std::string CommandLine(int argc, const char* const* argv);

nlohmann::json ToJson(const Results& results);
// The tables as text with aligned columns, for a terminal.
std::string ToText(const Results& results);
std::string ToMarkdown(const Table& table);
// What all tables show of a cell: a number has four figures, which are enough for anything measured here; counts stay
// whole; null is a dash.
std::string CellText(const nlohmann::json& cell);

// Prints the tables and notes to standard output; writes <folder>/<benchmark>.json and <folder>/<benchmark>-<chart>.svg
// unless `folder` is empty (it is created). The machine is described at the moment of the call.
absl::Status Publish(const Results& results, const std::string& folder);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_SUPPORT_RESULTS_H_
