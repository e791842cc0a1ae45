#include "cli/controller_endpoints.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/storage_format.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"

namespace quorate::cli {

namespace {

absl::Status Bad(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

absl::StatusOr<std::string> HostName() {
  std::array<char, limits::kHostNameBytesMax + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') {
    return Bad("this machine has no host name; set advertised.listeners");
  }
  return std::string(name.data());
}

}  // namespace

absl::StatusOr<std::vector<Endpoint>> ControllerEndpoints(const NodeOptions& options) {
  std::vector<Endpoint> endpoints;
  for (const std::string& name : options.controller_listener_names) {
    const auto find = [&](const std::vector<Endpoint>& list) {
      return std::find_if(list.begin(), list.end(), [&](const Endpoint& e) { return e.listener == name; });
    };
    auto found = find(options.advertised_listeners);
    if (found == options.advertised_listeners.end()) {
      found = find(options.listeners);
      if (found == options.listeners.end()) continue;
    }
    Endpoint endpoint = *found;
    if (endpoint.port == 0) {
      return Bad(absl::StrCat("the controller listener ", name,
                              " has port 0, and a voter's address is written down: give it a port"));
    }
    if (endpoint.host.empty() || endpoint.host == "0.0.0.0" || endpoint.host == "::") {
      absl::StatusOr<std::string> host = HostName();
      if (!host.ok()) return host.status();
      endpoint.host = *std::move(host);
    }
    endpoints.push_back(std::move(endpoint));
  }
  if (endpoints.empty()) return Bad("no listener belongs to controller.listener.names");
  return endpoints;
}

absl::StatusOr<Voter> ReadController(const Context& context, const std::string& config) {
  absl::StatusOr<NodeOptions> options = ReadNodeOptions(context, config, {});
  if (!options.ok()) return options.status();
  if (!options->is_controller) {
    return Bad(absl::StrCat(config, " describes no controller: process.roles must name controller"));
  }
  absl::StatusOr<std::optional<DirectoryIdentity>> identity =
      ReadDirectoryIdentity(context.files, options->metadata_dir());
  if (!identity.ok()) return identity.status();
  if (!identity->has_value()) {
    return MakeError(Reason::kNotFormatted, Outcome::kNotApplied,
                     absl::StrCat("the metadata directory ", options->metadata_dir(), " of ", config,
                                  " isn't formatted, so that it has no directory id; format it with "
                                  "--no-initial-controllers and start the node first"));
  }
  if ((*identity)->node_id != options->id) {
    return MakeError(
        Reason::kWrongReplica, Outcome::kNotApplied,
        absl::StrCat("the metadata directory ", options->metadata_dir(), " belongs to node ",
                     (*identity)->node_id.value(), ", and node.id in ", config, " is ", options->id.value()));
  }
  absl::StatusOr<std::vector<Endpoint>> endpoints = ControllerEndpoints(*options);
  if (!endpoints.ok()) return endpoints.status();
  Voter voter;
  voter.key = {options->id, (*identity)->directory_id};
  voter.endpoints = *std::move(endpoints);
  return voter;
}

}  // namespace quorate::cli
