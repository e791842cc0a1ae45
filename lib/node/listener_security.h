// File: node/listener_security.h
//
// Which security protocol each listener of a node has, by Kafka's rules: listener.security.protocol.map, or else the
// names themselves. Read by the checks of the options, by the reader of a file, and by a broker that registers.
//
// Pure functions; any thread.
#ifndef QUORATE_NODE_LISTENER_SECURITY_H_
#define QUORATE_NODE_LISTENER_SECURITY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "quorate/node_options.h"

namespace quorate::node {

// The protocol of a listener: by the map, else by its name, else PLAINTEXT for a controller's. False: it has none.
bool FindSecurityProtocol(const NodeOptions& options, const std::string& listener, SecurityProtocol* protocol);
absl::string_view ProtocolName(SecurityProtocol protocol);
bool ParseProtocol(absl::string_view name, SecurityProtocol* protocol);

// The listener that brokers reach each other through; empty when there is none.
std::string InterBrokerListener(const NodeOptions& options);

}  // namespace quorate::node

#endif  // QUORATE_NODE_LISTENER_SECURITY_H_
