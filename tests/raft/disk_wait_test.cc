// The age of the oldest unfinished write, by itself and as the core keeps it.
#include "raft/disk_wait.h"

#include "raft/one_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

Instant At(int64_t ms) { return Instant::FromNanos(1'000'000'000 + ms * 1'000'000); }

TEST_CASE("the oldest append that isn't durable says since when the disk owes something") {
  DiskWait wait;
  CHECK_FALSE(wait.since().has_value());
  wait.Appended(At(0), Offset(3));
  wait.Appended(At(5), Offset(4));
  wait.Appended(At(5), Offset(6));  // one moment, one entry
  CHECK(wait.since() == At(0));
  wait.Durable(Offset(2));
  CHECK(wait.since() == At(0));
  wait.Durable(Offset(3));
  CHECK(wait.since() == At(5));
  wait.Durable(Offset(5));
  CHECK(wait.since() == At(5));
  wait.Durable(Offset(9));
  CHECK_FALSE(wait.since().has_value());
}

TEST_CASE("what is cut needs no disk; what is left of it does") {
  DiskWait wait;
  wait.Appended(At(0), Offset(3));
  wait.Appended(At(5), Offset(6));
  wait.Appended(At(7), Offset(9));
  wait.Truncated(Offset(5), Offset(0));
  CHECK(wait.since() == At(0));
  wait.Durable(Offset(3));
  CHECK(wait.since() == At(5));
  wait.Appended(At(9), Offset(6));
  wait.Durable(Offset(5));
  CHECK(wait.since() == At(9));
  wait.Truncated(Offset(5), Offset(5));
  CHECK_FALSE(wait.since().has_value());
  wait.Appended(At(10), Offset(8));
  wait.Reset(At(12), Offset(100));
  CHECK(wait.since() == At(12));
  wait.Durable(Offset(100));
  CHECK_FALSE(wait.since().has_value());
}

TEST_CASE("a vote counts like an append, and the newest stands for those before it") {
  DiskWait wait;
  wait.Storing(At(0), 1);
  wait.Storing(At(3), 2);
  wait.Appended(At(2), Offset(1));
  CHECK(wait.since() == At(0));
  wait.Stored(2);
  CHECK(wait.since() == At(2));
  wait.Storing(At(4), 3);
  wait.Durable(Offset(1));
  CHECK(wait.since() == At(4));
  wait.Stored(3);
  CHECK_FALSE(wait.since().has_value());
}

TEST_CASE("F-D12: the core's figure is that of its votes and appends, in any role") {
  OneCore core;
  REQUIRE(core.WaitForRole(ReplicaRole::kProspective));
  CHECK_FALSE(core.core->disk_waits_since().has_value());
  core.Respond(2, VoteResponse{PeerError::kNone, core.core->epoch(), {}, true, true});
  REQUIRE(core.core->role() == ReplicaRole::kCandidate);
  CHECK(core.core->disk_waits_since() == core.now);
  const Instant voted = core.now;
  core.Wait(absl::Milliseconds(20));
  CHECK(core.core->disk_waits_since() == voted);
  core.Store();
  CHECK_FALSE(core.core->disk_waits_since().has_value());
  core.Respond(2, VoteResponse{PeerError::kNone, core.core->epoch(), {}, false, true});
  REQUIRE(core.core->role() == ReplicaRole::kLeader);
  CHECK(core.core->disk_waits_since() == core.now);
  core.Sync();
  CHECK_FALSE(core.core->disk_waits_since().has_value());
}

}  // namespace
}  // namespace quorate::raft
