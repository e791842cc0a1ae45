// File: node/admin_wire.h
//
// Pieces of the admin service's messages that several of its codecs share.
//
// Only for .cc files: it brings protobuf along. Pure functions; any thread.
#ifndef QUORATE_NODE_ADMIN_WIRE_H_
#define QUORATE_NODE_ADMIN_WIRE_H_

#include <algorithm>
#include <cstdint>

#include "quorate/metadata.h"
#include "quorate/types.h"
#include "quorate/v1/admin.pb.h"

namespace quorate::node {

inline void ToWire(const Endpoint& endpoint, SecurityProtocol security, v1::NodeAddress* out) {
  out->set_listener(endpoint.listener);
  out->set_host(endpoint.host);
  out->set_port(endpoint.port);
  out->set_security_protocol(static_cast<int32_t>(security));
}

// For showing: of a port that can't be one, the nearest that can.
inline Endpoint FromWire(const v1::NodeAddress& address) {
  return Endpoint{address.listener(), address.host(), static_cast<uint16_t>(std::min(address.port(), 65535u))};
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_ADMIN_WIRE_H_
