// Changes of the quorum from the command line: kafka-metadata-quorum's add-controller and remove-controller, and
// transfer-leadership, which Kafka doesn't have. What is waited for is told on the error stream while it lasts.
#ifndef QUORATE_CLI_QUORUM_CHANGE_H_
#define QUORATE_CLI_QUORUM_CHANGE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "cli/connection.h"
#include "cli/context.h"
#include "cli/output.h"

namespace quorate::cli {

struct QuorumChangeArgs {
  OutputFormat format = OutputFormat::kHuman;
  bool dry_run = false;
  std::optional<int32_t> controller_id;  // remove-controller
  std::string directory_id;              // remove-controller
  std::optional<int32_t> to;             // transfer-leadership
};

// The exit code. The controller to add is the one of --command-config.
int RunAddController(const ConnectionArgs& connection, const QuorumChangeArgs& args, const Context& context);
int RunRemoveController(const ConnectionArgs& connection, const QuorumChangeArgs& args, const Context& context);
int RunTransferLeadership(const ConnectionArgs& connection, const QuorumChangeArgs& args, const Context& context);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_QUORUM_CHANGE_H_
