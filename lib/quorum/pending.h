// Calls that wait: proposals until they are applied, reads until they may be answered.
//
// Each waiter completes exactly once, whichever comes first: its result, its deadline, or the end of what it
// waits for. A proposal's deadline covers the queue, the log, and the state machine that may be slow or stuck with what
// is committed (F-H02).
//
// The tables belong to the engine's strand. A committed proposal is completed by whoever applies it, on its thread, or
// by its deadline, on the strand.
#ifndef QUORATE_QUORUM_PENDING_H_
#define QUORATE_QUORUM_PENDING_H_

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "quorate/environment.h"
#include "quorate/quorum_node.h"

namespace quorate::quorum {

using ProposalDone = absl::AnyInvocable<void(absl::StatusOr<Proposed>) &&>;
using ReadDone = absl::AnyInvocable<void(absl::StatusOr<Offset>) &&>;

struct ProposalWaiter {
  std::vector<std::string> records;  // emptied when they were appended
  size_t record_count = 0;
  size_t bytes = 0;  // of the records
  Instant deadline;
  uint64_t sequence = 0;           // tells waiters with the same deadline apart
  Offset base_offset = kNoOffset;  // promised while queued, real once appended
  bool offset_promised = false;
  Epoch epoch;
  bool committed = false;
  ProposalDone done;

  // Runs `done` unless it ran before. True if it ran now. [any]
  bool Complete(absl::StatusOr<Proposed> result);

 private:
  std::atomic<bool> completed_{false};
};
using ProposalWaiterPtr = std::shared_ptr<ProposalWaiter>;

// Proposals in order: first those in the log, oldest first, then those still queued.
class PendingProposals {
 public:
  // kOverloaded, naming the limit, when it would hold more than `bytes_max`.
  absl::Status Add(ProposalWaiterPtr waiter, size_t bytes_max);

  [[nodiscard]] bool empty() const { return queued_.empty() && appended_.empty(); }
  [[nodiscard]] bool has_queued() const { return !queued_.empty(); }
  [[nodiscard]] size_t queued_bytes() const { return queued_bytes_; }
  [[nodiscard]] int64_t queued_records() const { return queued_records_; }

  // Takes queued proposals from the front, at least one, as many as fit into `bytes_max` in one batch.
  std::vector<ProposalWaiterPtr> TakeQueued(size_t bytes_max);
  // It is in the log now.
  void AddAppended(ProposalWaiterPtr waiter);
  // It isn't, and won't be.
  void Drop(const ProposalWaiter& waiter) { Untrack(waiter); }
  // Those that lie below `end`, removed.
  std::vector<ProposalWaiterPtr> TakeAppendedBelow(Offset end);
  // The same, because they are committed: of these the deadline is still looked after, until they are applied.
  std::vector<ProposalWaiterPtr> CommitBelow(Offset end);
  void AppliedBelow(Offset end);
  // All of one kind, removed.
  std::vector<ProposalWaiterPtr> TakeAllQueued();
  std::vector<ProposalWaiterPtr> TakeAllAppended();

  [[nodiscard]] Instant NextDeadline() const;
  // Completes what is overdue with kDeadlineExceeded: not applied while queued, unknown afterwards. A committed one
  // will be applied, here as well, unless this node fails first; the caller only doesn't wait for it any more.
  void Expire(Instant now);

 private:
  void Untrack(const ProposalWaiter& waiter);

  std::deque<ProposalWaiterPtr> queued_;
  std::deque<ProposalWaiterPtr> appended_;
  std::deque<ProposalWaiterPtr> applying_;
  std::map<std::pair<Instant, uint64_t>, ProposalWaiterPtr> by_deadline_;  // those not yet completed
  uint64_t last_sequence_ = 0;
  size_t queued_bytes_ = 0;
  int64_t queued_records_ = 0;
  size_t total_bytes_ = 0;  // queued and appended
};

class PendingReads {
 public:
  // Returns the read's id for the core. kOverloaded when there are too many.
  absl::StatusOr<uint64_t> Add(Instant deadline, ReadDone done);
  // The quorum confirmed it: complete once applied up to `offset`.
  void Confirmed(uint64_t id, Offset offset);
  // The quorum could not confirm it now: ask again from `when` on.
  void RetryAt(uint64_t id, Instant when, absl::Status why);
  // Ids to ask the core for again.
  std::vector<uint64_t> TakeDueRetries(Instant now);
  // Completes the confirmed ones that `applied_end` covers.
  void CompleteUpTo(Offset applied_end);
  // Completes what is overdue, with the reason it met last; returns ids that the core should forget.
  std::vector<uint64_t> Expire(Instant now);
  void FailAll(const absl::Status& why);
  [[nodiscard]] Instant NextDeadline() const;

 private:
  struct Read {
    Instant deadline;
    ReadDone done;
    absl::Status last_refusal;
  };
  uint64_t last_id_ = 0;
  std::map<uint64_t, Read> reads_;
  std::set<std::pair<Instant, uint64_t>> by_deadline_;
  std::set<std::pair<Offset, uint64_t>> confirmed_;
  std::set<std::pair<Instant, uint64_t>> retries_;

  ReadDone Remove(uint64_t id);
};

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_PENDING_H_
