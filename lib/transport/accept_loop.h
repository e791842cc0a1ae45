// A listening port of our own: accepts connections, looks at their first bytes and hands them to whoever speaks
// that protocol.
//
// Why not gRPC's listener: version 1.51 never accepts again once accept() has failed for want of descriptors, even
// after they are free again, while the process looks healthy (the class of CVE-2023-4785). This loop backs off and
// recovers; it holds one descriptor in reserve, so that it can turn a caller away instead of letting it hang. It
// also gives what gRPC's listener can't: caps per address, an answer for HTTP/1 on the wrong port, and a place
// where another protocol can share the port.
//
// One thread polls the listening socket, a wake-up eventfd and the few connections whose first bytes haven't come
// yet; a connection that says nothing costs a descriptor until the handshake timeout, never a thread (F-X03).
// After the hand-over the loop has nothing to do with a connection any more but to count it
// (lib/transport/connection_registry.h).
//
// Start and Stop from one thread; counters() from any. The consumer is called on the loop's thread.
#ifndef QUORATE_LIB_TRANSPORT_ACCEPT_LOOP_H_
#define QUORATE_LIB_TRANSPORT_ACCEPT_LOOP_H_

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/log_sink.h"
#include "quorate/types.h"
#include "transport/connection_registry.h"
#include "transport/sniffer.h"

namespace quorate::transport {

// A connection whose protocol is known. The receiver owns `fd` from now on.
struct AcceptedConnection {
  int fd = -1;
  std::string first_bytes;  // already read from it
  std::string peer;         // "127.0.0.1:54321", for logs
};

struct AcceptLoopOptions {
  Endpoint bind;  // an empty host: all addresses, IPv4 and IPv6
  int connections_max = 0;
  int connections_per_address_max = 0;
  absl::Duration handshake_timeout;
  // Takes connections that begin as HTTP/2.
  absl::AnyInvocable<void(AcceptedConnection)> on_http2;
  // Called about once a second on the loop's thread, for housekeeping of the protocols behind it.
  absl::AnyInvocable<void()> on_tick;
  std::shared_ptr<LogSink> log_sink;
  // For tests: stands in for accept4(2).
  std::function<int(int listen_fd, sockaddr* address, unsigned int* length)> accept;
};

class AcceptLoop {
 public:
  struct Counters {
    uint64_t accepted = 0;
    uint64_t handed_over = 0;
    uint64_t refused_cap = 0;         // over a cap
    uint64_t refused_protocol = 0;    // garbage, HTTP/1, TLS to a plain port
    uint64_t handshake_timeouts = 0;  // said too little for too long, or hung up before
    uint64_t accept_failures = 0;     // EMFILE and the like
    int64_t live = 0;                 // connections now, as of the last look
  };

  // Binds and listens, but accepts nothing before Start: a port in use is found out early (kInUse).
  static absl::StatusOr<std::unique_ptr<AcceptLoop>> Create(AcceptLoopOptions options);
  ~AcceptLoop();
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

  void Start();
  // Closes the port and all connections that weren't handed over; no callback runs after it returned. Idempotent.
  void Stop();

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] Counters counters() const;

 private:
  struct Pending {
    int fd = -1;
    std::string peer;
    std::string bytes;
    Instant deadline;
    bool draining = false;  // answered; waits for the other side to close, so that the answer isn't lost
    size_t drained = 0;
  };
  using PendingList = std::list<Pending>;

  AcceptLoop(AcceptLoopOptions options, int listen_fd, int wake_fd, uint16_t port);

  void Run();
  void PollOnce();
  absl::Duration PollTimeout(Instant now) const;
  void AcceptSome();
  void OnAccepted(int fd, const sockaddr* address);
  void OnAcceptFailure(int error);
  // Each returns false when the connection is done with: closed or handed over.
  bool Advance(Pending* pending);
  bool Drain(Pending* pending);
  bool HandOver(Pending* pending);
  bool AnswerHttp1(Pending* pending);
  bool Refuse(Pending* pending, absl::string_view why);
  void Close(int fd);
  void Tick(Instant now);
  void TakeReserve();
  void Log(LogLevel level, absl::string_view line);

  AcceptLoopOptions options_;
  const int listen_fd_;
  const int wake_fd_;
  const uint16_t port_;
  int reserve_fd_ = -1;
  Instant accept_again_;
  absl::Duration accept_backoff_;
  Instant next_tick_;
  Instant next_log_;
  uint64_t unlogged_ = 0;
  PendingList pending_;
  ConnectionRegistry registry_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;

  std::atomic<uint64_t> accepted_{0};
  std::atomic<uint64_t> handed_over_{0};
  std::atomic<uint64_t> refused_cap_{0};
  std::atomic<uint64_t> refused_protocol_{0};
  std::atomic<uint64_t> handshake_timeouts_{0};
  std::atomic<uint64_t> accept_failures_{0};
  std::atomic<int64_t> live_{0};
};

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_ACCEPT_LOOP_H_
