// Waiting for what another thread or process does: until a condition holds, and never longer than a deadline.
//
// Not a sleep as synchronisation: how long is waited decides nothing but how long a failure takes to show. What can
// run under virtual time (quorate/testing/manual_executor.h) should, and needs none of this.
//
// Sanitizers make programs several times slower: in builds with one, every deadline is kSlowdown times as far away.
#ifndef QUORATE_TESTS_SUPPORT_WAIT_H_
#define QUORATE_TESTS_SUPPORT_WAIT_H_

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace quorate::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kSlowdown = 5;
#else
inline constexpr int kSlowdown = 1;
#endif

// Looks at the condition again and again, every few milliseconds. Whether it holds in the end.
bool WaitUntil(absl::FunctionRef<bool()> condition, absl::Duration limit);

}  // namespace quorate::testing

#endif  // QUORATE_TESTS_SUPPORT_WAIT_H_
