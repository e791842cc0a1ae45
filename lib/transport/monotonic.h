// The time that socket timeouts and backoffs go by. The gRPC adapter deals with real sockets and real threads, so
// real time is the only one that makes sense for it; nothing outside this adapter uses this.
#ifndef QUORATE_LIB_TRANSPORT_MONOTONIC_H_
#define QUORATE_LIB_TRANSPORT_MONOTONIC_H_

#include <chrono>

#include "quorate/environment.h"

namespace quorate::transport {

inline Instant MonotonicNow() {
  return Instant::FromNanos(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

// The same moment for std::condition_variable::wait_until. Not for Instant::Infinite.
inline std::chrono::steady_clock::time_point ToTimePoint(Instant when) {
  return std::chrono::steady_clock::time_point(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::nanoseconds(when.nanos())));
}

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_MONOTONIC_H_
