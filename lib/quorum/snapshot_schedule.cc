#include "quorum/snapshot_schedule.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"

namespace quorate::quorum {
namespace {

// As good as never, and far from the end of what an Instant can say.
constexpr absl::Duration kIntervalMax = absl::Hours(24 * 365 * 10);

}  // namespace

void SnapshotSchedule::Request(Instant now, SnapshotDone done) {
  absl::Status refusal = disabled_;
  if (refusal.ok() && waiting_.size() + current_.size() >= kRequestsMax) {
    refusal = MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                        absl::StrCat("too many calls wait for a snapshot (limit ", kRequestsMax, ")"));
  }
  if (!refusal.ok()) return std::move(done)(refusal);
  waiting_.push_back({now + kRequestTimeout, std::move(done)});
}

bool SnapshotSchedule::WantedByPolicy(Instant now) const {
  if (bytes_ == 0) return false;  // it would stand for what the last one stands for
  return now >= DueAt(now < serving_until_ ? kPatience : 1) || QUORATE_BUGGIFY("early-snapshot");
}

Instant SnapshotSchedule::DueAt(int factor) const {
  // Divided, because a policy's bytes times something may be more than there are numbers.
  if (policy_.log_bytes > 0 && bytes_ / static_cast<uint64_t>(factor) >= policy_.log_bytes) return Instant();
  if (policy_.interval <= absl::ZeroDuration()) return Instant::Infinite();
  return last_ + std::min(policy_.interval, kIntervalMax) * factor;
}

bool SnapshotSchedule::IsDue(Instant now) const {
  if (running_ || !disabled_.ok()) return false;
  return !waiting_.empty() || (now >= retry_at_ && WantedByPolicy(now));
}

Instant SnapshotSchedule::NextDeadline(bool may_begin) const {
  Instant next = Instant::Infinite();
  // Requests are in the order of their deadlines.
  if (!waiting_.empty()) next = std::min(next, waiting_.front().deadline);
  if (!current_.empty()) next = std::min(next, current_.front().deadline);
  if (!may_begin || running_ || !disabled_.ok() || bytes_ == 0) return next;
  // While somebody loads one, the wider bounds hold; and should he be done before they are reached, the others.
  const Instant due = std::max(DueAt(1), std::min(serving_until_, DueAt(kPatience)));
  return std::min(next, std::max(retry_at_, due));
}

void SnapshotSchedule::Expire(Instant now) {
  std::vector<Waiter> late;
  for (auto* list : {&current_, &waiting_}) {
    const auto in_time = std::find_if(list->begin(), list->end(), [&](const auto& r) { return r.deadline > now; });
    late.insert(late.end(), std::make_move_iterator(list->begin()), std::make_move_iterator(in_time));
    list->erase(list->begin(), in_time);
  }
  if (late.empty()) return;
  Answer(std::move(late), MakeError(Reason::kDeadlineExceeded, Outcome::kUnknown,
                                    absl::StrCat("no snapshot was ready within ", absl::FormatDuration(kRequestTimeout),
                                                 "; is the state machine stuck?")));
}

void SnapshotSchedule::Begin() {
  running_ = true;
  bytes_in_capture_ = bytes_;
  current_ = std::exchange(waiting_, {});
}

void SnapshotSchedule::Succeed(Instant now, LogPosition position) {
  running_ = false;
  failures_ = 0;
  last_ = now;
  bytes_ -= bytes_in_capture_;
  bytes_in_capture_ = 0;
  Answer(std::exchange(current_, {}), position);
}

void SnapshotSchedule::Fail(Instant now, const absl::Status& why) {
  running_ = false;
  bytes_in_capture_ = 0;
  retry_at_ = now + std::min(kRetryMax, kRetryMin * (1 << std::min(failures_, 16)));
  ++failures_;
  Answer(std::exchange(current_, {}), why);
}

void SnapshotSchedule::Replaced(Instant now) {
  last_ = now;
  bytes_ = 0;
  bytes_in_capture_ = 0;
}

void SnapshotSchedule::Disable(absl::Status why) {
  disabled_ = std::move(why);
  running_ = false;
  FailAll(disabled_);
}

void SnapshotSchedule::FailAll(const absl::Status& why) {
  std::vector<Waiter> all = std::exchange(current_, {});
  for (Waiter& request : waiting_) all.push_back(std::move(request));
  waiting_.clear();
  Answer(std::move(all), why);
}

void SnapshotSchedule::Answer(std::vector<Waiter> requests, const absl::StatusOr<LogPosition>& answer) {
  for (Waiter& request : requests) std::move(request.done)(answer);
}

}  // namespace quorate::quorum
