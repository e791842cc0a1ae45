#include "support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "support/wait.h"

namespace quorate::testing {

namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool IsFree(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(port);
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return free;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Ends this process too: benchmarks have children as well, and no test framework to tell.
void FailOnReports(const std::string& output) {
  const std::string text = ReadText(output);
  for (const char* mark : {"Sanitizer: ", "runtime error: "}) {
    const size_t found = text.find(mark);
    if (found == std::string::npos) continue;
    std::fprintf(stderr, "a child's %s has: %s\n", output.c_str(), text.substr(found, 8'000).c_str());
    std::abort();
  }
}
#endif

}  // namespace

std::unique_ptr<Process> Process::Start(const std::vector<std::string>& args, const std::string& output) {
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return nullptr;
  if (pid == 0) {
    // Between fork and exec only calls that are safe in a signal handler: the parent has threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    const int in = ::open("/dev/null", O_RDONLY);
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (in < 0 || out < 0) ::_exit(126);
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  return std::unique_ptr<Process>(new Process(pid, output));
}

Process::~Process() {
  if (running()) {
    Signal(SIGKILL);
    WaitForEnd(absl::Seconds(10));
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  FailOnReports(output_);
#endif
}

void Process::Signal(int signal) {
  // A process that was waited for is gone, and its number may be somebody else's.
  if (running()) ::kill(pid_, signal);
}

std::optional<ProcessEnd> Process::Poll() {
  int status = 0;
  if (!end_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    ProcessEnd end;
    if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
    end_ = end;
  }
  return end_;
}

std::optional<ProcessEnd> Process::WaitForEnd(absl::Duration limit) {
  WaitUntil([this] { return Poll().has_value(); }, limit);
  return Poll();
}

CommandOutput RunCommand(const std::vector<std::string>& args, absl::Duration limit) {
  std::string path = (std::filesystem::temp_directory_path() / "quorate-command-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  if (fd < 0) return {};
  ::close(fd);
  CommandOutput result;
  if (std::unique_ptr<Process> process = Process::Start(args, path)) {
    if (std::optional<ProcessEnd> end = process->WaitForEnd(limit)) result.exit_code = end->exit_code;
  }
  result.text = ReadText(path);
  std::filesystem::remove(path);
  return result;
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<int> FreePorts(int count) {
  constexpr int kFirst = 12'000, kSpan = 18'000;
  // Where to look first depends on the process, so that tests which run at the same time don't race for the same.
  static int next = (::getpid() * 61) % kSpan;
  std::vector<int> ports;
  for (int tries = 0; tries < kSpan && static_cast<int>(ports.size()) < count; ++tries) {
    const int port = kFirst + next;
    next = (next + 1) % kSpan;
    if (IsFree(port)) ports.push_back(port);
  }
  return ports;
}

std::optional<std::string> SendBytes(int port, const std::string& bytes, absl::Duration limit) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  const sockaddr_in address = Loopback(port);
  std::optional<std::string> answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    answer.emplace();
    (void)!::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    char buffer[4096];
    pollfd set{fd, POLLIN, 0};
    while (::poll(&set, 1, static_cast<int>(absl::ToInt64Milliseconds(limit))) > 0) {
      const ssize_t n = ::recv(fd, buffer, sizeof(buffer), 0);
      if (n <= 0) break;
      answer->append(buffer, static_cast<size_t>(n));
    }
  }
  ::close(fd);
  return answer;
}

}  // namespace quorate::testing
