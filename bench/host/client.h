// A client's connection to one register host.
//
// One thread. Every wait has a deadline.
#ifndef QUORATE_BENCH_HOST_CLIENT_H_
#define QUORATE_BENCH_HOST_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "host/protocol.h"
#include "quorate/environment.h"

namespace quorate::host {

// An answer that owns its bytes.
struct Answer {
  uint64_t id = 0;
  Result result = Result::kUnknown;
  std::string payload;
  // For kNotApplied and kUnknown.
  [[nodiscard]] NodeId leader() const;
  [[nodiscard]] std::string message() const;
};

class Client {
 public:
  // Null when nobody accepts, at once on this machine.
  static std::unique_ptr<Client> Connect(int port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends without waiting for the answer. nullopt: the connection is broken, and the request may have arrived or not.
  std::optional<uint64_t> Send(const Command& command);
  // The next answer, whichever request it is for. nullopt: none by then, or the connection is broken.
  std::optional<Answer> Receive(Instant deadline);
  // One request and its answer; answers to earlier ones are dropped.
  std::optional<Answer> Call(const Command& command, absl::Duration limit);
  // The other side closed it, or spoke nonsense.
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  explicit Client(int socket) : socket_(socket) {}
  bool Wait(short event, Instant deadline);

  const int socket_;
  uint64_t next_id_ = 1;
  std::string in_;
  bool broken_ = false;
};

}  // namespace quorate::host

#endif  // QUORATE_BENCH_HOST_CLIENT_H_
