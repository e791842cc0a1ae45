#include "compare/tcp_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace quorate::compare {
namespace {

constexpr size_t kReadBytes = 256u << 10;

}  // namespace

TcpClient::TcpClient(const std::vector<int>& ports, const WireFactory& make_wire) {
  for (int port : ports) {
    auto lane = std::make_unique<Lane>();
    lane->port = port;
    lane->wire = make_wire();
    lanes_.push_back(std::move(lane));
  }
}

TcpClient::~TcpClient() {
  for (const auto& lane : lanes_) {
    if (lane->socket >= 0) ::close(lane->socket);
  }
}

bool TcpClient::Connect(Lane& lane) {
  lane.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (lane.socket < 0) return false;
  const int on = 1;
  ::setsockopt(lane.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(lane.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int result = ::connect(lane.socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (result != 0 && errno != EINPROGRESS) return false;
  lane.connecting = result != 0;
  lane.wire->Greet(&lane.out);
  return true;
}

TcpClient::Lane* TcpClient::Prepare(uint64_t token) {
  Lane& lane = LaneOf(token);
  if (lane.socket < 0 && !Connect(lane)) {
    Break(lane);
    ended_.emplace_back(token, PutEnd::kLost);
    return nullptr;
  }
  lane.under_way.insert(token);
  return &lane;
}

void TcpClient::Put(uint64_t token, absl::string_view key, absl::string_view value) {
  if (Lane* lane = Prepare(token)) lane->wire->Put(token, key, value, &lane->out);
}

void TcpClient::Create(uint64_t token, absl::string_view key, absl::string_view value) {
  if (Lane* lane = Prepare(token)) lane->wire->Create(token, key, value, &lane->out);
}

void TcpClient::Break(Lane& lane) {
  if (lane.socket >= 0) ::close(lane.socket);
  lane.socket = -1;
  lane.connecting = false;
  lane.out.clear();
  lane.in.clear();
  for (uint64_t token : lane.under_way) ended_.emplace_back(token, PutEnd::kLost);
  lane.under_way.clear();
}

bool TcpClient::Send(Lane& lane) {
  size_t sent = 0;
  while (sent < lane.out.size()) {
    const ssize_t n = ::send(lane.socket, lane.out.data() + sent, lane.out.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return false;
    sent += static_cast<size_t>(n);
  }
  lane.out.erase(0, sent);
  return true;
}

bool TcpClient::Receive(Lane& lane) {
  const size_t before = lane.in.size();
  lane.in.resize(before + kReadBytes);
  const ssize_t n = ::recv(lane.socket, lane.in.data() + before, kReadBytes, MSG_DONTWAIT);
  lane.in.resize(before + static_cast<size_t>(n > 0 ? n : 0));
  if (n == 0) return false;
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  const int64_t taken = lane.wire->Take(lane.in, [&](uint64_t token, PutEnd end) {
    if (lane.under_way.erase(token) > 0) ended_.emplace_back(token, end);
  });
  if (taken < 0) return false;
  lane.in.erase(0, static_cast<size_t>(taken));
  return true;
}

void TcpClient::Poll(absl::Duration limit, PutSink* sink) {
  std::vector<pollfd> set;
  std::vector<Lane*> polled;
  for (const auto& lane : lanes_) {
    if (lane->socket < 0) continue;
    if (!lane->connecting && !lane->out.empty() && !Send(*lane)) {
      Break(*lane);
      continue;
    }
    const bool writes = lane->connecting || !lane->out.empty();
    set.push_back({lane->socket, static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0});
    polled.push_back(lane.get());
  }
  const timespec wait = absl::ToTimespec(ended_.empty() ? std::max(limit, absl::ZeroDuration()) : absl::ZeroDuration());
  if (::ppoll(set.data(), set.size(), &wait, nullptr) > 0) {
    for (size_t i = 0; i < set.size(); ++i) {
      Lane& lane = *polled[i];
      if (set[i].revents == 0) continue;
      bool alive = (set[i].revents & POLLNVAL) == 0;
      if (lane.connecting) {
        int error = 0;
        socklen_t size = sizeof(error);
        ::getsockopt(lane.socket, SOL_SOCKET, SO_ERROR, &error, &size);
        lane.connecting = false;
        alive = alive && error == 0;
      }
      alive = alive && ((set[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0 || Receive(lane));
      alive = alive && Send(lane);
      if (!alive) Break(lane);
    }
  }
  // The sink may Put; what that ends at once is for the next Poll.
  std::vector<std::pair<uint64_t, PutEnd>> ended;
  ended.swap(ended_);
  for (const auto& [token, end] : ended) sink->Done(token, end);
}

}  // namespace quorate::compare
