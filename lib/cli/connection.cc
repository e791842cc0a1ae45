#include "cli/connection.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/checks.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

constexpr int64_t kTimeoutMsMax = 24 * 3600 * int64_t{1000};

absl::Status Bad(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

// Of a Kafka client's configuration, what can matter here: the time limit, and a security that we don't have.
absl::Status ApplyCommandConfig(const Context& context, ConnectionArgs* args) {
  absl::StatusOr<std::string> text = ReadFile(context.files, args->command_config);
  if (!text.ok()) return text.status();
  int number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#' || line.front() == '!') continue;
    const size_t split = line.find_first_of("=:");
    const absl::string_view key = absl::StripTrailingAsciiWhitespace(line.substr(0, split));
    const absl::string_view value =
        split == absl::string_view::npos ? "" : absl::StripLeadingAsciiWhitespace(line.substr(split + 1));
    const std::string where = absl::StrCat(args->command_config, ", line ", number, ": ");
    if (key == "default.api.timeout.ms") {
      int64_t millis = 0;
      if (!absl::SimpleAtoi(value, &millis) || millis < 1 || millis > kTimeoutMsMax) {
        return Bad(absl::StrCat(where, key, " is '", value, "'; a number of milliseconds from 1 to ", kTimeoutMsMax,
                                " is allowed"));
      }
      if (!args->timeout_given) args->timeout_ms = millis;
    } else if (key == "security.protocol" && value != "PLAINTEXT") {
      return Bad(absl::StrCat(where, key, " is '", value, "'; only PLAINTEXT is supported"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddConnectionOptions(CLI::App* command, ConnectionArgs* args) {
  command->add_option("--bootstrap-server", args->bootstrap_server, "Brokers to ask, tried in turn")
      ->type_name("HOST:PORT,...");
  command->add_option("--bootstrap-controller", args->bootstrap_controller, "Controllers to ask, tried in turn")
      ->type_name("HOST:PORT,...");
  command
      ->add_option("--command-config", args->command_config,
                   "Properties of a Kafka client; default.api.timeout.ms is used")
      ->type_name("FILE");
  command
      ->add_option_function<int64_t>(
          "--timeout-ms",
          [args](const int64_t& millis) {
            args->timeout_ms = millis;
            args->timeout_given = true;
          },
          "How long to try [15000]")
      ->type_name("MS")
      ->check(WholeNumber(1, kTimeoutMsMax));
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text, const std::string& option) {
  const auto wrong = [&](absl::string_view why) {
    return Bad(absl::StrCat(option, ": '", text, "' ", why, "; write HOST:PORT, such as localhost:9092 or [::1]:9092"));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos || text.back() == ']') return wrong("has no port");
  absl::string_view host = text.substr(0, colon);
  int port = 0;
  if (!absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 1 || port > 65535) {
    return wrong("has a port that isn't a number from 1 to 65535");
  }
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return wrong("has a '[' without its ']'");
  } else if (host.find(':') != absl::string_view::npos) {
    return wrong("has an IPv6 address without brackets, or more than one ':'");
  }
  if (host.empty()) return wrong("has no host");
  if (host.size() > limits::kHostNameBytesMax) return wrong("has a host name of more than 255 bytes");
  return Endpoint{"", std::string(host), static_cast<uint16_t>(port)};
}

absl::StatusOr<std::vector<Endpoint>> ParseEndpointList(const std::string& text, const std::string& option) {
  std::vector<Endpoint> endpoints;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty()) continue;
    absl::StatusOr<Endpoint> endpoint = ParseEndpoint(part, option);
    if (!endpoint.ok()) return endpoint.status();
    endpoints.push_back(*std::move(endpoint));
  }
  if (endpoints.empty()) return Bad(absl::StrCat(option, " is empty; write HOST:PORT, such as localhost:9092"));
  return endpoints;
}

absl::StatusOr<AdminClientOptions> ResolveConnection(const Context& context, const ConnectionArgs& given) {
  ConnectionArgs args = given;
  if (args.bootstrap_server.empty() && args.bootstrap_controller.empty()) {
    return Bad("say whom to ask: --bootstrap-server HOST:PORT (a broker) or --bootstrap-controller HOST:PORT");
  }
  if (!args.bootstrap_server.empty() && !args.bootstrap_controller.empty()) {
    return Bad("--bootstrap-server and --bootstrap-controller exclude each other; give one of them");
  }
  if (!args.command_config.empty()) {
    if (absl::Status applied = ApplyCommandConfig(context, &args); !applied.ok()) return applied;
  }
  const bool broker = !args.bootstrap_server.empty();
  absl::StatusOr<std::vector<Endpoint>> servers =
      broker ? ParseEndpointList(args.bootstrap_server, "--bootstrap-server")
             : ParseEndpointList(args.bootstrap_controller, "--bootstrap-controller");
  if (!servers.ok()) return servers.status();
  AdminClientOptions options;
  options.servers = *std::move(servers);
  options.timeout = absl::Milliseconds(args.timeout_ms);
  return options;
}

absl::StatusOr<std::unique_ptr<AdminClient>> Connect(const Context& context, const ConnectionArgs& args) {
  absl::StatusOr<AdminClientOptions> options = ResolveConnection(context, args);
  if (!options.ok()) return options.status();
  return context.make_admin(*std::move(options));
}

}  // namespace quorate::cli
