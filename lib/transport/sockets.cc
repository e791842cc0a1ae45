#include "transport/sockets.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::transport {
namespace {

constexpr int kBacklog = 512;

absl::Status SocketError(absl::string_view what, const Endpoint& bind, int error) {
  const Reason reason = error == EADDRINUSE ? Reason::kInUse : Reason::kInvalidArgument;
  return MakeError(
      reason, Outcome::kNotApplied,
      absl::StrCat("can't ", what, " ", bind.Address(), ": ", std::strerror(error),
                   error == EADDRINUSE ? "; stop the process that holds the port, or choose another" : ""));
}

struct Resolved {
  sockaddr_storage address{};
  socklen_t length = 0;
  int family = AF_UNSPEC;
};

absl::StatusOr<Resolved> ResolveForBind(const Endpoint& bind) {
  Resolved result;
  if (bind.host.empty()) {
    auto* any = reinterpret_cast<sockaddr_in6*>(&result.address);
    any->sin6_family = AF_INET6;
    any->sin6_addr = in6addr_any;
    any->sin6_port = htons(bind.port);
    result.length = sizeof(sockaddr_in6);
    result.family = AF_INET6;
    return result;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(bind.host.c_str(), std::to_string(bind.port).c_str(), &hints, &list);
  if (error != 0) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("can't resolve ", bind.host, " to listen on it: ", ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, ::freeaddrinfo);
  const addrinfo* chosen = list;
  for (const addrinfo* it = list; it != nullptr; it = it->ai_next) {
    if (it->ai_family != AF_INET) continue;
    chosen = it;
    break;
  }
  std::memcpy(&result.address, chosen->ai_addr, chosen->ai_addrlen);
  result.length = chosen->ai_addrlen;
  result.family = chosen->ai_family;
  return result;
}

// An IPv4 address that came in over an IPv6 socket (::ffff:a.b.c.d).
const in_addr* MappedIpv4(const sockaddr_in6* address) {
  if (!IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) return nullptr;
  return reinterpret_cast<const in_addr*>(&address->sin6_addr.s6_addr[12]);
}

}  // namespace

absl::StatusOr<int> Listen(const Endpoint& bind) {
  absl::StatusOr<Resolved> resolved = ResolveForBind(bind);
  if (!resolved.ok()) return resolved.status();
  int fd = ::socket(resolved->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 && bind.host.empty()) {
    // A kernel without IPv6.
    Endpoint ipv4 = bind;
    ipv4.host = "0.0.0.0";
    return Listen(ipv4);
  }
  if (fd < 0) return SocketError("make a socket for", bind, errno);
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (resolved->family == AF_INET6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, bind.host.empty() ? &off : &on, sizeof(on));
  }
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&resolved->address), resolved->length) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    const int error = errno;
    ::close(fd);
    return SocketError("listen on", bind, error);
  }
  return fd;
}

absl::StatusOr<uint16_t> LocalPort(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return absl::InternalError(absl::StrCat("getsockname: ", std::strerror(errno)));
  }
  return PortOf(reinterpret_cast<const sockaddr*>(&address));
}

std::string AddressOf(const struct sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    if (const in_addr* v4 = MappedIpv4(v6)) {
      ::inet_ntop(AF_INET, v4, text, sizeof(text));
    } else {
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    }
  }
  return text;
}

uint16_t PortOf(const struct sockaddr* address) {
  if (address->sa_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  if (address->sa_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
  return 0;
}

}  // namespace quorate::transport
