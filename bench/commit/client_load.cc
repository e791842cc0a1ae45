#include "client_load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/system.h"

namespace quorate::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);
constexpr uint64_t kFailuresMax = 1000;
constexpr size_t kReadBytes = 256u << 10;

struct Connection {
  int socket = -1;
  std::string in;
  std::string out;
  size_t out_sent = 0;
  bool wants_out = false;  // the socket was full
};

// A call under way. Its place in the table is its id.
struct Call {
  Instant called;  // was meant to begin
  Connection* connection = nullptr;
  size_t history = 0;  // its place there
};

class ClientLoad {
 public:
  ClientLoad(const LoadSpec& spec, Instant start)
      : spec_(spec), start_(start), meter_(spec, start), source_(spec, /*stream=*/0), buffer_(kReadBytes) {}
  ~ClientLoad() {
    for (const auto& connection : connections_) ::close(connection->socket);
    if (epoll_ >= 0) ::close(epoll_);
  }

  absl::Status Connect(int port);
  absl::Status Run();
  LoadResult Result();

 private:
  [[nodiscard]] bool open_loop() const { return spec_.rate > 0; }
  [[nodiscard]] bool BeganAll(Instant now) const {
    return now >= meter_.end() || (spec_.calls_max > 0 && begun_ >= spec_.calls_max);
  }
  [[nodiscard]] Instant DueAt(uint64_t call) const {
    return Instant::FromNanos(start_.nanos() + static_cast<int64_t>(static_cast<double>(call) * 1e9 / spec_.rate));
  }
  void Begin(size_t id, Instant called);
  void BeginDue(Instant now);
  absl::Status Wait(Instant now);
  absl::Status Receive(Connection& connection);
  absl::Status Answered(absl::string_view body, Instant now);
  absl::Status Send(Connection& connection);
  void Watch(Connection& connection, bool wants_out);

  const LoadSpec& spec_;
  const Instant start_;
  LoadMeter meter_;
  CommandSource source_;
  std::vector<char> buffer_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Call> calls_;
  std::vector<size_t> idle_;  // ids that no call has
  uint64_t begun_ = 0;
  Instant last_answer_ = start_;
  std::vector<testing::Operation> history_;
};

absl::Status ClientLoad::Connect(int port) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  const int count = std::clamp(spec_.connections, 1, spec_.callers);
  for (int i = 0; i < count; ++i) {
    auto connection = std::make_unique<Connection>();
    connection->socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int connected = ::connect(connection->socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    if (connected != 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->socket, &event) != 0) {
      const absl::Status status = absl::ErrnoToStatus(errno, absl::StrCat("can't connect to port ", port));
      ::close(connection->socket);
      return status;
    }
    connections_.push_back(std::move(connection));
  }
  for (int id = 0; id < spec_.callers; ++id) {
    Call call;
    call.connection = connections_[static_cast<size_t>(id) % connections_.size()].get();
    calls_.push_back(call);
    idle_.push_back(static_cast<size_t>(spec_.callers - 1 - id));
  }
  return absl::OkStatus();
}

void ClientLoad::Begin(size_t id, Instant called) {
  Call& call = calls_[id];
  call.called = called;
  const host::Command& command = source_.Next();
  AppendRequest(id, command, &call.connection->out);
  ++begun_;
  if (!spec_.record) return;
  call.history = history_.size();
  testing::Operation operation;
  operation.key = std::string(command.key);
  operation.input = spec_.read ? "read" : absl::StrCat("write ", command.argument);
  operation.called = SystemClock()->Now();  // when it was meant to begin is no concern of the history
  history_.push_back(std::move(operation));
}

// Begins what is due, as far as there is room.
void ClientLoad::BeginDue(Instant now) {
  while (!idle_.empty() && !BeganAll(now) && (!open_loop() || DueAt(begun_) <= now)) {
    const size_t id = idle_.back();
    idle_.pop_back();
    Begin(id, open_loop() ? DueAt(begun_) : now);
  }
}

absl::Status ClientLoad::Run() {
  while (true) {
    const Instant now = SystemClock()->Now();
    BeginDue(now);
    for (const auto& connection : connections_) {
      if (connection->wants_out || connection->out.empty()) continue;
      if (absl::Status sent = Send(*connection); !sent.ok()) return sent;
    }
    if (BeganAll(now) && idle_.size() == calls_.size()) return absl::OkStatus();
    if (meter_.failed() > kFailuresMax) return absl::OkStatus();
    if (absl::Status waited = Wait(now); !waited.ok()) return waited;
  }
}

absl::Status ClientLoad::Wait(Instant now) {
  // Calls of an open loop begin to the microsecond, so not with the milliseconds of epoll_wait.
  absl::Duration limit = absl::Milliseconds(100);
  if (open_loop() && !idle_.empty() && !BeganAll(now)) {
    limit = std::clamp(DueAt(begun_) - now, absl::ZeroDuration(), limit);
  }
  const timespec timeout = absl::ToTimespec(limit);
  std::array<epoll_event, 64> events;
  const int count = ::epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    auto& connection = *static_cast<Connection*>(event.data.ptr);
    absl::Status status;
    if ((event.events & EPOLLOUT) != 0) status = Send(connection);
    if (status.ok() && (event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) status = Receive(connection);
    if (!status.ok()) return status;
  }
  const bool waiting = idle_.size() < calls_.size();
  if (count > 0 || !waiting || SystemClock()->Now() - last_answer_ < kPatience) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("no answer for ", absl::FormatDuration(kPatience), "; does the cluster still have a majority?"));
}

absl::Status ClientLoad::Receive(Connection& connection) {
  const ssize_t got = ::recv(connection.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (got <= 0) return absl::UnavailableError("the node closed the connection; its log says why");
  last_answer_ = SystemClock()->Now();
  // What is whole is taken where it was read; only a rest is copied.
  absl::string_view bytes(buffer_.data(), static_cast<size_t>(got));
  if (!connection.in.empty()) {
    connection.in.append(bytes.data(), bytes.size());
    bytes = connection.in;
  }
  while (true) {
    std::optional<absl::string_view> body;
    size_t consumed = 0;
    if (!host::TakeFrame(bytes, host::kResponseBytesMax, &body, &consumed)) {
      return absl::DataLossError("the node answered with nonsense");
    }
    if (!body) break;
    if (absl::Status status = Answered(*body, last_answer_); !status.ok()) return status;
    bytes.remove_prefix(consumed);
  }
  connection.in = std::string(bytes);
  return absl::OkStatus();
}

absl::Status ClientLoad::Answered(absl::string_view body, Instant now) {
  const std::optional<host::Response> response = host::ParseResponse(body);
  if (!response || response->id >= calls_.size()) return absl::DataLossError("the node answered with nonsense");
  const Call& call = calls_[response->id];
  if (response->result == host::Result::kOk) {
    meter_.Succeeded(call.called, now);
    if (spec_.record) {
      history_[call.history].output = std::string(response->payload);
      history_[call.history].returned = SystemClock()->Now();
    }
  } else {
    const std::optional<host::Refusal> refusal = host::ParseRefusal(response->payload);
    meter_.Failed(refusal ? refusal->message : response->payload);
    // Certainly without effect: as if it had never been. A write of unknown fate stays open.
    if (spec_.record && response->result != host::Result::kUnknown) history_[call.history].key.clear();
  }
  idle_.push_back(response->id);
  return absl::OkStatus();
}

absl::Status ClientLoad::Send(Connection& connection) {
  while (connection.out_sent < connection.out.size()) {
    const ssize_t sent = ::send(connection.socket, connection.out.data() + connection.out_sent,
                                connection.out.size() - connection.out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      Watch(connection, true);
      return absl::OkStatus();
    }
    if (sent < 0) return absl::UnavailableError("the node closed the connection; its log says why");
    connection.out_sent += static_cast<size_t>(sent);
  }
  connection.out.clear();
  connection.out_sent = 0;
  Watch(connection, false);
  return absl::OkStatus();
}

void ClientLoad::Watch(Connection& connection, bool wants_out) {
  if (connection.wants_out == wants_out) return;
  connection.wants_out = wants_out;
  epoll_event event{};
  event.events = EPOLLIN | (wants_out ? static_cast<uint32_t>(EPOLLOUT) : 0);
  event.data.ptr = &connection;
  ::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.socket, &event);
}

LoadResult ClientLoad::Result() {
  LoadResult result = meter_.Result();
  for (testing::Operation& operation : history_) {
    const bool read_without_answer = spec_.read && !operation.output.has_value();
    if (!operation.key.empty() && !read_without_answer) result.history.push_back(std::move(operation));
  }
  return result;
}

}  // namespace

absl::StatusOr<LoadResult> RunClientLoad(const LoadSpec& spec, int port) {
  ClientLoad load(spec, SystemClock()->Now());
  if (absl::Status connected = load.Connect(port); !connected.ok()) return connected;
  if (absl::Status ran = load.Run(); !ran.ok()) return ran;
  return load.Result();
}

}  // namespace quorate::bench
