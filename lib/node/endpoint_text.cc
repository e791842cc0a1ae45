#include "node/endpoint_text.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

absl::Status Invalid(absl::string_view message) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, message);
}

bool IsNameChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
}

}  // namespace

bool IsAnyAddress(absl::string_view host) { return host == "0.0.0.0" || host == "::"; }

bool IsIpv4Literal(absl::string_view host) {
  const std::vector<absl::string_view> parts = absl::StrSplit(host, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
           int value = 0;
           return !part.empty() && part.size() <= 3 && absl::SimpleAtoi(part, &value) && value >= 0 && value <= 255;
         });
}

bool IsIpv6Literal(absl::string_view host) {
  return std::count(host.begin(), host.end(), ':') >= 2 && std::all_of(host.begin(), host.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.' || c == '%';
         });
}

absl::StatusOr<Endpoint> ParseAddress(absl::string_view text, bool may_be_any) {
  const auto wrong = [&](absl::string_view what) {
    return Invalid(absl::StrCat("'", text, "' ", what, " (host:port, or [address]:port for IPv6)"));
  };
  Endpoint endpoint;
  absl::string_view port_text;
  if (!text.empty() && text[0] == '[') {
    const size_t close = text.find(']');
    if (close == absl::string_view::npos) return wrong("has a '[' without a ']'");
    endpoint.host = std::string(text.substr(1, close - 1));
    if (!IsIpv6Literal(endpoint.host)) return wrong("has no IPv6 address between the brackets");
    port_text = text.substr(close + 1);
    if (port_text.empty() || port_text[0] != ':') return wrong("has no port");
    port_text.remove_prefix(1);
  } else {
    const size_t colon = text.rfind(':');
    if (colon == absl::string_view::npos) return wrong("has no port");
    endpoint.host = std::string(text.substr(0, colon));
    if (endpoint.host.find(':') != std::string::npos) return wrong("has more than one ':'");
    port_text = text.substr(colon + 1);
  }
  if (endpoint.host.size() > limits::kHostNameBytesMax) {
    return wrong(absl::StrCat("has a host name of more than ", limits::kHostNameBytesMax, " bytes"));
  }
  if (!std::all_of(endpoint.host.begin(), endpoint.host.end(),
                   [](char c) { return IsNameChar(c) || c == ':' || c == '%'; })) {
    return wrong("has a character in its host name that host names don't have");
  }
  if (endpoint.host.empty() && !may_be_any) return wrong("has no host");
  int port = 0;
  if (!absl::SimpleAtoi(port_text, &port) || port < (may_be_any ? 0 : 1) || port > 65535) {
    return wrong(
        absl::StrCat("has the port '", port_text, "': it must be a number from ", may_be_any ? 0 : 1, " to 65535"));
  }
  endpoint.port = static_cast<uint16_t>(port);
  return endpoint;
}

absl::StatusOr<Endpoint> ParseListener(absl::string_view text, bool may_be_any) {
  const size_t separator = text.find("://");
  if (separator == absl::string_view::npos) {
    return Invalid(absl::StrCat("'", text, "' has no '://' (NAME://host:port)"));
  }
  const absl::string_view name = text.substr(0, separator);
  if (name.empty() || name.size() > limits::kListenerNameBytesMax ||
      !std::all_of(name.begin(), name.end(), IsNameChar)) {
    return Invalid(absl::StrCat("'", text, "' must begin with a listener name of 1 to ", limits::kListenerNameBytesMax,
                                " letters, digits, '_', '-' or '.'"));
  }
  absl::StatusOr<Endpoint> endpoint = ParseAddress(text.substr(separator + 3), may_be_any);
  if (!endpoint.ok()) {
    return Invalid(absl::StrCat("'", text, "': ", endpoint.status().message()));
  }
  endpoint->listener = absl::AsciiStrToUpper(name);
  return endpoint;
}

absl::StatusOr<Voter> ParseVoter(absl::string_view text, const std::string& listener) {
  const size_t at = text.find('@');
  int32_t id = 0;
  if (at == absl::string_view::npos || !absl::SimpleAtoi(text.substr(0, at), &id) || id < 0) {
    return Invalid(absl::StrCat("'", text, "' must be id@host:port with a node id of 0 or more"));
  }
  absl::StatusOr<Endpoint> endpoint = ParseAddress(text.substr(at + 1), false);
  if (!endpoint.ok()) return endpoint.status();
  if (IsAnyAddress(endpoint->host)) {
    return Invalid(absl::StrCat("'", text, "' names an address that nobody can connect to; give the voter's own"));
  }
  endpoint->listener = listener;
  Voter voter;
  voter.key.id = NodeId(id);
  voter.endpoints.push_back(*std::move(endpoint));
  return voter;
}

}  // namespace quorate::node
