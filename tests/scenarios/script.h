// A scenario file: comments, commands, and behind each group of commands what they are expected to print.
//
//   # A restarted leader doesn't lead its epoch again (M-02).
//   nodes 3
//   start
//   ----
//   ok
//
//   elect 1
//   ----
//     1 Leader of e1
//
// The shape is that of the data-driven tests of CockroachDB and etcd: commands, a line of four dashes, the output up to
// the next empty line. Expected output sits beside its command and not in a second file, so that a change of the
// protocol shows in review as a diff that reads like the story it tells.
//
// This class knows lines, and nothing of what the commands mean (interpreter.h does). Immutable value.
#ifndef QUORATE_TESTS_SCENARIOS_SCRIPT_H_
#define QUORATE_TESTS_SCENARIOS_SCRIPT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quorate::scenarios {

struct Command {
  int line = 0;  // in the file, from 1
  std::string text;
};

// Commands that are run one after the other, and what they print together.
struct Block {
  std::vector<std::string> comments;  // the lines before it, also empty ones
  std::vector<Command> commands;
  int output_line = 0;  // where the expected output begins
  std::vector<std::string> output;
};

class Script {
 public:
  // Refuses, with the line number, what isn't in that shape.
  static absl::StatusOr<Script> Parse(absl::string_view text);

  [[nodiscard]] const std::vector<Block>& blocks() const { return blocks_; }
  // The comment that the file begins with: its story.
  [[nodiscard]] std::string Header() const;
  // The same file with these outputs, one for each block.
  [[nodiscard]] std::string WithOutputs(const std::vector<std::vector<std::string>>& outputs) const;

 private:
  std::vector<Block> blocks_;
  std::vector<std::string> trailer_;  // comments behind the last block
};

// What must be changed to get from `expected` to `got`, line by line: "-" is missing, "+" is new.
std::string Diff(const std::vector<std::string>& expected, const std::vector<std::string>& got);

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_SCRIPT_H_
