// One test for each rule about a snapshot that is put in the place of the log, or isn't: M-03, M-17, M-23, M-25, M-40.
#include <utility>

#include "quorate/status.h"
#include "raft/snapshot_follower.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

TEST_CASE("M-17: what answers the session from before an installation is dropped") {
  Follower one;
  const FetchResponse late = one.Push({OneCore::Data(40, 5)}, 41);
  one.LoadAll();
  const uint64_t generation = one.log_generation;
  one.Verified();
  one.Receive(one.From(2, late));
  CHECK(one.core->log_end().end == Offset(40));
  one.core->LogDurable(one.now, Offset(40), generation);
  one.Take();
  CHECK(one.core->durable_end() == Offset(10));
}

TEST_CASE("I-12: what was acknowledged of the old log doesn't leave behind its replacement") {
  Follower one({.log = OneCore::Log(0, 60, 3), .election = ElectionState{Epoch(4), ReplicaKey(), kNoNode}});
  one.Offer();
  one.Answer(one.Piece(0, 25));
  one.Written();
  REQUIRE(one.verify_snapshot.has_value());
  one.sent.clear();
  // Both in one round of the driver: a sign of life that is due, and the end of the verification.
  one.now = one.now + absl::Milliseconds(60);
  one.core->Tick(one.now);
  one.Verified();
  REQUIRE(one.installed.size() == 1);
  for (const Message& message : one.sent) {
    const auto* fetch = std::get_if<FetchRequest>(&message.body);
    if (fetch != nullptr) CHECK(fetch->durable_end <= Offset(40));
  }
  CHECK(one.Count<FetchRequest>() == 1);
}

TEST_CASE("M-25: a snapshot that contradicts a committed record stops the node") {
  Follower one(WithSnapshot());
  REQUIRE(one.core->high_watermark() == Offset(20));
  one.Offer(At(4, 20));
  REQUIRE(one.halt.has_value());
  CHECK(DetailOf(*one.halt)->reason == Reason::kCorruption);
}

TEST_CASE("C-12: a snapshot takes the place of a longer log that was never committed") {
  OneCoreSetup setup = Follower::Default();
  setup.log = OneCore::Log(0, 60, 3);
  Follower one(setup);
  one.LoadAll();
  one.Verified();
  REQUIRE(one.installed.size() == 1);
  CHECK(one.core->log_end() == At(4, 40));
  CHECK(one.core->durable_end() == Offset(40));
}

TEST_CASE("M-03: a node that stands for election keeps its log until it follows again") {
  Follower one;
  one.LoadAll();
  REQUIRE(one.verify_snapshot.has_value());
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Verified();
  CHECK(one.installed.empty());
  CHECK(one.core->log_end() == At(3, 10));
  CHECK(one.Last<VoteRequest>()->log_end == At(3, 10));
  one.Follow(3, 6);
  FetchResponse answer = one.Push({}, 45);
  answer.snapshot = At(4, 40);
  one.Receive(one.From(3, answer));
  CHECK(one.installed.size() == 1);
  CHECK(one.core->log_end() == At(4, 40));
}

TEST_CASE("M-23: a leader never installs a snapshot") {
  Follower one;
  one.LoadAll();
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Elect(3);
  REQUIRE(one.core->role() == ReplicaRole::kLeader);
  const LogPosition end = one.core->log_end();
  one.Verified();
  CHECK(one.installed.empty());
  CHECK(one.core->log_end() == end);
}

TEST_CASE("a log that came another way makes the verified snapshot needless") {
  Follower one;
  one.LoadAll();
  std::vector<Batch> rest = OneCore::Log(10, 29, 4);
  rest.push_back(OneCore::Data(39, 4));
  one.Receive(one.From(2, one.Push(rest, 40)));
  REQUIRE(one.core->high_watermark() == Offset(40));
  one.Verified();
  CHECK(one.installed.empty());
  CHECK(one.core->log_start() == LogPosition());
}

TEST_CASE("M-40: a snapshot whose voter set lies behind its end, or is none, stops the node") {
  for (const RecoveredState::VotersAt& bad : {SetAt(40), SetAt(7, {})}) {
    Follower one;
    one.LoadAll();
    one.Verified(bad);
    CHECK(one.installed.empty());
    CHECK(one.halt.has_value());
  }
}

}  // namespace
}  // namespace quorate::raft
