// When a node writes a snapshot of its own: after so many committed bytes, after so long, or because somebody asked.
//
// A snapshot that failed is not forgotten: what made it due still counts, and it is tried again after a while (F-H07;
// a trigger that fires during an attempt and is lost with it would leave a log that grows for ever). One at a time; who
// asks while one is being written is answered by the next, because the present one may have been captured before
// the asker's last write.
//
// Two snapshots are kept, so each new one takes the oldest away from whoever is loading it. While somebody is, the
// policy therefore waits: a follower whose download takes longer than two of the leader's snapshots would begin again
// for ever. It waits for eight times what it would have waited for, and no longer: a log must not grow without end for
// a follower that never comes in. Why a factor and not a reference count on the file: a follower that comes back every
// hour for one more piece would pin disk space for ever.
//
// Decides only; the engine does. Belongs to the engine's strand.
#ifndef QUORATE_QUORUM_SNAPSHOT_SCHEDULE_H_
#define QUORATE_QUORUM_SNAPSHOT_SCHEDULE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "quorate/environment.h"
#include "quorate/quorum_types.h"
#include "quorate/types.h"

namespace quorate::quorum {

using SnapshotDone = absl::AnyInvocable<void(absl::StatusOr<LogPosition>) &&>;

class SnapshotSchedule {
 public:
  static constexpr size_t kRequestsMax = 1024;
  // For a caller: a state machine that never gets to its capture keeps nobody waiting for ever.
  static constexpr absl::Duration kRequestTimeout = absl::Minutes(10);
  static constexpr absl::Duration kRetryMin = absl::Seconds(1);
  static constexpr absl::Duration kRetryMax = absl::Minutes(5);
  static constexpr int kPatience = 8;  // for those that load the present one

  SnapshotSchedule(SnapshotPolicy policy, Instant now) : policy_(policy), last_(now) {}

  // So much was committed.
  void Committed(uint64_t bytes) { bytes_ += bytes; }
  // Until then somebody is taken to be loading a snapshot from here. Requests aren't postponed.
  void ServingUntil(Instant until) { serving_until_ = until; }
  // Takes `done`: it runs when a snapshot ends that begins from now on, or at once with a refusal.
  void Request(Instant now, SnapshotDone done);

  [[nodiscard]] bool IsDue(Instant now) const;
  [[nodiscard]] bool running() const { return running_; }
  // When to look again; Infinite: when something happens. `may_begin`: a snapshot that is due would be begun.
  [[nodiscard]] Instant NextDeadline(bool may_begin) const;
  // Answers requests whose time is up.
  void Expire(Instant now);

  void Begin();
  // The one that began is done: `position` is what it stands for. Or a snapshot came from elsewhere that stands for
  // more.
  void Succeed(Instant now, LogPosition position);
  void Fail(Instant now, const absl::Status& why);
  // Everything was replaced by a snapshot from elsewhere: counts from here.
  void Replaced(Instant now);
  // There will never be one, for this reason: every request gets it.
  void Disable(absl::Status why);
  // Answers every request; for the node's end.
  void FailAll(const absl::Status& why);

 private:
  struct Waiter {
    Instant deadline;
    SnapshotDone done;
  };
  static void Answer(std::vector<Waiter> requests, const absl::StatusOr<LogPosition>& answer);
  [[nodiscard]] bool WantedByPolicy(Instant now) const;
  // When the policy's bounds, `factor` times as wide, are reached as far as is known now.
  [[nodiscard]] Instant DueAt(int factor) const;

  const SnapshotPolicy policy_;
  Instant last_;                   // the last one began, or the node did
  uint64_t bytes_ = 0;             // committed since
  uint64_t bytes_in_capture_ = 0;  // of them, those that the running one will stand for
  bool running_ = false;
  int failures_ = 0;  // in a row
  Instant retry_at_;
  Instant serving_until_;
  absl::Status disabled_;
  std::vector<Waiter> waiting_;  // for the next one
  std::vector<Waiter> current_;  // for the running one
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_SNAPSHOT_SCHEDULE_H_
