// strace, as a means to make a process's system calls fail, and to see what it did.
//
// The tracer that is attached here is a child of the test and detaches when it ends; the process it looks at goes on.
//
// One thread, that of the test.
#ifndef QUORATE_TESTS_BLACKBOX_TRACER_H_
#define QUORATE_TESTS_BLACKBOX_TRACER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/process.h"

namespace quorate::blackbox {

// One system call, as the tracer saw it begin.
struct TracedCall {
  std::string name;
  std::string file;       // the path of its descriptor
  bool injected = false;  // it was made to fail
};

// While it lives, processes that are started don't look for leaks at their end: the leak sanitizer can't, under a
// tracer, and ends them with a code of its own. Without sanitizers it changes nothing.
class NoLeakCheck {
 public:
  NoLeakCheck();
  ~NoLeakCheck();
  NoLeakCheck(const NoLeakCheck&) = delete;
  NoLeakCheck& operator=(const NoLeakCheck&) = delete;
};

class Tracer {
 public:
  // Why no process can be traced here; empty: it can.
  static std::string Obstacle();

  // Traces fdatasync and writes to files, and injects as strace's -e inject= says: "fdatasync:error=EIO:when=7",
  // counted for each thread. With `file`: only calls for that one. Null when it can't attach. The trace is at `output`.
  static std::unique_ptr<Tracer> Attach(pid_t pid, const std::string& inject, const std::string& output,
                                        const std::string& file = "");
  // The beginning of a command line that starts a program under it, as the process that was started.
  static std::vector<std::string> Wrapper(const std::string& inject, const std::string& output);

  // What it has seen in the process, which has ended. Waits until all of it is written.
  std::vector<TracedCall> Calls();
  static std::vector<TracedCall> ParseCalls(const std::string& text);

 private:
  Tracer(std::string output, std::unique_ptr<testing::Process> process)
      : output_(std::move(output)), process_(std::move(process)) {}

  const std::string output_;
  const std::unique_ptr<testing::Process> process_;
};

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_TRACER_H_
