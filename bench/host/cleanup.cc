#include "host/cleanup.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

namespace quorate::bench {
namespace {

struct Leftovers {
  std::mutex mutex;
  std::set<std::string> folders;  // guarded by mutex
  std::set<pid_t> processes;      // guarded by mutex
};

Leftovers& All() {
  static auto* const all = new Leftovers();  // never destroyed: the thread below outlives main
  return *all;
}

[[noreturn]] void CleanUpAndEnd(int signal) {
  Leftovers& all = All();
  std::lock_guard<std::mutex> lock(all.mutex);  // for good: nothing is started any more
  for (const pid_t pid : all.processes) ::kill(pid, SIGKILL);
  for (const pid_t pid : all.processes) ::waitpid(pid, nullptr, 0);
  std::error_code ignored;
  for (const std::string& folder : all.folders) std::filesystem::remove_all(folder, ignored);
  ::_exit(128 + signal);
}

}  // namespace

void CleanUpOnSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    while (::sigwait(&signals, &signal) != 0) {
    }
    CleanUpAndEnd(signal);
  }).detach();
}

void CleanUpFolder(const std::string& folder) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().folders.insert(folder);
}

void CleanUpProcess(pid_t pid) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().processes.insert(pid);
}

void ForgetFolder(const std::string& folder) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().folders.erase(folder);
}

void ForgetProcess(pid_t pid) {
  std::lock_guard<std::mutex> lock(All().mutex);
  All().processes.erase(pid);
}

}  // namespace quorate::bench
