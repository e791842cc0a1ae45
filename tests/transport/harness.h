// Helpers that the transport tests share: waiting for a condition in real time, a raw TCP client.
#ifndef QUORATE_TESTS_TRANSPORT_HARNESS_H_
#define QUORATE_TESTS_TRANSPORT_HARNESS_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "quorate/log_sink.h"
#include "quorate/transport.h"

namespace quorate::testing {

inline bool WaitFor(absl::FunctionRef<bool()> condition, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    // Not synchronisation: only keeps the wait from burning the core that the other side needs.
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

// A blocking client socket with a read timeout.
class RawClient {
 public:
  explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  bool Write(absl::string_view bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // Reads until the other side closes; nullopt-like "<timeout>" when it doesn't.
  std::string ReadToEnd(int timeout_ms = 10'000) {
    std::string out;
    char buffer[4096];
    while (true) {
      pollfd p{fd_, POLLIN, 0};
      if (::poll(&p, 1, timeout_ms) <= 0) return out + "<timeout>";
      const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (n <= 0) return out;
      out.append(buffer, static_cast<size_t>(n));
    }
  }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
  bool connected_ = false;
};

// Keeps the lines.
class MemoryLog final : public LogSink {
 public:
  [[nodiscard]] bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel, absl::string_view, absl::string_view line) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.emplace_back(line);
  }
  [[nodiscard]] int Count(absl::string_view part) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    int n = 0;
    for (const std::string& line : lines_) n += line.find(std::string(part)) != std::string::npos ? 1 : 0;
    return n;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTS_TRANSPORT_HARNESS_H_
