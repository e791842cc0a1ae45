// What callers saw, written down for the check of linearizability.
//
// Threads: any may call, and any may answer. TakeHistory when every call has its answer.
#ifndef QUORATE_BENCH_COMMIT_RECORDER_H_
#define QUORATE_BENCH_COMMIT_RECORDER_H_

#include <mutex>
#include <vector>

#include "process_load.h"
#include "quorate/testing/linearizability.h"

namespace quorate::bench {

class Recorder {
 public:
  // The same caller, of writes, whose calls are written down. The recorder outlives it.
  Caller Recording(Caller caller);
  // Without what certainly had no effect.
  std::vector<testing::Operation> TakeHistory();

 private:
  size_t Began(const host::Command& command);
  void Ended(size_t call, const absl::Status& status);

  std::mutex mutex_;
  std::vector<testing::Operation> history_;  // guarded by mutex_
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_COMMIT_RECORDER_H_
