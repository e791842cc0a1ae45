#include "scenarios/script.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace quorate::scenarios {
namespace {

constexpr absl::string_view kDashes = "----";

bool IsComment(absl::string_view line) { return line.empty() || line.front() == '#'; }

}  // namespace

absl::StatusOr<Script> Script::Parse(absl::string_view text) {
  Script script;
  Block block;
  bool in_output = false;
  int number = 0;
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", why));
  };
  for (const absl::string_view raw : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    ++number;
    const std::string line(absl::StripTrailingAsciiWhitespace(raw));
    if (in_output) {
      if (line == kDashes) return refuse("a second line of dashes; an empty line must end the output before it");
      if (!line.empty()) {
        block.output.push_back(line);
        continue;
      }
      in_output = false;
      script.blocks_.push_back(std::move(block));
      block = Block();
      block.comments.push_back(line);
    } else if (line == kDashes) {
      if (block.commands.empty()) return refuse("dashes without a command before them");
      in_output = true;
      block.output_line = number + 1;
    } else if (IsComment(line)) {
      if (!block.commands.empty()) return refuse("a command must be followed by more commands or a line of dashes");
      block.comments.push_back(line);
    } else {
      if (line.front() == ' ') return refuse("a command begins in the first column");
      block.commands.push_back({number, line});
    }
  }
  if (in_output) {
    script.blocks_.push_back(std::move(block));
    block = Block();
  }
  if (!block.commands.empty()) return refuse("the last command has no line of dashes behind it");
  if (script.blocks_.empty()) return refuse("there is no command");
  while (!block.comments.empty() && block.comments.back().empty()) block.comments.pop_back();
  script.trailer_ = std::move(block.comments);
  return script;
}

std::string Script::Header() const {
  std::vector<std::string> lines;
  for (const std::string& line : blocks_.front().comments) {
    if (line.empty()) break;
    lines.push_back(line);
  }
  return absl::StrJoin(lines, "\n");
}

std::string Script::WithOutputs(const std::vector<std::vector<std::string>>& outputs) const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    lines.insert(lines.end(), block.comments.begin(), block.comments.end());
    for (const Command& command : block.commands) lines.push_back(command.text);
    lines.emplace_back(kDashes);
    lines.insert(lines.end(), outputs.at(i).begin(), outputs.at(i).end());
  }
  lines.insert(lines.end(), trailer_.begin(), trailer_.end());
  return absl::StrJoin(lines, "\n") + "\n";
}

std::string Diff(const std::vector<std::string>& expected, const std::vector<std::string>& got) {
  // common[i][j]: the longest common subsequence of what follows line i of one and line j of the other.
  std::vector<std::vector<int>> common(expected.size() + 1, std::vector<int>(got.size() + 1, 0));
  for (size_t i = expected.size(); i-- > 0;) {
    for (size_t j = got.size(); j-- > 0;) {
      common[i][j] = expected[i] == got[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  std::string out;
  size_t i = 0;
  size_t j = 0;
  while (i < expected.size() || j < got.size()) {
    if (i < expected.size() && j < got.size() && expected[i] == got[j]) {
      absl::StrAppend(&out, "   ", expected[i], "\n");
      ++i;
      ++j;
    } else if (j == got.size() || (i < expected.size() && common[i + 1][j] >= common[i][j + 1])) {
      absl::StrAppend(&out, " - ", expected[i++], "\n");
    } else {
      absl::StrAppend(&out, " + ", got[j++], "\n");
    }
  }
  return out;
}

}  // namespace quorate::scenarios
