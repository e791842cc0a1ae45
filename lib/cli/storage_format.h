// Formatting data directories: who a node will be, decided once and written down before its first start.
//
// Formatting is a command, and not something that a server does by itself when it finds nothing, because a node that
// lost its disk must not come back as the voter that it was: it has forgotten its vote and what it
// acknowledged (fault F-D15). The operator says "this is new", and the new directory id makes it somebody new
// (KIP-853).
#ifndef QUORATE_CLI_STORAGE_FORMAT_H_
#define QUORATE_CLI_STORAGE_FORMAT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/context.h"
#include "quorate/node_options.h"
#include "quorate/storage_adapters.h"

namespace quorate::cli {

struct FormatArgs {
  std::string config;      // -c
  std::string cluster_id;  // -t
  bool ignore_formatted = false;
  bool standalone = false;
  std::string initial_controllers;
  bool no_initial_controllers = false;
};

int RunStorageFormat(const FormatArgs& args, const Context& context);

// What each directory of a node is to be formatted as: the metadata directory first, then the others in the order
// of the configuration, each path once.
struct DirectoryPlan {
  std::string path;
  std::string kind;  // Kafka's words: "metadata directory", "dynamic metadata voter directory", "data directory", …
  DirectoryIdentity identity;
};
absl::StatusOr<std::vector<DirectoryPlan>> PlanFormat(const FormatArgs& args, const NodeOptions& options,
                                                      Random* random);

// Reads the configuration of -c. Warnings about it go to the error stream.
absl::StatusOr<NodeOptions> ReadNodeOptions(const Context& context, const std::string& path,
                                            const std::vector<std::pair<std::string, std::string>>& overrides);

// metadata.log.dir and log.dirs, each once, the metadata directory first.
std::vector<std::string> DirectoriesOf(const NodeOptions& options);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_STORAGE_FORMAT_H_
