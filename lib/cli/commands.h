// Every subcommand of the program. Each adds itself to the command line; when it was chosen it runs during
// parsing and leaves its exit code in the context, which outlives `app`.
//
// One file per subcommand implements one of these. Adding a tool of Kafka's is: a function here, a file, a
// line in program.cc, and its name in program_name.cc.
#ifndef QUORATE_CLI_COMMANDS_H_
#define QUORATE_CLI_COMMANDS_H_

#include "cli/context.h"

namespace CLI {
class App;
}  // namespace CLI

namespace quorate::cli {

void AddServerCommand(CLI::App* app, Context* context);          // server_command.cc
void AddStorageCommand(CLI::App* app, Context* context);         // storage_command.cc
void AddMetadataQuorumCommand(CLI::App* app, Context* context);  // metadata_quorum_command.cc
void AddTopicsCommand(CLI::App* app, Context* context);          // topics_command.cc

}  // namespace quorate::cli

#endif  // QUORATE_CLI_COMMANDS_H_
