// The completions of a host's calls: run in order, on the apply thread like all of the host's code.
//
// Unless that thread doesn't come back: a host's Apply that is stuck would keep every caller waiting for ever, also
// those whose deadline passed long ago (F-H02). While the engine says that it is stuck, completions go to a thread of
// their own, which is made when that first happens. So a call ends by its deadline or, when the apply thread was kept,
// when it had been kept for apply_stall; and two pieces of a host's code run at a time only then. A host that can't
// have that sets apply_stall to 0, and waits.
//
// Why not always a thread of its own: what runs on one thread needs no lock, and that is worth more to a host than
// completions which overtake Apply.
//
// Threads: Post from any; ApplyStalled from one at a time; Stop once, when no more calls complete but on the apply
// thread.
#ifndef QUORATE_QUORUM_COMPLETIONS_H_
#define QUORATE_QUORUM_COMPLETIONS_H_

#include <deque>
#include <memory>
#include <mutex>

#include "quorate/environment.h"

namespace quorate::quorum {

class Completions {
 public:
  // `apply` outlives this object, or runs nothing any more.
  Completions(Executor* apply, ExecutorFactory* executors) : apply_(apply), executors_(executors) {}

  void Post(Task completion);
  void ApplyStalled(bool stalled);
  // Calls `done` when everything that was posted to the other thread before has run; at once when there is none.
  void AfterRelief(Task done);
  // Runs what the other thread still has.
  void Stop();

 private:
  // Runs what was posted before it began, one by one: should one get stuck, the rest can still be relieved.
  void RunPosted();

  Executor* const apply_;
  ExecutorFactory* const executors_;
  std::mutex mutex_;
  std::deque<Task> queue_;            // guarded by mutex_
  bool turn_posted_ = false;          // guarded by mutex_; a turn will come that runs what is in queue_
  bool stalled_ = false;              // guarded by mutex_
  std::unique_ptr<Executor> relief_;  // guarded by mutex_; null: was never needed
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_COMPLETIONS_H_
