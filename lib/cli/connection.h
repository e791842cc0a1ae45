// How a command reaches the cluster: --bootstrap-server or --bootstrap-controller, --command-config, --timeout-ms.
#ifndef QUORATE_CLI_CONNECTION_H_
#define QUORATE_CLI_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/context.h"
#include "quorate/types.h"

namespace CLI {
class App;
}  // namespace CLI

namespace quorate::cli {

struct ConnectionArgs {
  std::string bootstrap_server;
  std::string bootstrap_controller;
  std::string command_config;
  int64_t timeout_ms = 15'000;
  bool timeout_given = false;
};

// Controllers answer everything that brokers do, so both options mean "ask this node"; they are kept apart, as
// Kafka has them, because a Kafka client can't be pointed at a controller's port.
void AddConnectionOptions(CLI::App* command, ConnectionArgs* args);

// Checks the arguments and reads --command-config: whom to ask, and for how long.
absl::StatusOr<AdminClientOptions> ResolveConnection(const Context& context, const ConnectionArgs& args);
// The same, and makes the client. Nothing is sent yet.
absl::StatusOr<std::unique_ptr<AdminClient>> Connect(const Context& context, const ConnectionArgs& args);

// "host:port,[::1]:9092". The error names the entry that is wrong and what is expected.
absl::StatusOr<std::vector<Endpoint>> ParseEndpointList(const std::string& text, const std::string& option);
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text, const std::string& option);

}  // namespace quorate::cli

#endif  // QUORATE_CLI_CONNECTION_H_
