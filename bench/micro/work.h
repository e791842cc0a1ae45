// What the micro-benchmarks do: small pieces of the commit path, each by itself, on one thread.
//
// One description serves two readers. Google Benchmark repeats a work until its time is known (`micro`). The guard
// does exactly so many operations of it and counts instructions and allocations (`micro --fixed`), which a busy
// machine doesn't change. For that, a work depends on nothing but itself: no thread, no real clock, no randomness
// without a seed.
#ifndef QUORATE_BENCH_MICRO_WORK_H_
#define QUORATE_BENCH_MICRO_WORK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace quorate::bench {

class Work {
 public:
  virtual ~Work() = default;
  // A failure is one of the code under test: the run ends with it.
  virtual absl::Status Run(int64_t operations) = 0;
};

struct WorkSpec {
  std::string name;  // lower case, without blanks
  std::string what;  // one operation, for the table
  // What the guard counts: few, since valgrind takes fifty times as long, and a multiple of `group`.
  int64_t fixed_operations = 0;
  int64_t group = 1;  // operations that Run does together
  // Where data goes that has to be on a disk.
  std::function<absl::StatusOr<std::unique_ptr<Work>>(const std::string& folder)> make;
};

// In the order of the table.
std::vector<WorkSpec> AllWorks();

// The parts of it, by what they are about.
void AddCoreWorks(std::vector<WorkSpec>& works);
void AddCodecWorks(std::vector<WorkSpec>& works);
void AddLogWorks(std::vector<WorkSpec>& works);
void AddImageWorks(std::vector<WorkSpec>& works);
void AddCommitWorks(std::vector<WorkSpec>& works);

// A work without state of its own to take down: `operation` is called as absl::Status(). A template, so that nothing
// but the operation is measured.
template <typename Operation>
class RepeatedWork final : public Work {
 public:
  explicit RepeatedWork(Operation operation) : operation_(std::move(operation)) {}
  absl::Status Run(int64_t operations) override {
    for (int64_t i = 0; i < operations; ++i) {
      if (absl::Status status = operation_(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  Operation operation_;
};

template <typename Operation>
std::unique_ptr<Work> Repeat(Operation operation) {
  return std::make_unique<RepeatedWork<Operation>>(std::move(operation));
}

// Makes the compiler believe that `value` is looked at.
template <typename T>
void Keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_MICRO_WORK_H_
