// Measures for how long a node's strand is held at a time.
#ifndef QUORATE_TESTS_QUORUM_STRAND_METER_H_
#define QUORATE_TESTS_QUORUM_STRAND_METER_H_

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "quorate/system.h"
#include "raft/observer.h"

namespace quorate::quorum {

// What the kernel says of the calling thread: how long it was ready to run, and others ran.
class RunDelay {
 public:
  RunDelay() : file_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}
  ~RunDelay() {
    if (file_ >= 0) close(file_);
  }
  int64_t nanoseconds() const {
    char text[128] = {};
    const ssize_t length = pread(file_, text, sizeof(text) - 1, 0);
    if (length <= 0) return 0;  // a kernel without it: the measure is then only coarser
    const std::vector<absl::string_view> fields = absl::StrSplit(absl::string_view(text, length), ' ');
    int64_t delay = 0;
    return fields.size() > 1 && absl::SimpleAtoi(fields[1], &delay) ? delay : 0;
  }

 private:
  const int file_;
};

// How long the strand is held at a time: by the clock, but for the time in which its thread could have run and the
// machine was busy with something else; and but for the test's wire, one lock for both nodes, behind whose owner one
// may have to wait when that one's thread is not running.
class StrandMeter final : public raft::Observer {
 public:
  void OnStep(const raft::Core&, const raft::Effects&) override {}
  void OnTurn(bool begins) override {
    if (begins) {
      begun_ns_ = Now();
      elsewhere_ns_ = 0;
    } else {
      longest_ns_ = std::max(longest_ns_.load(), Now() - begun_ns_ - elsewhere_ns_);
    }
  }
  // Within a turn.
  void Elsewhere(absl::FunctionRef<void()> call) {
    const int64_t begun_ns = Now();
    call();
    elsewhere_ns_ += Now() - begun_ns;
  }
  absl::Duration longest() const { return absl::Nanoseconds(longest_ns_.load()); }

 private:
  static int64_t Now() {
    thread_local const RunDelay run_delay;
    return SystemClock()->Now().nanos() - run_delay.nanoseconds();
  }
  int64_t begun_ns_ = 0;      // the strand's
  int64_t elsewhere_ns_ = 0;  // likewise
  std::atomic<int64_t> longest_ns_{0};
};

}  // namespace quorate::quorum

#endif  // QUORATE_TESTS_QUORUM_STRAND_METER_H_
