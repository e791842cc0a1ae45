// Ctrl-C and SIGTERM leave nothing behind: the processes that a benchmark started are killed by their ids, its folders
// removed, and then it ends. Why not leave that to destructors: the thread that owns them may be waiting for anything.
//
// Thread-safe.
#ifndef QUORATE_BENCH_HOST_CLEANUP_H_
#define QUORATE_BENCH_HOST_CLEANUP_H_

#include <sys/types.h>

#include <string>

namespace quorate::bench {

// Once, before the process has a second thread: they inherit the signal mask.
void CleanUpOnSignals();

void CleanUpFolder(const std::string& folder);
void CleanUpProcess(pid_t pid);
// It is gone already.
void ForgetFolder(const std::string& folder);
void ForgetProcess(pid_t pid);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_HOST_CLEANUP_H_
