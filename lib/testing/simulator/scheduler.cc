#include "testing/simulator/scheduler.h"

#include <algorithm>
#include <utility>

namespace quorate::testing::simulator {

Scheduler::EventId Scheduler::At(Instant when, EventKind kind, int node, Task task) {
  uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.task = std::move(task);
  slot.kind = kind;
  slot.node = node;
  heap_.push(Entry{std::max(when, now_), random_.Next(), index, slot.generation});
  ++pending_;
  return (static_cast<uint64_t>(slot.generation) << 32) | index;
}

void Scheduler::Free(uint32_t index) {
  ++slots_[index].generation;
  free_.push_back(index);
  --pending_;
}

bool Scheduler::Cancel(EventId id) {
  const auto index = static_cast<uint32_t>(id);
  const auto generation = static_cast<uint32_t>(id >> 32);
  if (id == kNoEvent || index >= slots_.size() || slots_[index].generation != generation) return false;
  // Forgotten outside: a task may own things that come back in when they go.
  Task forgotten = std::move(slots_[index].task);
  Free(index);
  return true;
}

bool Scheduler::RunNext(Instant end) {
  while (!heap_.empty()) {
    const Entry next = heap_.top();
    if (slots_[next.slot].generation != next.generation) {  // cancelled
      heap_.pop();
      continue;
    }
    if (next.when > end) break;
    heap_.pop();
    now_ = next.when;
    const EventKind kind = slots_[next.slot].kind;
    const int node = slots_[next.slot].node;
    Task task = std::move(slots_[next.slot].task);
    Free(next.slot);
    ++events_;
    trace_.Mix(static_cast<uint64_t>(now_.nanos()));
    trace_.Mix((static_cast<uint64_t>(kind) << 32) | static_cast<uint32_t>(node));
    std::move(task)();
    if (on_event) on_event(kind, node, trace_.value());
    return true;
  }
  now_ = std::max(now_, end);
  return false;
}

}  // namespace quorate::testing::simulator
