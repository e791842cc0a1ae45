#include "quorum/pending_calls.h"

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::quorum {

absl::StatusOr<uint64_t> PendingCalls::Add(Instant deadline, CallDone* done) {
  if (calls_.size() >= kCallsMax) {
    return MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                     absl::StrCat("the queue of calls is full (limit ", kCallsMax, ")"));
  }
  const uint64_t id = ++last_id_;
  by_deadline_.emplace(deadline, id);
  calls_.emplace(id, Call{deadline, std::move(*done)});
  return id;
}

void PendingCalls::Complete(uint64_t id, absl::Status result) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  CallDone done = std::move(found->second.done);
  by_deadline_.erase({found->second.deadline, id});
  calls_.erase(found);
  std::move(done)(std::move(result));
}

void PendingCalls::Expire(Instant now, const absl::Status& why) {
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) Complete(by_deadline_.begin()->second, why);
}

void PendingCalls::FailAll(const absl::Status& why) {
  // Those that are here now: a callback may add one, which is refused by whoever checks before adding.
  const uint64_t last = last_id_;
  while (!calls_.empty() && calls_.begin()->first <= last) Complete(calls_.begin()->first, why);
}

Instant PendingCalls::NextDeadline() const {
  return by_deadline_.empty() ? Instant::Infinite() : by_deadline_.begin()->first;
}

}  // namespace quorate::quorum
