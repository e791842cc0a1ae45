// File: quorate/environment.h
//
// The world as quorate sees it: time, execution, randomness. Nothing in the library touches a clock,
// a thread or an entropy source except through these, so that a whole node runs under virtual time
// on one thread in a test. A host passes its own, or takes System() from quorate/system.h.
#ifndef QUORATE_ENVIRONMENT_H_
#define QUORATE_ENVIRONMENT_H_

#include <compare>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace quorate {

// A moment on a node's monotonic clock, in nanoseconds since an arbitrary start. Never compared
// between nodes, never stored.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant FromNanos(int64_t nanos) { return Instant(nanos); }
  static constexpr Instant Infinite() { return Instant(INT64_MAX); }
  [[nodiscard]] constexpr int64_t nanos() const { return nanos_; }
  [[nodiscard]] constexpr bool is_infinite() const { return nanos_ == INT64_MAX; }

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend Instant operator+(Instant a, absl::Duration d) {
    if (a.is_infinite() || d == absl::InfiniteDuration()) return Infinite();
    return Instant(a.nanos_ + absl::ToInt64Nanoseconds(d));
  }
  friend absl::Duration operator-(Instant a, Instant b) { return absl::Nanoseconds(a.nanos_ - b.nanos_); }

 private:
  constexpr explicit Instant(int64_t nanos) : nanos_(nanos) {}
  int64_t nanos_ = 0;
};

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic: for every timeout and deadline.
  virtual Instant Now() = 0;
  // Wall clock: for display and record timestamps only; nothing is ordered by it (fault F-P07).
  virtual absl::Time WallNow() = 0;
};

// Thread-safe. A seeded implementation makes a run repeatable.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound);
};

using Task = absl::AnyInvocable<void() &&>;

// Runs tasks and timers. Thread-safe. Tasks posted to one executor may run concurrently unless the
// implementation says otherwise. The destructor runs what was posted, also what that posts, and forgets timers.
class Executor {
 public:
  using TimerId = uint64_t;
  static constexpr TimerId kNoTimer = 0;

  virtual ~Executor() = default;
  // Runs `task` soon, never inside this call.
  virtual void Post(Task task) = 0;
  // Runs `task` once at `when` or a little later. Returns an id for Cancel, never kNoTimer.
  virtual TimerId PostAt(Instant when, Task task) = 0;
  // True if the timer was still pending: then its task never runs. False if it ran, runs or is
  // unknown; Cancel doesn't wait for a running task.
  virtual bool Cancel(TimerId id) = 0;
};

// Makes the executors that a node needs. Serial executors run their tasks one after the other, in
// order. The name shows up as the thread's name ("quorate-log").
class ExecutorFactory {
 public:
  virtual ~ExecutorFactory() = default;
  virtual std::unique_ptr<Executor> MakeSerial(absl::string_view name) = 0;
};

}  // namespace quorate

#endif  // QUORATE_ENVIRONMENT_H_
