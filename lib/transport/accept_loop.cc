#include "transport/accept_loop.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transport/monotonic.h"
#include "transport/sockets.h"

namespace quorate::transport {
namespace {

constexpr int kAcceptsPerRound = 64;
constexpr absl::Duration kAcceptBackoffMin = absl::Milliseconds(10);
constexpr absl::Duration kAcceptBackoffMax = absl::Seconds(1);
constexpr absl::Duration kTickInterval = absl::Seconds(1);
constexpr absl::Duration kLogInterval = absl::Seconds(10);
constexpr absl::Duration kDrainTimeout = absl::Seconds(1);
constexpr size_t kDrainBytesMax = 64u << 10;

constexpr absl::string_view kHttp1Body =
    "This is the gRPC port of a quorate node; it speaks HTTP/2 only. Use the quorate command-line tools or a gRPC "
    "client.\n";

std::string Http1Answer() {
  return absl::StrCat("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
                      kHttp1Body.size(), "\r\nConnection: close\r\n\r\n", kHttp1Body);
}

bool IsScarcity(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS; }

}  // namespace

absl::StatusOr<std::unique_ptr<AcceptLoop>> AcceptLoop::Create(AcceptLoopOptions options) {
  absl::StatusOr<int> listen_fd = Listen(options.bind);
  if (!listen_fd.ok()) return listen_fd.status();
  absl::StatusOr<uint16_t> port = LocalPort(*listen_fd);
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (!port.ok() || wake_fd < 0) {
    const absl::Status status =
        port.ok() ? absl::ResourceExhaustedError(absl::StrCat("eventfd: ", std::strerror(errno))) : port.status();
    if (wake_fd >= 0) ::close(wake_fd);
    ::close(*listen_fd);
    return status;
  }
  return std::unique_ptr<AcceptLoop>(new AcceptLoop(std::move(options), *listen_fd, wake_fd, *port));
}

AcceptLoop::AcceptLoop(AcceptLoopOptions options, int listen_fd, int wake_fd, uint16_t port)
    : options_(std::move(options)),
      listen_fd_(listen_fd),
      wake_fd_(wake_fd),
      port_(port),
      accept_backoff_(kAcceptBackoffMin),
      registry_(options_.connections_max, options_.connections_per_address_max) {
  if (options_.log_sink == nullptr) options_.log_sink = NullLogSink();
  if (options_.accept == nullptr) {
    options_.accept = [](int fd, sockaddr* address, unsigned int* length) {
      return ::accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    };
  }
  TakeReserve();
}

AcceptLoop::~AcceptLoop() {
  Stop();
  ::close(wake_fd_);
  if (reserve_fd_ >= 0) ::close(reserve_fd_);
}

void AcceptLoop::Start() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "quorate-accept");
    Run();
  });
}

void AcceptLoop::Stop() {
  if (stopping_.exchange(true)) return;
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // Can only fail when the counter is full, and then the loop is awake anyway.
    [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof(one));
    thread_.join();
  }
  for (const Pending& pending : pending_) ::close(pending.fd);
  pending_.clear();
  ::close(listen_fd_);
}

AcceptLoop::Counters AcceptLoop::counters() const {
  return {accepted_.load(),           handed_over_.load(),     refused_cap_.load(), refused_protocol_.load(),
          handshake_timeouts_.load(), accept_failures_.load(), live_.load()};
}

void AcceptLoop::Run() {
  while (!stopping_.load()) PollOnce();
}

void AcceptLoop::PollOnce() {
  Instant now = MonotonicNow();
  std::vector<pollfd> set;
  set.reserve(pending_.size() + 2);
  set.push_back({wake_fd_, POLLIN, 0});
  // While descriptors are scarce the listening socket is left alone, or poll would return at once for ever.
  set.push_back({now >= accept_again_ ? listen_fd_ : -1, POLLIN, 0});
  for (const Pending& pending : pending_) set.push_back({pending.fd, POLLIN, 0});

  const int timeout_ms =
      static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(PollTimeout(now), absl::Milliseconds(1))));
  if (::poll(set.data(), set.size(), timeout_ms) < 0 && errno != EINTR) {
    // ENOMEM is all that is left; there is nobody to tell, and trying again is right.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return;
  }
  if (stopping_.load()) return;

  now = MonotonicNow();
  size_t index = 2;
  for (auto it = pending_.begin(); it != pending_.end(); ++index) {
    bool keep = true;
    if (set[index].revents != 0) {
      keep = it->draining ? Drain(&*it) : Advance(&*it);
    }
    if (keep && now >= it->deadline) {
      if (!it->draining) ++handshake_timeouts_;
      Close(it->fd);
      keep = false;
    }
    it = keep ? std::next(it) : pending_.erase(it);
  }
  if (set[1].revents != 0) AcceptSome();
  Tick(now);
}

absl::Duration AcceptLoop::PollTimeout(Instant now) const {
  Instant wake = next_tick_;
  if (accept_again_ > now) wake = std::min(wake, accept_again_);
  for (const Pending& pending : pending_) wake = std::min(wake, pending.deadline);
  return std::clamp(wake - now, absl::ZeroDuration(), kTickInterval);
}

void AcceptLoop::AcceptSome() {
  for (int i = 0; i < kAcceptsPerRound; ++i) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    const int fd = options_.accept(listen_fd_, reinterpret_cast<sockaddr*>(&address), &length);
    if (fd >= 0) {
      accept_backoff_ = kAcceptBackoffMin;
      OnAccepted(fd, reinterpret_cast<const sockaddr*>(&address));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // The others concern one connection that died in the queue, or a signal: the next may be fine.
    if (IsScarcity(errno)) return OnAcceptFailure(errno);
  }
}

void AcceptLoop::OnAccepted(int fd, const sockaddr* address) {
  ++accepted_;
  const std::string host = AddressOf(address);
  if (!registry_.HasRoom(host)) {
    ++refused_cap_;
    ::close(fd);
    Log(LogLevel::kWarning, absl::StrCat("event=connection_refused port=", port_, " address=", host,
                                         " reason=too_many_connections total=", registry_.size(),
                                         " from_address=", registry_.CountOf(host)));
    return;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  registry_.Add(fd, host);
  live_ = registry_.size();
  Pending pending;
  pending.fd = fd;
  pending.peer = absl::StrCat(host, ":", PortOf(address));
  pending.deadline = MonotonicNow() + options_.handshake_timeout;
  // The first bytes are usually there already; then no further poll is needed.
  if (Advance(&pending)) pending_.push_back(std::move(pending));
}

// Descriptors are short. The reserve lets us take the caller out of the queue and hang up on it, so that it
// fails now instead of in its connect timeout; then the listening socket rests for a while.
void AcceptLoop::OnAcceptFailure(int error) {
  ++accept_failures_;
  if ((error == EMFILE || error == ENFILE) && reserve_fd_ >= 0) {
    ::close(reserve_fd_);
    reserve_fd_ = -1;
    const int fd = options_.accept(listen_fd_, nullptr, nullptr);
    if (fd >= 0) ::close(fd);
    TakeReserve();
  }
  accept_again_ = MonotonicNow() + accept_backoff_;
  Log(LogLevel::kWarning, absl::StrCat("event=accept_failed port=", port_, " error=\"", std::strerror(error),
                                       "\" retry_in=", absl::FormatDuration(accept_backoff_)));
  accept_backoff_ = std::min(accept_backoff_ * 2, kAcceptBackoffMax);
}

bool AcceptLoop::Advance(Pending* pending) {
  char buffer[kSniffBytesMax];
  while (pending->bytes.size() < kSniffBytesMax) {
    const ssize_t n = ::recv(pending->fd, buffer, kSniffBytesMax - pending->bytes.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (n <= 0) {
      ++handshake_timeouts_;
      Close(pending->fd);
      return false;
    }
    pending->bytes.append(buffer, static_cast<size_t>(n));
    switch (Sniff(pending->bytes)) {
      case WireProtocol::kUndecided:
        continue;
      case WireProtocol::kHttp2:
        return HandOver(pending);
      case WireProtocol::kHttp1:
        return AnswerHttp1(pending);
      case WireProtocol::kTls:
        return Refuse(pending, "tls_on_plain_port");
      case WireProtocol::kUnknown:
        return Refuse(pending, "unknown_protocol");
    }
  }
  return Refuse(pending, "unknown_protocol");
}

bool AcceptLoop::HandOver(Pending* pending) {
  ++handed_over_;
  options_.on_http2({pending->fd, std::move(pending->bytes), std::move(pending->peer)});
  return false;
}

bool AcceptLoop::AnswerHttp1(Pending* pending) {
  ++refused_protocol_;
  Log(LogLevel::kInfo, absl::StrCat("event=connection_refused port=", port_, " peer=", pending->peer, " reason=http1"));
  const std::string answer = Http1Answer();
  // A fresh socket has room for this; if not, the caller gets no answer.
  if (::send(pending->fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) {
    Close(pending->fd);
    return false;
  }
  // Closing with unread input sends a reset, which may overtake the answer. So half-close and read the rest.
  ::shutdown(pending->fd, SHUT_WR);
  pending->draining = true;
  pending->deadline = MonotonicNow() + kDrainTimeout;
  return Drain(pending);
}

bool AcceptLoop::Drain(Pending* pending) {
  char buffer[4096];
  while (pending->drained < kDrainBytesMax) {
    const ssize_t n = ::recv(pending->fd, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
    if (n <= 0) break;
    pending->drained += static_cast<size_t>(n);
  }
  Close(pending->fd);
  return false;
}

bool AcceptLoop::Refuse(Pending* pending, absl::string_view why) {
  ++refused_protocol_;
  Log(LogLevel::kWarning,
      absl::StrCat("event=connection_refused port=", port_, " peer=", pending->peer, " reason=", why));
  Close(pending->fd);
  return false;
}

void AcceptLoop::Close(int fd) {
  registry_.Remove(fd);
  ::close(fd);
}

void AcceptLoop::Tick(Instant now) {
  if (now < next_tick_) return;
  next_tick_ = now + kTickInterval;
  registry_.Sweep();
  live_ = registry_.size();
  if (reserve_fd_ < 0) TakeReserve();
  if (options_.on_tick != nullptr) options_.on_tick();
}

void AcceptLoop::TakeReserve() {
  if (reserve_fd_ < 0) reserve_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// A flood of bad connections must not become a flood of log lines.
void AcceptLoop::Log(LogLevel level, absl::string_view line) {
  if (!options_.log_sink->Enabled(level)) return;
  const Instant now = MonotonicNow();
  if (now < next_log_) {
    ++unlogged_;
    return;
  }
  next_log_ = now + kLogInterval;
  options_.log_sink->Write(level, "transport",
                           unlogged_ == 0 ? std::string(line) : absl::StrCat(line, " unlogged=", unlogged_));
  unlogged_ = 0;
}

}  // namespace quorate::transport
