// Calls whose end the core decides: changes of the voter set, transfers of leadership.
//
// The core knows their deadline too and answers in time, with a better reason; the one here holds whatever becomes
// of the core, so that every call ends. What the core says of a call that has ended is ignored.
//
// The table belongs to the engine's strand. Callbacks may add calls.
#ifndef QUORATE_QUORUM_PENDING_CALLS_H_
#define QUORATE_QUORUM_PENDING_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "quorate/environment.h"

namespace quorate::quorum {

using CallDone = absl::AnyInvocable<void(absl::Status) &&>;

class PendingCalls {
 public:
  static constexpr size_t kCallsMax = 1024;

  // Returns the call's id for the core. Takes `done` only then; kOverloaded when there are too many.
  absl::StatusOr<uint64_t> Add(Instant deadline, CallDone* done);
  void Complete(uint64_t id, absl::Status result);
  // Completes what is overdue with `why`.
  void Expire(Instant now, const absl::Status& why);
  void FailAll(const absl::Status& why);
  [[nodiscard]] bool empty() const { return calls_.empty(); }
  [[nodiscard]] Instant NextDeadline() const;

 private:
  struct Call {
    Instant deadline;
    CallDone done;
  };
  uint64_t last_id_ = 0;
  std::map<uint64_t, Call> calls_;
  std::set<std::pair<Instant, uint64_t>> by_deadline_;
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_PENDING_CALLS_H_
