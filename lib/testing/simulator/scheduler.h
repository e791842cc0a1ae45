// Virtual time: one heap of events, one thread, one order that follows from the seed.
//
// Events are ordered by (time, a number drawn when the event was made, age). The number in the middle shuffles what
// falls on the same moment on purpose: code that works only because two things happen to come in the order in which
// they were asked for fails here soon. Every event that runs goes into the trace hash, so that two runs of one seed
// can be told apart at their first difference (docs/testing.md).
//
// Two builds of the same code have one history, too, if nothing draws two numbers in one expression: which argument of
// a call is evaluated first, gcc and clang disagree about.
//
// Why a heap of closures and not a list of nodes that are ticked: most of a simulated minute is silence, and
// silence costs nothing this way.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_SCHEDULER_H_
#define QUORATE_TESTING_SIMULATOR_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/environment.h"

namespace quorate::testing::simulator {

// A running 64-bit hash over everything that happens.
class TraceHash {
 public:
  void Mix(uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
    hash_ ^= hash_ >> 29;
  }
  [[nodiscard]] uint64_t value() const { return hash_; }

 private:
  uint64_t hash_ = 0x51ab0c0de5eed;
};

enum class EventKind : uint8_t { kTask = 1, kTimer, kMessage, kConnection, kFault, kClient, kCheck };

class Scheduler {
 public:
  using EventId = uint64_t;
  static constexpr EventId kNoEvent = 0;
  static constexpr int kNobody = -1;  // the event is no node's

  explicit Scheduler(uint64_t seed) : random_(seed) {}
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  [[nodiscard]] Instant now() const { return now_; }
  EventId At(Instant when, EventKind kind, int node, Task task);
  EventId After(absl::Duration delay, EventKind kind, int node, Task task) {
    return At(now_ + delay, kind, node, std::move(task));
  }
  // True if it was still to come.
  bool Cancel(EventId id);

  // Runs the next event unless it lies behind `end`; then the time is `end` and the result false.
  bool RunNext(Instant end);

  [[nodiscard]] uint64_t events() const { return events_; }
  [[nodiscard]] size_t pending() const { return pending_; }
  TraceHash& trace() { return trace_; }
  // Sees (kind, node, trace hash) of every event after it ran. For comparing two runs; null: nobody.
  std::function<void(EventKind, int, uint64_t)> on_event;

 private:
  struct Slot {
    Task task;
    uint32_t generation = 1;
    EventKind kind = EventKind::kTask;
    int node = kNobody;
  };
  struct Entry {
    Instant when;
    uint64_t tie = 0;
    uint32_t slot = 0;
    uint32_t generation = 0;
    bool operator>(const Entry& other) const {
      if (when != other.when) return when > other.when;
      if (tie != other.tie) return tie > other.tie;
      return slot > other.slot;
    }
  };

  void Free(uint32_t slot);

  Xoshiro random_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t pending_ = 0;
  uint64_t events_ = 0;
  TraceHash trace_;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_SCHEDULER_H_
