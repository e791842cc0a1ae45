#include "support/results.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "support/machine.h"
#include "support/svg.h"

namespace quorate::bench {
namespace {

constexpr std::pair<const char*, double> kColumns[] = {
    {"min", 0}, {"median", 50}, {"p90", 90}, {"p99", 99}, {"max", 100}};

std::string TableText(const Table& table) {
  std::vector<size_t> widths;
  for (const std::string& column : table.columns) widths.push_back(column.size());
  for (const auto& row : table.rows) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], CellText(row[i]).size());
    }
  }
  std::string text = absl::StrCat(table.caption, "\n");
  const auto add_row = [&](const auto& cell_of) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = cell_of(i);
      const std::string blanks(widths[i] - std::min(widths[i], cell.size()), ' ');
      absl::StrAppend(&text, i == 0 ? "" : "  ", i == 0 ? cell : blanks, i == 0 ? blanks : cell);
    }
    text += "\n";
  };
  add_row([&](size_t i) { return table.columns[i]; });
  for (const auto& row : table.rows) {
    add_row([&](size_t i) { return i < row.size() ? CellText(row[i]) : std::string(); });
  }
  return text;
}

absl::Status WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.flush();
  if (out.good()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("can't write ", path.string(), ": is there room, may this user write there?"));
}

}  // namespace

std::string CellText(const nlohmann::json& cell) {
  if (cell.is_null()) return "-";
  if (cell.is_string()) return cell.get<std::string>();
  if (cell.is_number_integer()) return absl::StrCat(cell.get<int64_t>());
  const double value = cell.get<double>();
  const double size = std::abs(value);
  return absl::StrFormat(size >= 1000 ? "%.0f" : size >= 100 ? "%.1f" : size >= 10 ? "%.2f" : "%.3f", value);
}

void AddSamples(Results& results, const std::string& prefix, const std::string& caption,
                const std::vector<Samples>& samples) {
  Table table{prefix, caption, {"milliseconds", "trials"}, {}};
  Chart chart{prefix, caption, "milliseconds", "share of the trials", true, false, true, {}};
  for (const auto& [column, p] : kColumns) table.columns.push_back(column);
  for (const Samples& one : samples) {
    const std::vector<double> sorted = Sorted(one.milliseconds);
    std::vector<nlohmann::json> row = {one.name, sorted.size()};
    for (const auto& [column, p] : kColumns) {
      row.push_back(sorted.empty() ? nlohmann::json() : nlohmann::json(Percentile(sorted, p)));
      if (sorted.empty()) continue;
      const std::string figure =
          absl::StrCat(prefix, ".", absl::StrReplaceAll(one.name, {{" ", "_"}}), ".", column, "_ms");
      results.figures[figure] = Percentile(sorted, p);
    }
    table.rows.push_back(std::move(row));
    chart.lines.push_back({one.name, Cdf(one)});
  }
  results.tables.push_back(std::move(table));
  results.charts.push_back(std::move(chart));
}

std::string CommandLine(int argc, const char* const* argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" '\"\\$&|;<>()*?") == std::string::npos;
    absl::StrAppend(&line, i == 0 ? "" : " ",
                    plain ? word : absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'"));
  }
  return line;
}

nlohmann::json ToJson(const Results& results) {
  nlohmann::json tables = nlohmann::json::array();
  for (const Table& table : results.tables) {
    tables.push_back(
        {{"name", table.name}, {"caption", table.caption}, {"columns", table.columns}, {"rows", table.rows}});
  }
  nlohmann::json charts = nlohmann::json::array();
  for (const Chart& chart : results.charts) charts.push_back(ChartToJson(chart));
  return {{"benchmark", results.benchmark},
          {"title", results.title},
          {"command", results.command},
          {"when", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone())},
          {"version", QUORATE_VERSION},
          {"machine", DescribeMachine()},
          {"figures", results.figures},
          {"tables", std::move(tables)},
          {"charts", std::move(charts)},
          {"notes", results.notes}};
}

std::string ToText(const Results& results) {
  std::string text;
  for (const Table& table : results.tables) absl::StrAppend(&text, text.empty() ? "" : "\n", TableText(table));
  for (const std::string& note : results.notes) absl::StrAppend(&text, "note: ", note, "\n");
  return text;
}

std::string ToMarkdown(const Table& table) {
  std::string text = "|";
  for (const std::string& column : table.columns) absl::StrAppend(&text, " ", column, " |");
  text += "\n|";
  for (size_t i = 0; i < table.columns.size(); ++i) text += i == 0 ? "---|" : "---:|";
  for (const auto& row : table.rows) {
    text += "\n|";
    for (const nlohmann::json& cell : row) absl::StrAppend(&text, " ", CellText(cell), " |");
  }
  return text + "\n";
}

absl::Status Publish(const Results& results, const std::string& folder) {
  std::printf("%s", ToText(results).c_str());
  std::fflush(stdout);
  if (folder.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const std::filesystem::path base = std::filesystem::path(folder) / results.benchmark;
  for (const Chart& chart : results.charts) {
    absl::Status status = WriteFile(absl::StrCat(base.string(), "-", chart.name, ".svg"), ChartToSvg(chart));
    if (!status.ok()) return status;
  }
  return WriteFile(absl::StrCat(base.string(), ".json"), ToJson(results).dump(1) + "\n");
}

}  // namespace quorate::bench
