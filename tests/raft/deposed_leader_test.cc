// A leader that has said itself that it leads no more, and others that haven't heard.

#include "raft/one_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

// Node 2 led epoch 3, was restarted, and answers a fetch with "I don't lead".
void DenyLeading(OneCore& one) {
  one.Follow(2, 3);
  FetchResponse denial = one.Push({}, 0);
  denial.error = PeerError::kNotLeader;
  denial.leader = LeaderInfo();
  one.Respond(2, denial);
}

VoteResponse RefusedBecauseNode2Leads() {
  return VoteResponse{PeerError::kNone, Epoch(3), {NodeId(2), {OneCore::Address(2)}}, true, false};
}

TEST_CASE("who denied leading isn't followed again in its epoch, whoever names it: no storm of hearsay and denials") {
  OneCore one;
  DenyLeading(one);
  REQUIRE(one.core->role() == ReplicaRole::kProspective);
  const int fetches = one.Count<FetchRequest>();
  one.Respond(3, RefusedBecauseNode2Leads());
  one.Respond(2, VoteResponse{PeerError::kNone, Epoch(3), {}, true, false});
  CHECK(one.core->role() == ReplicaRole::kUnattached);
  CHECK(one.core->leader().id == kNoNode);
  CHECK(one.Count<FetchRequest>() == fetches);
  // What node 2 sent while it led arrives late.
  one.Request(2, BeginEpochRequest{Epoch(3), {OneCore::Address(2)}});
  CHECK(one.core->role() == ReplicaRole::kUnattached);
  // Time goes by before the next attempt.
  const int asked = one.Count<VoteRequest>();
  one.Wait(absl::ZeroDuration());
  CHECK(one.Count<VoteRequest>() == asked);
}

TEST_CASE("a new epoch of a leader that was deposed is followed") {
  OneCore one;
  DenyLeading(one);
  one.Request(2, BeginEpochRequest{Epoch(4), {OneCore::Address(2)}});
  CHECK(one.core->role() == ReplicaRole::kFollower);
  CHECK(one.core->leader().id == NodeId(2));
}

TEST_CASE("a leader that said goodbye isn't followed again in its epoch") {
  OneCore one;
  one.Follow(2, 3);
  one.Request(2, EndEpochRequest{Epoch(3), {OneCore::Key(3), OneCore::Key(1)}});
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Respond(3, RefusedBecauseNode2Leads());
  one.Respond(2, VoteResponse{PeerError::kNone, Epoch(3), {}, true, false});
  CHECK(one.core->role() == ReplicaRole::kUnattached);
}

}  // namespace
}  // namespace quorate::raft
