#include "host/connection.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace quorate::host {
namespace {

constexpr size_t kReadBytes = 64u << 10;

}  // namespace

void Reply::Answer(absl::string_view outcome) const { connection_->Respond(id_, outcome); }

Connection::Connection(int socket, RequestHandler* handler, std::function<void(ConnectionPtr)> attention)
    : socket_(socket), handler_(handler), attention_(std::move(attention)), events_(EPOLLIN) {}

Connection::~Connection() { ::close(socket_); }

bool Connection::Receive() {
  char bytes[kReadBytes];
  const ssize_t got = ::recv(socket_, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (got == 0) return false;
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  in_.append(bytes, static_cast<size_t>(got));
  return TakeRequests();
}

bool Connection::TakeRequests() {
  bool more = true;
  while ((more = MayTakeMore(1))) {
    std::optional<absl::string_view> body;
    size_t consumed = 0;
    if (!TakeFrame(absl::string_view(in_).substr(in_taken_), kRequestBytesMax, &body, &consumed)) return false;
    if (!body) break;
    in_taken_ += consumed;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++outstanding_;
    }
    const Request request = ParseRequest(*body);
    handler_->Handle(request.command, Reply(shared_from_this(), request.id));
  }
  in_.erase(0, std::exchange(in_taken_, 0));
  events_ = more ? events_ | EPOLLIN : events_ & ~static_cast<uint32_t>(EPOLLIN);
  return true;
}

// `share` 1: up to the bounds; 2: up to half of them.
bool Connection::MayTakeMore(size_t share) {
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_ = outstanding_ >= kOutstandingMax / share || out_.size() - out_sent_ >= kOutBytesMax / share;
  return !waiting_;
}

bool Connection::Flush() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    attended_ = false;
    if (!SendLocked()) return false;
    events_ = out_.empty() ? events_ & ~static_cast<uint32_t>(EPOLLOUT) : events_ | EPOLLOUT;
  }
  const bool waits = (events_ & EPOLLIN) == 0 && !finishing_;
  return !waits || !MayTakeMore(2) || TakeRequests();
}

bool Connection::SendLocked() {
  while (out_sent_ < out_.size()) {
    const ssize_t sent = ::send(socket_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    out_sent_ += static_cast<size_t>(sent);
  }
  out_.clear();
  out_sent_ = 0;
  return true;
}

void Connection::Respond(uint64_t id, absl::string_view outcome) {
  bool attend = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    --outstanding_;
    if (closed_) return;
    const bool alone = outstanding_ == 0 && out_.empty();
    AppendResponse(id, outcome, &out_);
    // A broken connection is found out by the server's thread, which reads from it.
    if (alone && SendLocked() && out_.empty() && !waiting_) return;
    // While reading has stopped, every answer may be the one that lets it go on.
    attend = !std::exchange(attended_, true);
  }
  if (attend) attention_(shared_from_this());
}

void Connection::TakeNoMore() {
  finishing_ = true;
  events_ &= ~static_cast<uint32_t>(EPOLLIN);
}

void Connection::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  out_.clear();
  out_sent_ = 0;
}

bool Connection::idle() {
  std::lock_guard<std::mutex> lock(mutex_);
  return outstanding_ == 0 && out_.empty();
}

}  // namespace quorate::host
