// What a process has used so far, as the kernel counts it.
#ifndef QUORATE_BENCH_HOST_USAGE_H_
#define QUORATE_BENCH_HOST_USAGE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace quorate::bench {

struct Usage {
  double cpu_ms = 0;        // user and system, of all threads that it ever had; in steps of 10 ms
  uint64_t disk_bytes = 0;  // what it made the kernel send to disks: whole pages, file system journal not included
  uint64_t rss_bytes = 0;   // now
  Usage& operator+=(const Usage& other);
};

absl::StatusOr<Usage> ReadUsage(pid_t pid);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_HOST_USAGE_H_
