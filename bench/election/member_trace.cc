#include "member_trace.h"

#include <unistd.h>

#include "quorate/system.h"

namespace quorate::bench {

int64_t NowNanos() { return SystemClock()->Now().nanos(); }

void MemberTrace::Add(const std::string& line, bool flush) {
  constexpr size_t kKeptMax = 64 * 1024;  // a pipe's
  std::lock_guard<std::mutex> lock(mutex_);
  kept_ += line;
  if (!flush && kept_.size() < kKeptMax) return;
  for (size_t written = 0; written < kept_.size();) {
    const ssize_t n = write(to_, kept_.data() + written, kept_.size() - written);
    if (n <= 0) _exit(1);  // nobody listens: the parent is gone
    written += static_cast<size_t>(n);
  }
  kept_.clear();
}

void RoleObserver::OnStep(const raft::Core& core, const raft::Effects&) {
  if (core.role() == role_ && core.epoch() == epoch_) return;
  role_ = core.role();
  epoch_ = core.epoch();
  trace_->Note(NowNanos(), "role", ToString(role_), epoch_.value());
}

}  // namespace quorate::bench
