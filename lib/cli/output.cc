#include "cli/output.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/checks.h"

namespace quorate::cli {

void AddOutputOption(CLI::App* command, OutputFormat* format) {
  AddChoice<OutputFormat>(command, "--output", format, {{"human", OutputFormat::kHuman}, {"json", OutputFormat::kJson}},
                          "How to print the result: human (as Kafka's tool does) or json")
      ->type_name("FORMAT");
}

void PrintTable(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&line, row[i], std::string(widths[i] - row[i].size(), ' '), "\t");
    }
    out << absl::StripTrailingAsciiWhitespace(line) << '\n';
  }
}

std::string JoinIds(const std::vector<NodeId>& ids) {
  return absl::StrJoin(ids, ",", [](std::string* out, NodeId id) { absl::StrAppend(out, id.value()); });
}

int64_t UnixMillis(absl::Time time) {
  return time == absl::InfinitePast() || time == absl::InfiniteFuture() ? -1 : absl::ToUnixMillis(time);
}

}  // namespace quorate::cli
