// Turns signals, and events from other threads, into something that the main thread waits for.
//
// SIGTERM and SIGINT are blocked and read from a descriptor instead of being caught by a handler: a handler may call
// next to nothing, and would have to hand over to a thread anyway. Made before the first other thread, so that all
// threads inherit the mask and no signal is lost. SIGPIPE is ignored for good: a peer that went away is an error of
// a write, not the end of the process.
//
// Wait is for one thread; Wake may be called from any.
#ifndef QUORATE_CLI_SIGNALS_H_
#define QUORATE_CLI_SIGNALS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace quorate::cli {

class Signals {
 public:
  static absl::StatusOr<std::unique_ptr<Signals>> Create();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  enum class Event { kTimeout, kStop, kWoken };
  // Until a signal asks to stop, Wake was called, or `timeout` passed.
  Event Wait(absl::Duration timeout);
  void Wake();
  // From here on a second SIGTERM or SIGINT ends the process at once, as if nobody had asked for them.
  void LetTheNextOneKill();
  [[nodiscard]] int last_signal() const { return last_signal_; }

 private:
  Signals(int signal_fd, int wake_fd) : signal_fd_(signal_fd), wake_fd_(wake_fd) {}
  const int signal_fd_;
  const int wake_fd_;
  int last_signal_ = 0;
};

}  // namespace quorate::cli

#endif  // QUORATE_CLI_SIGNALS_H_
