#include "quorum/pending.h"

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::quorum {

bool ProposalWaiter::Complete(absl::StatusOr<Proposed> result) {
  if (completed_.exchange(true) || !done) return false;
  ProposalDone call = std::move(done);
  done = nullptr;
  std::move(call)(std::move(result));
  return true;
}

// ---- Proposals -------------------------------------------------------------------------------------

absl::Status PendingProposals::Add(ProposalWaiterPtr waiter, size_t bytes_max) {
  if (total_bytes_ + waiter->bytes > bytes_max || queued_.size() + appended_.size() >= limits::kPendingProposalsMax) {
    return MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                     absl::StrCat("the queue of proposals is full: ", queued_.size() + appended_.size(),
                                  " proposals with ", total_bytes_, " bytes wait (limits: pending_bytes_max = ",
                                  bytes_max, ", ", limits::kPendingProposalsMax, " proposals)"));
  }
  waiter->sequence = ++last_sequence_;
  total_bytes_ += waiter->bytes;
  queued_bytes_ += waiter->bytes;
  queued_records_ += static_cast<int64_t>(waiter->record_count);
  by_deadline_.emplace(std::make_pair(waiter->deadline, waiter->sequence), waiter);
  queued_.push_back(std::move(waiter));
  return absl::OkStatus();
}

std::vector<ProposalWaiterPtr> PendingProposals::TakeQueued(size_t bytes_max) {
  std::vector<ProposalWaiterPtr> taken;
  size_t bytes = 0;
  size_t records = 0;
  while (!queued_.empty()) {
    const ProposalWaiter& next = *queued_.front();
    if (!taken.empty() && (bytes + next.bytes > bytes_max || records + next.record_count > limits::kBatchRecordsMax)) {
      break;
    }
    bytes += next.bytes;
    records += next.record_count;
    queued_bytes_ -= next.bytes;
    queued_records_ -= static_cast<int64_t>(next.record_count);
    taken.push_back(std::move(queued_.front()));
    queued_.pop_front();
  }
  return taken;
}

void PendingProposals::AddAppended(ProposalWaiterPtr waiter) {
  waiter->records.clear();
  waiter->records.shrink_to_fit();
  appended_.push_back(std::move(waiter));
}

std::vector<ProposalWaiterPtr> PendingProposals::TakeAppendedBelow(Offset end) {
  std::vector<ProposalWaiterPtr> taken;
  while (!appended_.empty() && appended_.front()->base_offset < end) {
    Untrack(*appended_.front());
    taken.push_back(std::move(appended_.front()));
    appended_.pop_front();
  }
  return taken;
}

std::vector<ProposalWaiterPtr> PendingProposals::CommitBelow(Offset end) {
  std::vector<ProposalWaiterPtr> committed;
  while (!appended_.empty() && appended_.front()->base_offset < end) {
    appended_.front()->committed = true;
    total_bytes_ -= appended_.front()->bytes;
    applying_.push_back(appended_.front());
    committed.push_back(std::move(appended_.front()));
    appended_.pop_front();
  }
  return committed;
}

void PendingProposals::AppliedBelow(Offset end) {
  while (!applying_.empty() && applying_.front()->base_offset < end) {
    by_deadline_.erase({applying_.front()->deadline, applying_.front()->sequence});
    applying_.pop_front();
  }
}

std::vector<ProposalWaiterPtr> PendingProposals::TakeAllQueued() {
  std::vector<ProposalWaiterPtr> taken = TakeQueued(SIZE_MAX);
  while (!queued_.empty()) {
    for (ProposalWaiterPtr& more : TakeQueued(SIZE_MAX)) taken.push_back(std::move(more));
  }
  for (const ProposalWaiterPtr& waiter : taken) Untrack(*waiter);
  return taken;
}

std::vector<ProposalWaiterPtr> PendingProposals::TakeAllAppended() { return TakeAppendedBelow(Offset(INT64_MAX)); }

Instant PendingProposals::NextDeadline() const {
  return by_deadline_.empty() ? Instant::Infinite() : by_deadline_.begin()->first.first;
}

void PendingProposals::Untrack(const ProposalWaiter& waiter) {
  total_bytes_ -= waiter.bytes;
  by_deadline_.erase({waiter.deadline, waiter.sequence});
}

void PendingProposals::Expire(Instant now) {
  while (!by_deadline_.empty() && by_deadline_.begin()->first.first <= now) {
    ProposalWaiterPtr waiter = std::move(by_deadline_.begin()->second);
    by_deadline_.erase(by_deadline_.begin());
    if (waiter->committed) {
      waiter->Complete(MakeError(
          Reason::kDeadlineExceeded, Outcome::kUnknown,
          absl::StrCat("the proposal is committed (offset ", waiter->base_offset.value(), ", epoch ",
                       waiter->epoch.value(), "), but its deadline passed before the state machine of this node ",
                       "had applied it")));
      continue;
    }
    const bool appended = waiter->records.empty();
    if (!appended && !waiter->offset_promised) {
      // Leaves the queue for good, so that "not applied" stays true. The others keep their places.
      std::erase(queued_, waiter);
      queued_bytes_ -= waiter->bytes;
      queued_records_ -= static_cast<int64_t>(waiter->record_count);
      total_bytes_ -= waiter->bytes;
      waiter->Complete(MakeError(Reason::kDeadlineExceeded, Outcome::kNotApplied,
                                 "the proposal's deadline passed while it waited for the log; it was not appended"));
      continue;
    }
    // In the log, or promised a place there: only the quorum knows what becomes of it. It stays where it
    // is, so that the offsets behind it hold; nobody waits for it any more.
    waiter->Complete(MakeError(
        Reason::kDeadlineExceeded, Outcome::kUnknown,
        absl::StrCat("the proposal's deadline passed before a majority of the voters had ", "stored it (offset ",
                     waiter->base_offset.value(), ", epoch ", waiter->epoch.value(), "); it may still take effect")));
  }
}

// ---- Reads -----------------------------------------------------------------------------------------

absl::StatusOr<uint64_t> PendingReads::Add(Instant deadline, ReadDone done) {
  if (reads_.size() >= limits::kPendingReadsMax) {
    absl::Status full = MakeError(Reason::kOverloaded, Outcome::kNotApplied,
                                  absl::StrCat("the queue of reads is full (limit ", limits::kPendingReadsMax, ")"));
    std::move(done)(full);
    return full;
  }
  const uint64_t id = ++last_id_;
  by_deadline_.emplace(deadline, id);
  reads_.emplace(id, Read{deadline, std::move(done), absl::OkStatus()});
  return id;
}

void PendingReads::Confirmed(uint64_t id, Offset offset) {
  if (reads_.contains(id)) confirmed_.emplace(offset, id);
}

void PendingReads::RetryAt(uint64_t id, Instant when, absl::Status why) {
  auto found = reads_.find(id);
  if (found == reads_.end()) return;
  found->second.last_refusal = std::move(why);
  retries_.emplace(when, id);
}

std::vector<uint64_t> PendingReads::TakeDueRetries(Instant now) {
  std::vector<uint64_t> due;
  while (!retries_.empty() && retries_.begin()->first <= now) {
    due.push_back(retries_.begin()->second);
    retries_.erase(retries_.begin());
  }
  return due;
}

ReadDone PendingReads::Remove(uint64_t id) {
  auto found = reads_.find(id);
  by_deadline_.erase({found->second.deadline, id});
  ReadDone done = std::move(found->second.done);
  reads_.erase(found);
  return done;
}

void PendingReads::CompleteUpTo(Offset applied_end) {
  while (!confirmed_.empty() && confirmed_.begin()->first <= applied_end) {
    const auto [offset, id] = *confirmed_.begin();
    confirmed_.erase(confirmed_.begin());
    if (!reads_.contains(id)) continue;
    ReadDone done = Remove(id);
    std::move(done)(applied_end);
  }
}

std::vector<uint64_t> PendingReads::Expire(Instant now) {
  std::vector<uint64_t> expired;
  while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
    const uint64_t id = by_deadline_.begin()->second;
    const absl::Status refusal = reads_.find(id)->second.last_refusal;
    expired.push_back(id);
    std::erase_if(retries_, [id](const auto& retry) { return retry.second == id; });
    std::erase_if(confirmed_, [id](const auto& confirmed) { return confirmed.second == id; });
    StatusDetail detail;
    detail.reason = Reason::kDeadlineExceeded;
    detail.outcome = Outcome::kNotApplied;
    detail.leader = LeaderHintFrom(refusal);
    ReadDone done = Remove(id);
    std::move(done)(MakeError(detail, refusal.ok()
                                          ? "the read's deadline passed before a majority of the voters confirmed it"
                                          : absl::StrCat("the read's deadline passed; last: ", refusal.message())));
  }
  return expired;
}

void PendingReads::FailAll(const absl::Status& why) {
  retries_.clear();
  confirmed_.clear();
  while (!reads_.empty()) {
    ReadDone done = Remove(reads_.begin()->first);
    std::move(done)(why);
  }
}

Instant PendingReads::NextDeadline() const {
  Instant next = by_deadline_.empty() ? Instant::Infinite() : by_deadline_.begin()->first;
  if (!retries_.empty()) next = std::min(next, retries_.begin()->first);
  return next;
}

}  // namespace quorate::quorum
