#include "quorum/snapshot_schedule.h"

#include <optional>

#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

Instant At(int64_t seconds) { return Instant::FromNanos(seconds * 1'000'000'000); }

SnapshotPolicy Policy(uint64_t bytes, absl::Duration interval) {
  SnapshotPolicy policy;
  policy.log_bytes = bytes;
  policy.interval = interval;
  return policy;
}

struct Answer {
  std::optional<absl::StatusOr<LogPosition>> value;
  SnapshotDone Take() {
    return [this](absl::StatusOr<LogPosition> answer) {
      CHECK_FALSE(value.has_value());
      value = std::move(answer);
    };
  }
};

const LogPosition kTen{Epoch(1), Offset(10)};

TEST_CASE("a snapshot is due after so many committed bytes", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(100, absl::ZeroDuration()), At(1));
  schedule.Committed(99);
  CHECK_FALSE(schedule.IsDue(At(1000)));
  CHECK(schedule.NextDeadline(true).is_infinite());
  schedule.Committed(1);
  CHECK(schedule.IsDue(At(1)));
  schedule.Begin();
  CHECK_FALSE(schedule.IsDue(At(1)));
  schedule.Committed(60);  // while it is being written: counts for the next
  schedule.Succeed(At(2), kTen);
  CHECK_FALSE(schedule.IsDue(At(2)));
  schedule.Committed(40);
  CHECK(schedule.IsDue(At(2)));
}

TEST_CASE("a snapshot is due after so long, but only if anything was committed", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(0, absl::Seconds(60)), At(0));
  CHECK_FALSE(schedule.IsDue(At(3600)));
  CHECK(schedule.NextDeadline(true).is_infinite());
  schedule.Committed(1);
  CHECK(schedule.NextDeadline(true) == At(60));
  CHECK_FALSE(schedule.IsDue(At(59)));
  CHECK(schedule.IsDue(At(60)));
  schedule.Begin();
  schedule.Succeed(At(61), kTen);
  CHECK_FALSE(schedule.IsDue(At(3600)));
}

TEST_CASE("with neither rule none is due by itself", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(0, absl::ZeroDuration()), At(0));
  schedule.Committed(1u << 30);
  CHECK_FALSE(schedule.IsDue(At(1'000'000)));
  CHECK(schedule.NextDeadline(true).is_infinite());
}

TEST_CASE("a failure keeps what made it due, and waits longer each time (F-H07)", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(100, absl::ZeroDuration()), At(0));
  schedule.Committed(100);
  Instant now = At(10);
  absl::Duration last_wait;
  for (int attempt = 0; attempt < 20; ++attempt) {
    REQUIRE(schedule.IsDue(now));
    schedule.Begin();
    schedule.Fail(now, absl::InternalError("no"));
    CHECK_FALSE(schedule.IsDue(now));
    const absl::Duration wait = schedule.NextDeadline(true) - now;
    CHECK(wait >= last_wait);
    CHECK(wait <= SnapshotSchedule::kRetryMax);
    last_wait = wait;
    now = schedule.NextDeadline(true);
  }
  CHECK(last_wait == SnapshotSchedule::kRetryMax);
  schedule.Begin();
  schedule.Succeed(now, kTen);
  schedule.Committed(100);
  CHECK(schedule.IsDue(now));  // success forgives
}

TEST_CASE("who asks during a snapshot is answered by the next", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(0, absl::ZeroDuration()), At(0));
  Answer first;
  Answer second;
  schedule.Request(At(0), first.Take());
  REQUIRE(schedule.IsDue(At(0)));
  schedule.Begin();
  schedule.Request(At(0), second.Take());
  CHECK_FALSE(schedule.IsDue(At(0)));  // one at a time
  schedule.Succeed(At(1), kTen);
  REQUIRE(first.value.has_value());
  CHECK(first.value->value() == kTen);
  CHECK_FALSE(second.value.has_value());
  REQUIRE(schedule.IsDue(At(1)));
  schedule.Begin();
  schedule.Fail(At(1), absl::InternalError("no"));
  REQUIRE(second.value.has_value());
  CHECK_FALSE(second.value->ok());
}

TEST_CASE("a request doesn't wait for the backoff of a failure, but for its own deadline at most",
          "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(1, absl::ZeroDuration()), At(0));
  schedule.Committed(1);
  schedule.Begin();
  schedule.Fail(At(0), absl::InternalError("no"));
  Answer answer;
  schedule.Request(At(0), answer.Take());
  CHECK(schedule.IsDue(At(0)));
  schedule.Begin();
  CHECK(schedule.NextDeadline(true) == At(0) + SnapshotSchedule::kRequestTimeout);
  schedule.Expire(At(0) + SnapshotSchedule::kRequestTimeout);
  REQUIRE(answer.value.has_value());
  CHECK(ReasonOf(answer.value->status()) == Reason::kDeadlineExceeded);
  schedule.Succeed(At(1000), kTen);  // nobody waits any more
}

TEST_CASE("a schedule that is disabled or ends answers everybody once (I-24)", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(1, absl::ZeroDuration()), At(0));
  Answer running;
  Answer waiting;
  Answer late;
  schedule.Request(At(0), running.Take());
  schedule.Begin();
  schedule.Request(At(0), waiting.Take());
  schedule.Disable(MakeError(Reason::kRefused, Outcome::kNotApplied, "never"));
  CHECK(ReasonOf(running.value->status()) == Reason::kRefused);
  CHECK(ReasonOf(waiting.value->status()) == Reason::kRefused);
  schedule.Request(At(0), late.Take());
  CHECK(ReasonOf(late.value->status()) == Reason::kRefused);
  schedule.Committed(100);
  CHECK_FALSE(schedule.IsDue(At(100)));
  CHECK(schedule.NextDeadline(true).is_infinite());
}

TEST_CASE("requests for snapshots are bounded (I-25)", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(0, absl::ZeroDuration()), At(0));
  size_t refused = 0;
  for (size_t i = 0; i < SnapshotSchedule::kRequestsMax + 3; ++i) {
    schedule.Request(At(0), [&](absl::StatusOr<LogPosition> answer) {
      if (ReasonOf(answer.status()) == Reason::kOverloaded) ++refused;
    });
  }
  CHECK(refused == 3);
  schedule.FailAll(absl::InternalError("end"));
}

TEST_CASE("a snapshot from elsewhere begins the count anew", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(100, absl::Seconds(10)), At(0));
  schedule.Committed(100);
  schedule.Begin();
  schedule.Replaced(At(5));
  schedule.Succeed(At(5), kTen);
  CHECK_FALSE(schedule.IsDue(At(1000)));
  schedule.Committed(99);
  CHECK_FALSE(schedule.IsDue(At(14)));
  CHECK(schedule.IsDue(At(15)));
}

TEST_CASE("while somebody loads a snapshot the policy waits for eight times as much (F-N16)", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(100, absl::Seconds(60)), At(0));
  schedule.ServingUntil(At(50));
  schedule.Committed(799);
  CHECK_FALSE(schedule.IsDue(At(49)));
  CHECK(schedule.NextDeadline(true) == At(50));
  CHECK(schedule.IsDue(At(50)));  // nobody asked again: the usual bounds hold
  schedule.ServingUntil(At(1000));
  CHECK_FALSE(schedule.IsDue(At(479)));
  CHECK(schedule.NextDeadline(true) == At(480));
  CHECK(schedule.IsDue(At(480)));  // eight intervals
  CHECK_FALSE(schedule.IsDue(At(100)));
  schedule.Committed(1);
  CHECK(schedule.IsDue(At(100)));  // eight times the bytes
  CHECK(schedule.NextDeadline(true) <= At(100));
}

TEST_CASE("nobody who loads a snapshot delays one that is asked for, or one that isn't due", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(100, absl::ZeroDuration()), At(0));
  schedule.ServingUntil(At(1000));
  schedule.Committed(99);
  CHECK(schedule.NextDeadline(true).is_infinite());
  CHECK_FALSE(schedule.IsDue(At(1)));
  Answer asked;
  schedule.Request(At(1), asked.Take());
  CHECK(schedule.IsDue(At(1)));
  schedule.Begin();
  schedule.Succeed(At(2), kTen);
  CHECK(asked.value.has_value());
}

TEST_CASE("a policy of any size is not too large to be multiplied", "[quorum][snapshot]") {
  SnapshotSchedule schedule(Policy(UINT64_MAX, absl::Hours(24 * 365 * 200)), At(0));
  schedule.ServingUntil(At(10));
  schedule.Committed(UINT64_MAX - 1);
  CHECK_FALSE(schedule.IsDue(At(5)));
  CHECK_FALSE(schedule.IsDue(At(1'000'000)));
  CHECK(schedule.NextDeadline(true) > At(1'000'000));
}

}  // namespace
}  // namespace quorate::quorum
