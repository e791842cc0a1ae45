#include "node/listener_security.h"

#include <utility>
#include <vector>

namespace quorate::node {
namespace {

constexpr std::pair<absl::string_view, SecurityProtocol> kProtocols[] = {
    {"PLAINTEXT", SecurityProtocol::kPlaintext},
    {"SSL", SecurityProtocol::kSsl},
    {"SASL_PLAINTEXT", SecurityProtocol::kSaslPlaintext},
    {"SASL_SSL", SecurityProtocol::kSaslSsl},
};

}  // namespace

absl::string_view ProtocolName(SecurityProtocol protocol) {
  for (const auto& [name, value] : kProtocols) {
    if (value == protocol) return name;
  }
  return "an unknown protocol";
}

bool ParseProtocol(absl::string_view name, SecurityProtocol* protocol) {
  for (const auto& [known, value] : kProtocols) {
    if (known == name) {
      *protocol = value;
      return true;
    }
  }
  return false;
}

bool FindSecurityProtocol(const NodeOptions& options, const std::string& listener, SecurityProtocol* protocol) {
  for (const auto& [name, value] : options.security_protocols) {
    if (name == listener) {
      *protocol = value;
      return true;
    }
  }
  // As in Kafka: a map that was given replaces the default one as a whole.
  if (!options.security_protocols.empty()) return false;
  if (ParseProtocol(listener, protocol)) return true;
  *protocol = SecurityProtocol::kPlaintext;
  return options.IsControllerListener(listener);
}

std::string InterBrokerListener(const NodeOptions& options) {
  if (!options.inter_broker_listener.empty()) return options.inter_broker_listener;
  std::vector<std::string> plaintext;
  for (const Endpoint& endpoint : options.listeners) {
    if (options.IsControllerListener(endpoint.listener)) continue;
    if (endpoint.listener == "PLAINTEXT") return endpoint.listener;
    SecurityProtocol protocol;
    if (FindSecurityProtocol(options, endpoint.listener, &protocol) && protocol == SecurityProtocol::kPlaintext) {
      plaintext.push_back(endpoint.listener);
    }
  }
  return plaintext.size() == 1 ? plaintext[0] : std::string();
}

}  // namespace quorate::node
