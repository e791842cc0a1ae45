#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Signals>> Signals::Create() {
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = StopSignals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const int signal_fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signal_fd < 0 || wake_fd < 0) {
    const absl::Status failed =
        MakeError(Reason::kUnspecified, Outcome::kNotApplied,
                  absl::StrCat("can't make the descriptors that signals are read from: ", std::strerror(errno)));
    if (signal_fd >= 0) ::close(signal_fd);
    if (wake_fd >= 0) ::close(wake_fd);
    return failed;
  }
  return std::unique_ptr<Signals>(new Signals(signal_fd, wake_fd));
}

Signals::~Signals() {
  ::close(signal_fd_);
  ::close(wake_fd_);
}

Signals::Event Signals::Wait(absl::Duration timeout) {
  std::array<pollfd, 2> fds = {pollfd{signal_fd_, POLLIN, 0}, pollfd{wake_fd_, POLLIN, 0}};
  const int64_t millis = std::clamp<int64_t>(absl::ToInt64Milliseconds(timeout), 0, INT_MAX);
  if (::poll(fds.data(), fds.size(), static_cast<int>(millis)) <= 0) return Event::kTimeout;
  signalfd_siginfo info;
  if (::read(signal_fd_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    last_signal_ = static_cast<int>(info.ssi_signo);
    return Event::kStop;
  }
  uint64_t count = 0;
  return ::read(wake_fd_, &count, sizeof(count)) > 0 ? Event::kWoken : Event::kTimeout;
}

void Signals::Wake() {
  const uint64_t one = 1;
  // Can only fail when the counter is full, and then the waiter is woken already.
  (void)!::write(wake_fd_, &one, sizeof(one));
}

void Signals::LetTheNextOneKill() {
  const sigset_t set = StopSignals();
  ::signal(SIGTERM, SIG_DFL);
  ::signal(SIGINT, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace quorate::cli
