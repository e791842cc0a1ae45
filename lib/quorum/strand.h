// A strand: tasks that never run at the same time, without a thread of their own.
//
// The thread that brings a task runs it in place when the strand is idle; otherwise it leaves it with
// whoever is running, and goes its way. Waking a sleeping thread costs about 40 µs, a sixth of an fsync,
// so a message is handled - and its answer written - on the transport thread that read it, and an
// fsync's completion sends its acknowledgement from the thread that did the fsync. A mutex around the state would
// do that too, but would make every bringer wait for the one inside; here nobody waits.
//
// After the queue ran empty the `flush` hook runs once, still inside the strand: what several events left
// behind is handled together (one write, one message), which is where batching under load comes from.
//
// So that a caller's thread isn't kept for ever by other people's tasks, the strand moves to the `relief`
// executor after kRoundsMax rounds. Whoever waits in RunAndWait meanwhile takes it over instead: the relief may be
// busy for long, and the one who waits may even be what it is busy with.
//
// Thread-safe. Tasks must not block.
#ifndef QUORATE_QUORUM_STRAND_H_
#define QUORATE_QUORUM_STRAND_H_

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "quorate/environment.h"

namespace quorate::quorum {

class Strand {
 public:
  // What was posted to `relief` is to have run before the strand is destroyed. `flush` may be empty. `on_turn`, which
  // may be empty too, is called before (true) and after each task and each flush.
  Strand(Executor* relief, absl::AnyInvocable<void()> flush, absl::AnyInvocable<void(bool)> on_turn = nullptr)
      : relief_(relief), flush_(std::move(flush)), on_turn_(std::move(on_turn)) {}

  // Runs `task` before returning if the strand is idle, else soon, on another thread or later on this one.
  void Run(Task task);

  // Runs `task` and returns when it ran. From inside the strand: at once.
  void RunAndWait(absl::AnyInvocable<void()> task);

  // Whether the calling thread is inside the strand.
  [[nodiscard]] bool RunsHere() const { return runner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

 private:
  static constexpr int kRoundsMax = 64;

  void Drain();
  // Runs the strand on, unless somebody else took it over.
  void Resume();

  Executor* const relief_;
  absl::AnyInvocable<void()> flush_;        // only called by the runner
  absl::AnyInvocable<void(bool)> on_turn_;  // likewise
  std::mutex mutex_;
  std::vector<Task> queue_;          // guarded by mutex_
  bool running_ = false;             // guarded by mutex_; true: queue_ will be looked at again
  bool parked_ = false;              // guarded by mutex_; running_, but by nobody: who unsets this is to go on
  std::condition_variable changed_;  // parked_, or a task that is waited for has run
  std::vector<Task> round_;          // the runner's; kept to reuse its memory
  std::atomic<std::thread::id> runner_{};
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_STRAND_H_
