// Which voter a configuration describes: what goes into a voter set for the node of a properties file.
#ifndef QUORATE_CLI_CONTROLLER_ENDPOINTS_H_
#define QUORATE_CLI_CONTROLLER_ENDPOINTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/context.h"
#include "quorate/node_options.h"
#include "quorate/types.h"

namespace quorate::cli {

// Where a controller is reached: what it advertises, else what it listens on, in the order of
// controller.listener.names.
absl::StatusOr<std::vector<Endpoint>> ControllerEndpoints(const NodeOptions& options);

// The controller of the properties file `config`, whose directory must be formatted: node.id, the metadata directory's
// id, and its endpoints. Warnings about the file go to the error stream.
absl::StatusOr<Voter> ReadController(const Context& context, const std::string& config);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_CONTROLLER_ENDPOINTS_H_
