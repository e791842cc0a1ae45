// The whole program as a function: arguments in, text and an exit code out.
#ifndef QUORATE_CLI_PROGRAM_H_
#define QUORATE_CLI_PROGRAM_H_

#include <string>
#include <vector>

#include "cli/context.h"

namespace quorate::cli {

// `args` begins with the name under which the program was started, which may choose the tool
// (program_name.h). Returns the exit code.
int RunProgram(const std::vector<std::string>& args, Context* context);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_PROGRAM_H_
