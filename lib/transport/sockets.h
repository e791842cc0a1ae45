// The few socket calls that the accept loop needs, with errors as statuses.
//
// A host name is resolved once, at binding time; where it has several addresses the first IPv4 one is taken, as the
// JVM does, so that "localhost" means 127.0.0.1 for Kafka's tools and for ours. An empty host binds all addresses,
// IPv4 and IPv6 on one socket.
#ifndef QUORATE_LIB_TRANSPORT_SOCKETS_H_
#define QUORATE_LIB_TRANSPORT_SOCKETS_H_

#include <sys/socket.h>

#include <string>

#include "absl/status/statusor.h"
#include "quorate/types.h"

namespace quorate::transport {

// A listening, non-blocking socket. SO_REUSEADDR, so that a restarted node gets its port back at once; never
// SO_REUSEPORT, with which two processes would share a port unnoticed. kInUse when the port is taken.
absl::StatusOr<int> Listen(const Endpoint& bind);
absl::StatusOr<uint16_t> LocalPort(int fd);

// "127.0.0.1", "2001:db8::1"; an IPv4 address in IPv6 clothing is shown as IPv4.
std::string AddressOf(const struct sockaddr* address);
uint16_t PortOf(const struct sockaddr* address);

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_SOCKETS_H_
