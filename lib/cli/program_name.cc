#include "cli/program_name.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace quorate::cli {

namespace {
struct Tool {
  absl::string_view kafka_name;
  absl::string_view subcommand;
};
// cmake/QuorateInstall.cmake makes a link for each; a test compares the two lists.
constexpr Tool kTools[] = {
    {"kafka-metadata-quorum", "metadata-quorum"},
    {"kafka-server-start", "server"},
    {"kafka-storage", "storage"},
    {"kafka-topics", "topics"},
};
}  // namespace

std::optional<std::string> SubcommandForProgramName(absl::string_view argv0) {
  const size_t slash = argv0.rfind('/');
  absl::string_view name = slash == absl::string_view::npos ? argv0 : argv0.substr(slash + 1);
  name = absl::StripSuffix(name, ".sh");
  for (const Tool& tool : kTools) {
    if (name == tool.kafka_name) return std::string(tool.subcommand);
  }
  return std::nullopt;
}

std::vector<std::string> KafkaProgramNames() {
  std::vector<std::string> names;
  for (const Tool& tool : kTools) names.push_back(absl::StrCat(tool.kafka_name, ".sh"));
  return names;
}

}  // namespace quorate::cli
