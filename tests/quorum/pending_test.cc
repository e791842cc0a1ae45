#include "quorum/pending.h"

#include <optional>

#include "quorate/status.h"
#include "quorum/pending_calls.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

Instant At(int64_t ms) { return Instant::FromNanos(ms * 1'000'000); }

struct Call {
  std::optional<absl::StatusOr<Proposed>> result;
  int runs = 0;
};

ProposalWaiterPtr MakeWaiter(Call* call, int64_t deadline_ms, size_t bytes = 10) {
  auto waiter = std::make_shared<ProposalWaiter>();
  waiter->records = {"x"};
  waiter->record_count = 1;
  waiter->bytes = bytes;
  waiter->deadline = At(deadline_ms);
  waiter->done = [call](absl::StatusOr<Proposed> result) {
    call->result = std::move(result);
    ++call->runs;
  };
  return waiter;
}

TEST_CASE("a waiter completes once, whoever comes first (I-24)", "[quorum][pending]") {
  Call call;
  ProposalWaiterPtr waiter = MakeWaiter(&call, 10);
  CHECK(waiter->Complete(Proposed{}));
  CHECK_FALSE(waiter->Complete(absl::InternalError("late")));
  CHECK(call.runs == 1);
  CHECK(call.result->ok());
}

TEST_CASE("the queue is bounded in bytes, and says so", "[quorum][pending]") {
  PendingProposals pending;
  Call first, second;
  REQUIRE(pending.Add(MakeWaiter(&first, 10, 60), 100).ok());
  const absl::Status full = pending.Add(MakeWaiter(&second, 10, 60), 100);
  CHECK(ReasonOf(full) == Reason::kOverloaded);
  CHECK(OutcomeOf(full) == Outcome::kNotApplied);
  // What is committed makes room.
  for (ProposalWaiterPtr& waiter : pending.TakeQueued(1000)) {
    waiter->base_offset = Offset(5);
    pending.AddAppended(std::move(waiter));
  }
  CHECK_FALSE(pending.Add(MakeWaiter(&second, 10, 60), 100).ok());
  CHECK(pending.TakeAppendedBelow(Offset(5)).empty());
  CHECK(pending.TakeAppendedBelow(Offset(6)).size() == 1);
  CHECK(pending.Add(MakeWaiter(&second, 10, 60), 100).ok());
}

TEST_CASE("a proposal that expires in the queue is not applied, one in the log is unknown (M-31)",
          "[quorum][pending]") {
  PendingProposals pending;
  Call queued, appended, later;
  REQUIRE(pending.Add(MakeWaiter(&appended, 10), 1000).ok());
  for (ProposalWaiterPtr& waiter : pending.TakeQueued(1000)) {
    waiter->base_offset = Offset(0);
    pending.AddAppended(std::move(waiter));
  }
  REQUIRE(pending.Add(MakeWaiter(&queued, 10), 1000).ok());
  REQUIRE(pending.Add(MakeWaiter(&later, 20), 1000).ok());
  CHECK(pending.NextDeadline() == At(10));
  pending.Expire(At(9));
  CHECK(queued.runs + appended.runs == 0);
  pending.Expire(At(10));
  CHECK(OutcomeOf(queued.result->status()) == Outcome::kNotApplied);
  CHECK(OutcomeOf(appended.result->status()) == Outcome::kUnknown);
  CHECK(later.runs == 0);
  // The expired one is gone from the queue: it can't be appended after all.
  CHECK(pending.TakeQueued(1000).size() == 1);
}

TEST_CASE("batches take whole proposals, at least one", "[quorum][pending]") {
  PendingProposals pending;
  Call call;
  for (int i = 0; i < 3; ++i) REQUIRE(pending.Add(MakeWaiter(&call, 10, 60), 1000).ok());
  CHECK(pending.TakeQueued(100).size() == 1);
  CHECK(pending.TakeQueued(10).size() == 1);
  CHECK(pending.queued_records() == 1);
  CHECK(pending.queued_bytes() == 60);
}

TEST_CASE("a read waits for its offset to be applied", "[quorum][pending]") {
  PendingReads reads;
  std::optional<absl::StatusOr<Offset>> result;
  const absl::StatusOr<uint64_t> id = reads.Add(At(100), [&](absl::StatusOr<Offset> r) { result = r; });
  REQUIRE(id.ok());
  reads.CompleteUpTo(Offset(50));
  CHECK_FALSE(result.has_value());  // not confirmed yet
  reads.Confirmed(*id, Offset(60));
  reads.CompleteUpTo(Offset(59));
  CHECK_FALSE(result.has_value());
  reads.CompleteUpTo(Offset(61));
  REQUIRE(result.has_value());
  CHECK(*result.value() == Offset(61));
  CHECK(reads.NextDeadline().is_infinite());
}

TEST_CASE("a read that nobody confirms says why when its deadline passes", "[quorum][pending]") {
  PendingReads reads;
  std::optional<absl::StatusOr<Offset>> result;
  const absl::StatusOr<uint64_t> id = reads.Add(At(100), [&](absl::StatusOr<Offset> r) { result = r; });
  reads.RetryAt(*id, At(20), MakeError(Reason::kNoLeader, Outcome::kNotApplied, "nobody leads"));
  CHECK(reads.NextDeadline() == At(20));
  CHECK(reads.TakeDueRetries(At(19)).empty());
  CHECK(reads.TakeDueRetries(At(20)) == std::vector<uint64_t>{*id});
  CHECK(reads.Expire(At(100)) == std::vector<uint64_t>{*id});
  REQUIRE(result.has_value());
  CHECK(ReasonOf(result->status()) == Reason::kDeadlineExceeded);
  CHECK(result->status().message().find("nobody leads") != absl::string_view::npos);
  reads.Confirmed(*id, Offset(1));  // late: forgotten
  reads.CompleteUpTo(Offset(10));
}

TEST_CASE("a call ends once: by its result, its deadline or the end of all (I-24)", "[quorum][pending]") {
  PendingCalls calls;
  std::vector<absl::Status> ends[3];
  uint64_t ids[3];
  for (int i = 0; i < 3; ++i) {
    CallDone done = [&ends, i](absl::Status status) { ends[i].push_back(std::move(status)); };
    const absl::StatusOr<uint64_t> id = calls.Add(At(10 * (i + 1)), &done);
    REQUIRE(id.ok());
    ids[i] = *id;
  }
  CHECK(calls.NextDeadline() == At(10));
  calls.Complete(ids[1], absl::OkStatus());
  calls.Complete(ids[1], absl::InternalError("late"));
  calls.Expire(At(10), absl::DeadlineExceededError("x"));
  calls.Complete(ids[0], absl::OkStatus());
  CHECK(calls.NextDeadline() == At(30));
  calls.FailAll(absl::CancelledError("end"));
  CHECK(calls.empty());
  CHECK(calls.NextDeadline().is_infinite());
  CHECK(ends[0] == std::vector<absl::Status>{absl::DeadlineExceededError("x")});
  CHECK(ends[1] == std::vector<absl::Status>{absl::OkStatus()});
  CHECK(ends[2] == std::vector<absl::Status>{absl::CancelledError("end")});
}

TEST_CASE("the table of calls is bounded, and a call that it refuses keeps its callback (I-25)", "[quorum][pending]") {
  PendingCalls calls;
  int ended = 0;
  for (size_t i = 0; i < PendingCalls::kCallsMax; ++i) {
    CallDone done = [&](absl::Status) { ++ended; };
    REQUIRE(calls.Add(At(1), &done).ok());
  }
  CallDone one_more = [&](absl::Status) { ended += 1000; };
  CHECK(ReasonOf(calls.Add(At(1), &one_more).status()) == Reason::kOverloaded);
  std::move(one_more)(absl::OkStatus());
  calls.Expire(At(1), absl::InternalError("late"));
  CHECK(ended == static_cast<int>(PendingCalls::kCallsMax) + 1000);
}

}  // namespace
}  // namespace quorate::quorum
