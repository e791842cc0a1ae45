// What the conformance suites are written with: checks that return instead of throwing, and a way to wait for a
// callback.
#ifndef QUORATE_TESTING_CONFORMANCE_SUPPORT_H_
#define QUORATE_TESTING_CONFORMANCE_SUPPORT_H_

#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

// In a function that returns absl::Status: ends it with an error unless `condition` holds. The rest says more.
#define QUORATE_EXPECT(condition, ...)                                                                              \
  do {                                                                                                              \
    if (!(condition)) {                                                                                             \
      return absl::InternalError(absl::StrCat("line ", __LINE__, ": " #condition " does not hold. ", __VA_ARGS__)); \
    }                                                                                                               \
  } while (false)
#define QUORATE_EXPECT_OK(expression)                                   \
  do {                                                                  \
    const absl::Status expect_ok_status = (expression);                 \
    QUORATE_EXPECT(expect_ok_status.ok(), expect_ok_status.ToString()); \
  } while (false)

namespace quorate::testing {

// Waits for the result of one call.
template <typename Result>
class Waiter {
 public:
  auto Done() {
    return [this](Result result) {
      absl::MutexLock lock(&mutex_);
      ++calls_;
      result_ = std::move(result);
    };
  }
  bool done() {
    absl::MutexLock lock(&mutex_);
    return calls_ > 0;
  }
  int calls() {
    absl::MutexLock lock(&mutex_);
    return calls_;
  }
  Result result() {
    absl::MutexLock lock(&mutex_);
    return calls_ > 0 ? *result_ : Result(absl::DeadlineExceededError("the callback was never called"));
  }

 private:
  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<Result> result_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_CONFORMANCE_SUPPORT_H_
