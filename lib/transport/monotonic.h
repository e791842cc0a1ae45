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

}  // namespace quorate::transport

#endif  // QUORATE_LIB_TRANSPORT_MONOTONIC_H_
