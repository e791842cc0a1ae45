// The two forms in which a report is printed: for people, exactly as Kafka's tool prints it, and as one JSON
// document, for programs. Both are made from the same values by the same function of a subcommand, so that neither
// form can know more than the other.
#ifndef QUORATE_CLI_OUTPUT_H_
#define QUORATE_CLI_OUTPUT_H_

#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "quorate/types.h"

namespace CLI {
class App;
}  // namespace CLI

namespace quorate::cli {

enum class OutputFormat { kHuman, kJson };

// Adds --output human|json to a command that reports something.
void AddOutputOption(CLI::App* command, OutputFormat* format);

// Kafka's table: columns padded to their widest cell and separated by tabs, trailing blanks cut.
void PrintTable(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

// "1,2,3"
std::string JoinIds(const std::vector<NodeId>& ids);

// Milliseconds since 1970; -1, as Kafka writes it, for a time that never came.
int64_t UnixMillis(absl::Time time);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_OUTPUT_H_
