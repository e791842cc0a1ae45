// Child processes of a test: started, killed and waited for by their id, never by a name; and none outlives the test.
//
// A child that is killed can't say by its exit code that a sanitizer found something. So, in builds with one, the test
// fails when a child's output has a report in it: looked for when the Process goes, on the thread of the test.
#ifndef QUORATE_TESTS_SUPPORT_PROCESS_H_
#define QUORATE_TESTS_SUPPORT_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace quorate::testing {

// How a process ended: its exit code, or the signal that ended it.
struct ProcessEnd {
  int exit_code = -1;
  int signal = 0;
};

class Process {
 public:
  // Starts args[0] with both outputs appended to `output`. Null when it can't be started.
  static std::unique_ptr<Process> Start(const std::vector<std::string>& args, const std::string& output);
  ~Process();  // kills what still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running() { return !Poll().has_value(); }
  void Signal(int signal);
  // nullopt when it still runs after `limit`.
  std::optional<ProcessEnd> WaitForEnd(absl::Duration limit);

 private:
  Process(pid_t pid, std::string output) : pid_(pid), output_(std::move(output)) {}
  std::optional<ProcessEnd> Poll();

  const pid_t pid_;
  const std::string output_;
  std::optional<ProcessEnd> end_;
};

// A command that ends by itself.
struct CommandOutput {
  int exit_code = -1;  // -1: ended by a signal, or not at all within the limit
  std::string text;    // both outputs
};
CommandOutput RunCommand(const std::vector<std::string>& args, absl::Duration limit = absl::Seconds(60));

std::string ReadText(const std::string& path);

// `count` different ports that nobody listens on, outside the range from which the kernel takes the ports of outgoing
// connections, so that they stay free until they are bound.
std::vector<int> FreePorts(int count);

// Sends bytes to a port of this machine and reads until the other side closes, at most for `limit`. nullopt
// when the connection isn't accepted.
std::optional<std::string> SendBytes(int port, const std::string& bytes, absl::Duration limit);

}  // namespace quorate::testing

#endif  // QUORATE_TESTS_SUPPORT_PROCESS_H_
