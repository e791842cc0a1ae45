#include "host/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "quorate/system.h"

namespace quorate::host {
namespace {

constexpr absl::Duration kSendLimit = absl::Seconds(5);

}  // namespace

NodeId Answer::leader() const {
  const std::optional<Refusal> refusal = ParseRefusal(payload);
  return refusal ? refusal->leader : kNoNode;
}

std::string Answer::message() const {
  const std::optional<Refusal> refusal = ParseRefusal(payload);
  return refusal ? std::string(refusal->message) : payload;
}

std::unique_ptr<Client> Client::Connect(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return nullptr;
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(socket);
    return nullptr;
  }
  return std::unique_ptr<Client>(new Client(socket));
}

Client::~Client() { ::close(socket_); }

bool Client::Wait(short event, Instant deadline) {
  pollfd waited{socket_, event, 0};
  const int64_t left = absl::ToInt64Milliseconds(deadline - SystemClock()->Now());
  return ::poll(&waited, 1, static_cast<int>(std::clamp<int64_t>(left + 1, 0, 60'000))) > 0;
}

std::optional<uint64_t> Client::Send(const Command& command) {
  const uint64_t id = next_id_++;
  std::string bytes;
  AppendRequest(id, command, &bytes);
  const Instant deadline = SystemClock()->Now() + kSendLimit;
  for (size_t sent = 0; sent < bytes.size() && !broken_;) {
    const ssize_t n = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) {
      sent += static_cast<size_t>(n);
    } else if (errno != EINTR && (errno != EAGAIN || !Wait(POLLOUT, deadline))) {
      broken_ = true;
    }
  }
  if (broken_) return std::nullopt;
  return id;
}

std::optional<Answer> Client::Receive(Instant deadline) {
  while (!broken_) {
    std::optional<absl::string_view> body;
    size_t consumed = 0;
    if (!TakeFrame(in_, kResponseBytesMax, &body, &consumed)) {
      broken_ = true;
      break;
    }
    if (body) {
      std::optional<Answer> answer;
      if (const std::optional<Response> response = ParseResponse(*body)) {
        answer = Answer{response->id, response->result, std::string(response->payload)};
      }
      broken_ = !answer.has_value();
      in_.erase(0, consumed);
      return answer;
    }
    if (!Wait(POLLIN, deadline)) return std::nullopt;
    char buffer[65'536];
    const ssize_t n = ::recv(socket_, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n > 0) {
      in_.append(buffer, static_cast<size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      broken_ = true;
    }
  }
  return std::nullopt;
}

std::optional<Answer> Client::Call(const Command& command, absl::Duration limit) {
  const std::optional<uint64_t> id = Send(command);
  const Instant deadline = SystemClock()->Now() + limit;
  while (id) {
    std::optional<Answer> answer = Receive(deadline);
    if (!answer || answer->id == *id) return answer;
  }
  return std::nullopt;
}

}  // namespace quorate::host
