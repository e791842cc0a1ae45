// Which tool a program is when it is started under one of Kafka's names.
//
// Scripts and fingers know kafka-topics.sh, so a link of that name to `quorate` is `quorate topics`. A link, rather
// than a wrapper script per tool, because it costs no shell, passes signals and arguments through untouched, and
// can't fall out of step with the program.
#ifndef QUORATE_CLI_PROGRAM_NAME_H_
#define QUORATE_CLI_PROGRAM_NAME_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quorate::cli {

// "topics" for ".../kafka-topics.sh" or "kafka-topics"; nullopt for any other name.
std::optional<std::string> SubcommandForProgramName(absl::string_view argv0);

// Kafka's names that are understood, with ".sh": what installing links.
std::vector<std::string> KafkaProgramNames();

}  // namespace quorate::cli

#endif  // QUORATE_CLI_PROGRAM_NAME_H_
