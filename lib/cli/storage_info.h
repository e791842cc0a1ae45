// quorate storage info: what the data directories of a configuration hold, and what is wrong with them.
#ifndef QUORATE_CLI_STORAGE_INFO_H_
#define QUORATE_CLI_STORAGE_INFO_H_

#include <string>

#include "cli/context.h"
#include "cli/output.h"

namespace quorate::cli {

struct InfoArgs {
  std::string config;
  OutputFormat format = OutputFormat::kHuman;
};

// kExitFailure when a problem was found.
int RunStorageInfo(const InfoArgs& args, const Context& context);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_STORAGE_INFO_H_
