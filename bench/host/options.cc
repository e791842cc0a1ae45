#include "host/options.h"

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"

namespace quorate::host {
namespace {

std::optional<Endpoint> ParseEndpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return std::nullopt;
  }
  return Endpoint{"CONTROLLER", text.substr(0, colon), static_cast<uint16_t>(port)};
}

std::string CheckEndpoint(const std::string& text) {
  return ParseEndpoint(text) ? "" : "'" + text + "' isn't HOST:PORT";
}

}  // namespace

std::optional<HostOptions> ParseOptions(int argc, char** argv, int* exit_code) {
  HostOptions options;
  std::string listen;
  std::vector<std::string> bootstrap;
  options.segment_bytes = FileStorageOptions().segment_bytes;
  options.tail_cache_bytes = QuorumOptions().tail_cache_bytes;
  int64_t election_ms = absl::ToInt64Milliseconds(options.timeouts.election);
  int64_t fetch_ms = absl::ToInt64Milliseconds(options.timeouts.fetch);
  int64_t request_ms = 2000;

  CLI::App app("A quorum member whose state is a set of named registers, served over a plain TCP port.");
  app.add_option("--directory", options.directory, "formatted data directory")->required();
  app.add_option("--client-port", options.client_port, "on 127.0.0.1")->required();
  app.add_option("--listen", listen, "where peers reach it, unless the directory says so")->check(CheckEndpoint);
  app.add_option("--bootstrap-server", bootstrap, "a member to join through")->check(CheckEndpoint);
  app.add_flag("--auto-join", options.auto_join, "asks to become a voter");
  app.add_option("--segment-bytes", options.segment_bytes, "size of a log segment");
  app.add_option("--tail-cache-bytes", options.tail_cache_bytes, "newest log kept in memory");
  app.add_flag("--memory-storage", options.memory_storage, "keeps the log in memory: nothing survives");
  app.add_option("--snapshot-bytes", options.snapshots.log_bytes, "log between two snapshots; 0: none");
  app.add_option("--election-timeout-ms", election_ms, "controller.quorum.election.timeout.ms");
  app.add_option("--fetch-timeout-ms", fetch_ms, "controller.quorum.fetch.timeout.ms");
  app.add_option("--request-timeout-ms", request_ms, "every request is answered within it");
  app.add_flag("--log-debug", options.log_debug, "logs more than events that matter");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    *exit_code = app.exit(error) == 0 ? 0 : 1;
    return std::nullopt;
  }
  if (!listen.empty()) options.listen = ParseEndpoint(listen);
  for (const std::string& server : bootstrap) options.bootstrap_servers.push_back(*ParseEndpoint(server));
  options.timeouts.election = absl::Milliseconds(election_ms);
  options.timeouts.fetch = absl::Milliseconds(fetch_ms);
  options.request_timeout = absl::Milliseconds(request_ms);
  return options;
}

}  // namespace quorate::host
