#include "host/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/system.h"

namespace quorate::host {

// What wakes the thread, and the connections that want it.
struct Server::Attention {
  explicit Attention(int wake_fd) : wake(wake_fd) {}
  ~Attention() { ::close(wake); }

  void Wake() const {
    const uint64_t one = 1;
    (void)!::write(wake, &one, sizeof(one));  // fails only when it is woken up already
  }
  void Ask(ConnectionPtr connection) {
    bool first = false;
    {
      std::lock_guard<std::mutex> lock(mutex);
      first = wanting.empty();
      wanting.push_back(std::move(connection));
    }
    if (first) Wake();
  }

  const int wake;
  std::atomic<bool> stopping{false};
  std::atomic<int64_t> stop_at{0};  // nanoseconds of the system clock
  std::mutex mutex;
  std::vector<ConnectionPtr> wanting;  // guarded by mutex
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(uint16_t port, RequestHandler* handler) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return absl::ErrnoToStatus(errno, "socket");
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener, SOMAXCONN) != 0) {
    const absl::Status status = absl::ErrnoToStatus(errno, absl::StrCat("the clients' port ", port));
    ::close(listener);
    return status;
  }
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll < 0 || wake < 0) {
    const absl::Status status = absl::ErrnoToStatus(errno, "epoll and eventfd");
    for (const int fd : {listener, epoll, wake}) ::close(fd);
    return status;
  }
  return std::unique_ptr<Server>(new Server(listener, epoll, wake, handler));
}

Server::Server(int listener, int epoll, int wake, RequestHandler* handler)
    : listener_(listener), epoll_(epoll), handler_(handler), attention_(std::make_shared<Attention>(wake)) {
  for (const int fd : {listener_, wake}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }
  thread_ = std::thread([this] { Run(); });
}

Server::~Server() {
  Stop(absl::ZeroDuration());
  ::close(epoll_);
  ::close(listener_);
}

void Server::Stop(absl::Duration grace) {
  if (!thread_.joinable()) return;
  attention_->stop_at = (SystemClock()->Now() + grace).nanos();
  attention_->stopping = true;
  attention_->Wake();
  thread_.join();
  for (auto& [socket, connection] : connections_) connection->Close();
  connections_.clear();
}

bool Server::Finished() const {
  if (SystemClock()->Now().nanos() >= attention_->stop_at) return true;
  for (const auto& [socket, connection] : connections_) {
    if (!connection->idle()) return false;
  }
  return true;
}

void Server::Run() {
  constexpr int kStoppingPollMs = 10;
  std::array<epoll_event, 64> events;
  bool stopping = false;
  while (true) {
    if (!stopping && attention_->stopping) {
      stopping = true;
      TakeNoMore();
    }
    if (stopping && Finished()) return;
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), stopping ? kStoppingPollMs : -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == listener_) {
        Accept();
      } else if (fd == attention_->wake) {
        uint64_t ignored = 0;
        (void)!::read(fd, &ignored, sizeof(ignored));
      } else if (auto found = connections_.find(fd); found != connections_.end()) {
        const ConnectionPtr connection = found->second;  // kept while it may be dropped
        Serve(connection, events[static_cast<size_t>(i)].events);
      }
    }
    Attend();
  }
}

void Server::TakeNoMore() {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
  for (auto& [socket, connection] : connections_) {
    const uint32_t before = connection->events();
    connection->TakeNoMore();
    Watch(connection, /*alive=*/true, before);
  }
}

void Server::Accept() {
  const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) return;  // the client is gone again, or comes again when a descriptor is free
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  auto connection = std::make_shared<Connection>(
      socket, handler_, [attention = attention_](ConnectionPtr wanting) { attention->Ask(std::move(wanting)); });
  epoll_event event{};
  event.events = connection->events();
  event.data.fd = socket;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) return;
  connections_.emplace(socket, std::move(connection));
  if (connections_.size() < kConnectionsMax) return;
  full_ = true;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
}

void Server::Attend() {
  std::vector<ConnectionPtr> wanting;
  {
    std::lock_guard<std::mutex> lock(attention_->mutex);
    wanting.swap(attention_->wanting);
  }
  for (const ConnectionPtr& connection : wanting) {
    const auto found = connections_.find(connection->socket());
    if (found == connections_.end() || found->second != connection) continue;  // dropped meanwhile
    const uint32_t before = connection->events();
    Watch(connection, connection->Flush(), before);
  }
}

void Server::Serve(const ConnectionPtr& connection, uint32_t events) {
  const uint32_t before = connection->events();
  bool alive = (events & (EPOLLERR | EPOLLHUP)) == 0;
  if (alive && (events & EPOLLOUT) != 0) alive = connection->Flush();
  if (alive && (events & EPOLLIN) != 0) alive = connection->Receive();
  Watch(connection, alive, before);
}

void Server::Watch(const ConnectionPtr& connection, bool alive, uint32_t events_before) {
  if (!alive) return Drop(connection);
  if (connection->events() == events_before) return;
  epoll_event event{};
  event.events = connection->events();
  event.data.fd = connection->socket();
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection->socket(), &event);
}

void Server::Drop(const ConnectionPtr& connection) {
  connection->Close();
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection->socket(), nullptr);
  connections_.erase(connection->socket());
  if (!full_) return;
  full_ = false;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener_;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event);
}

}  // namespace quorate::host
