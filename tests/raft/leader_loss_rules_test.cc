// How a leader ends: without a majority (M-09), after a pause (F-P06), with a disk that hangs; and what it leaves.

#include "quorate/status.h"
#include "raft/leading_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

TEST_CASE("M-09: a leader without fetches of a majority resigns; observers don't keep it") {
  OneCore one;
  Lead(one);
  for (int i = 0; i < 5; ++i) {
    one.Wait(absl::Milliseconds(150));
    one.Request(9, one.Fetch(3, 3));
  }
  CHECK(one.core->role() == ReplicaRole::kResigned);
  CHECK(one.Count<EndEpochRequest>() >= 2);
}

TEST_CASE("M-09: fetches of one other voter of three keep it") {
  OneCore one;
  Lead(one);
  for (int i = 0; i < 20; ++i) {
    one.Wait(absl::Milliseconds(150));
    one.Request(2, one.Fetch(3, 3));
  }
  CHECK(one.core->role() == ReplicaRole::kLeader);
}

TEST_CASE("F-P06: a leader that was paused resigns before it accepts anything") {
  OneCore one;
  Lead(one);
  one.Request(2, one.Fetch(3, 3));
  one.now = one.now + absl::Seconds(5);
  CHECK(ReasonOf(Propose(one, "late")) == Reason::kNotLeader);
  CHECK(one.core->role() == ReplicaRole::kResigned);
}

TEST_CASE("a leader whose own disk hangs hands over, though the followers hear it") {
  OneCore one;
  Lead(one);
  REQUIRE(Propose(one, "never synced").ok());
  for (int i = 0; i < 8; ++i) {
    one.Request(2, one.Fetch(3, 3));
    one.Wait(absl::Milliseconds(99));
  }
  CHECK(one.core->role() == ReplicaRole::kResigned);
}

TEST_CASE("a resigned leader names the successor that is furthest, and tells until it is heard") {
  OneCore one;
  Lead(one);
  one.Request(3, one.Fetch(0, 0));
  one.Request(3, one.Fetch(3, 3));
  one.core->Resign(one.now, /*shutting_down=*/true);
  one.Take();
  REQUIRE(one.Last<EndEpochRequest>() != nullptr);
  CHECK(one.Last<EndEpochRequest>()->preferred_successors == std::vector<ReplicaKey>{OneCore::Key(3), OneCore::Key(2)});
  CHECK(one.core->handing_over());
  one.Respond(2, EndEpochResponse{PeerError::kNone, Epoch(1), {}});
  CHECK(one.core->handing_over());
  one.Respond(3, EndEpochResponse{PeerError::kNone, Epoch(1), {}});
  CHECK_FALSE(one.core->handing_over());
  for (int i = 0; i < 20; ++i) one.Wait(absl::Milliseconds(200));
  CHECK(one.core->epoch() == Epoch(1));  // it doesn't stand again
}

TEST_CASE("handing over ends after its deadline though nobody answers") {
  OneCore one;
  Lead(one);
  one.core->Resign(one.now, true);
  one.Take();
  CHECK(one.core->NextDeadline() <= one.now + absl::Milliseconds(300));
  one.Wait(absl::Milliseconds(300));
  CHECK_FALSE(one.core->handing_over());
}

TEST_CASE("M-31: nothing is accepted after leadership is lost, and the refusal says where to go") {
  OneCore one;
  Lead(one);
  one.Follow(3, 2);
  const absl::Status refused = Propose(one, "x");
  CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  REQUIRE(LeaderHintFrom(refused).has_value());
  CHECK(LeaderHintFrom(refused)->id == NodeId(3));
  CHECK(LeaderHintFrom(refused)->endpoint == OneCore::Address(3));
}

}  // namespace
}  // namespace quorate::raft
