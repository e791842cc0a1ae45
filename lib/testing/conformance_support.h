// What the conformance suites are written with: checks that return instead of throwing, and a way to wait for a
// callback.
#ifndef QUORATE_TESTING_CONFORMANCE_SUPPORT_H_
#define QUORATE_TESTING_CONFORMANCE_SUPPORT_H_

#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

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
      std::lock_guard<std::mutex> lock(mutex_);
      ++calls_;
      result_ = std::move(result);
    };
  }
  bool done() {
    std::lock_guard<std::mutex> lock(mutex_);
    return calls_ > 0;
  }
  int calls() {
    std::lock_guard<std::mutex> lock(mutex_);
    return calls_;
  }
  Result result() {
    std::lock_guard<std::mutex> lock(mutex_);
    return calls_ > 0 ? *result_ : Result(absl::DeadlineExceededError("the callback was never called"));
  }

 private:
  std::mutex mutex_;
  int calls_ = 0;                 // guarded by mutex_
  std::optional<Result> result_;  // guarded by mutex_
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTING_CONFORMANCE_SUPPORT_H_
