// File: quorate/system.h
//
// The real world: CLOCK_MONOTONIC, the kernel's entropy, POSIX files, threads.
#ifndef QUORATE_SYSTEM_H_
#define QUORATE_SYSTEM_H_

#include "quorate/environment.h"
#include "quorate/file_system.h"

namespace quorate {

// Each lives until the end of the process and is thread-safe.
Clock* SystemClock();
Random* SystemRandom();
FileSystem* PosixFileSystem();
// One named thread per executor. Timers are served by the same thread.
ExecutorFactory* ThreadExecutorFactory();

}  // namespace quorate

#endif  // QUORATE_SYSTEM_H_
