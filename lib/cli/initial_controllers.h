// --initial-controllers: the voter set that a dynamic quorum starts with, as Kafka writes it:
// id@host:port:directoryId, separated by commas. Every node must be formatted with the same list.
#ifndef QUORATE_CLI_INITIAL_CONTROLLERS_H_
#define QUORATE_CLI_INITIAL_CONTROLLERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "quorate/types.h"

namespace quorate::cli {

// The voters by id; `listener` names the controller listener that the addresses belong to. The error names the
// entry that is wrong.
absl::StatusOr<std::vector<Voter>> ParseInitialControllers(const std::string& text, const std::string& listener);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_INITIAL_CONTROLLERS_H_
