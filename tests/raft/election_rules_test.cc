// One test for each rule about votes and elections, M-01 to M-12. What breaks such a rule breaks the test of its name.
#include "raft/one_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

VoteRequest Vote(int epoch, int64_t end = 0, int last_epoch = 0, bool pre_vote = false) {
  return VoteRequest{Epoch(epoch), {Epoch(last_epoch), Offset(end)}, pre_vote};
}
VoteResponse Granted(const OneCore& one, bool pre_vote) {
  return VoteResponse{PeerError::kNone, one.core->epoch(), {}, pre_vote, true};
}
VoteResponse Refused(const OneCore& one, bool pre_vote) {
  return VoteResponse{PeerError::kNone, one.core->epoch(), {}, pre_vote, false};
}

FetchResponse KnowsNoLeader(const OneCore& one) {
  FetchResponse answer;
  answer.error = PeerError::kNotLeader;
  answer.epoch = one.core->epoch();
  return answer;
}

// How long the core would wait for anything but its search for a leader.
absl::Duration UntilItStands(OneCore& one) {
  const Instant since = one.now;
  return one.WaitForRole(ReplicaRole::kProspective) ? one.now - since : absl::InfiniteDuration();
}

TEST_CASE("a voter that was just started stands soon when a majority knows no leader") {
  OneCore one({.voters = {1, 2, 3, 4, 5}});
  one.Wait(absl::ZeroDuration());
  const Message asked_2 = one.sent.back();
  REQUIRE(asked_2.to.id == NodeId(2));
  one.RespondTo(asked_2, 2, KnowsNoLeader(one));
  one.RespondTo(asked_2, 2, KnowsNoLeader(one));  // said twice, it is still one voter
  one.Wait(absl::Milliseconds(21));
  REQUIRE(one.core->role() == ReplicaRole::kUnattached);
  const Message asked_3 = one.sent.back();
  REQUIRE(asked_3.to.id == NodeId(3));
  one.RespondTo(asked_3, 3, KnowsNoLeader(one));
  CHECK(one.core->role() == ReplicaRole::kUnattached);  // the others may stand as well
  CHECK(UntilItStands(one) <= absl::Milliseconds(20));
  CHECK(one.Last<VoteRequest>()->pre_vote);  // M-08: there may be a leader after all
}

TEST_CASE("what others know of a leader counts only until a voter has followed, voted or stood") {
  OneCore one;
  one.Wait(absl::ZeroDuration());
  const Message asked = one.sent.back();
  SECTION("followed") {
    one.Follow(3, 1);
    one.Request(3, EndEpochRequest{Epoch(1), {OneCore::Key(2), OneCore::Key(1)}});
  }
  SECTION("voted") {
    one.Request(3, Vote(1));
    one.Store();
    REQUIRE(one.Last<VoteResponse>()->granted);
  }
  if (one.core->role() == ReplicaRole::kUnattached) {
    one.Wait(absl::Milliseconds(25));
    one.Respond(2, KnowsNoLeader(one));
    one.Respond(3, KnowsNoLeader(one));
    CHECK(UntilItStands(one) > absl::Milliseconds(200));
  } else {
    one.RespondTo(asked, 2, KnowsNoLeader(one));
    CHECK(one.core->role() == ReplicaRole::kFollower);
  }
}

TEST_CASE("a voter that is started into a living quorum follows, and doesn't stand") {
  OneCore one;
  one.Wait(absl::ZeroDuration());
  FetchResponse answer = KnowsNoLeader(one);
  answer.leader = {NodeId(3), {OneCore::Address(3)}};
  one.Respond(2, answer);
  CHECK(one.core->role() == ReplicaRole::kFollower);
  CHECK(one.core->leader().id == NodeId(3));
}

TEST_CASE("M-01: a vote leaves only after it is stored") {
  OneCore one;
  one.Request(2, Vote(5));
  REQUIRE(one.store.has_value());
  CHECK(one.store->state.epoch == Epoch(5));
  CHECK(one.store->state.voted_for == OneCore::Key(2));
  CHECK(one.core->epoch() == Epoch(5));  // M-11: in memory at once
  CHECK(one.Last<VoteResponse>() == nullptr);
  one.Store();
  REQUIRE(one.Last<VoteResponse>() != nullptr);
  CHECK(one.Last<VoteResponse>()->granted);
}

TEST_CASE("M-01: a candidacy leaves, and counts its own vote, only after it is stored") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Respond(2, Granted(one, true));
  REQUIRE(one.core->role() == ReplicaRole::kCandidate);
  CHECK(one.store->state.voted_for == OneCore::Key(1));
  CHECK(one.Last<VoteRequest>()->pre_vote);  // the real one waits
  one.Store();
  CHECK_FALSE(one.Last<VoteRequest>()->pre_vote);
  CHECK(one.core->role() == ReplicaRole::kCandidate);
  one.Respond(2, Granted(one, false));
  CHECK(one.core->role() == ReplicaRole::kLeader);
}

TEST_CASE("M-01: a sole voter leads only after its vote is stored, and commits only what is durable (M-14)") {
  OneCore one({.voters = {1}});
  CHECK(one.core->role() == ReplicaRole::kCandidate);
  one.Store();
  REQUIRE(one.core->role() == ReplicaRole::kLeader);
  CHECK(one.core->high_watermark() == Offset(0));
  one.Sync();
  CHECK(one.core->high_watermark() == Offset(3));
}

TEST_CASE("M-01: an overtaken store releases what waited for it") {
  OneCore one;
  one.Request(2, Vote(5));
  one.Request(3, Vote(6));
  CHECK(one.Last<VoteResponse>() == nullptr);
  one.Store();  // only the newest is ever stored
  CHECK(one.Count<VoteResponse>() == 2);
  CHECK(one.stored.epoch == Epoch(6));
}

TEST_CASE("M-02: a restarted leader keeps its vote and never leads its stored epoch again") {
  OneCore one({.log = OneCore::Log(0, 3, 3), .election = ElectionState{Epoch(4), OneCore::Key(1), NodeId(1)}});
  CHECK(one.core->role() == ReplicaRole::kUnattached);
  one.Request(2, Vote(4, 9, 3));
  CHECK_FALSE(one.Last<VoteResponse>()->granted);
  one.Elect();
  CHECK(one.core->role() == ReplicaRole::kLeader);
  CHECK(one.core->epoch() == Epoch(5));
}

TEST_CASE("M-02: others who remember the previous life as leader don't make it lead or halt") {
  OneCore one({.election = ElectionState{Epoch(4), OneCore::Key(1), NodeId(1)}});
  one.Wait(absl::ZeroDuration());
  FetchResponse hint;
  hint.error = PeerError::kNotLeader;
  hint.epoch = Epoch(4);
  hint.leader = {NodeId(1), {}};
  one.Respond(2, hint);
  CHECK(one.core->role() == ReplicaRole::kUnattached);
  CHECK_FALSE(one.halt.has_value());
}

TEST_CASE("a stored epoch below the log's is raised to it, and stored before anything is said") {
  OneCore one({.log = OneCore::Log(0, 2, 7), .election = ElectionState{Epoch(3), OneCore::Key(2), NodeId(2)}});
  CHECK(one.core->epoch() == Epoch(7));
  REQUIRE(one.store.has_value());
  CHECK(one.store->state == ElectionState{Epoch(7), ReplicaKey(), kNoNode});
  one.Wait(absl::ZeroDuration());
  CHECK(one.sent.empty());
}

TEST_CASE("M-03: logs are compared by last epoch first, then by end") {
  for (const bool pre_vote : {false, true}) {
    const auto granted = [&](int64_t end, int last_epoch) {
      OneCore one({.log = OneCore::Concat(OneCore::Log(0, 3, 1), OneCore::Log(3, 2, 3))});
      one.Store();
      one.Request(2, Vote(9, end, last_epoch, pre_vote));
      one.Store();
      return one.Last<VoteResponse>()->granted;
    };
    CHECK(granted(5, 3));
    CHECK(granted(6, 3));
    CHECK_FALSE(granted(4, 3));
    CHECK_FALSE(granted(99, 2));
    CHECK(granted(1, 4));
  }
}

TEST_CASE("M-04: a repeated vote request gets the same answer, also after the candidate has won") {
  OneCore one;
  const Message ask = one.From(2, Vote(5));
  one.Receive(ask);
  one.Store();
  one.Receive(ask);
  CHECK(one.Count<VoteResponse>() == 2);
  CHECK(one.Last<VoteResponse>()->granted);
  one.Request(3, Vote(5, 100, 4));
  CHECK_FALSE(one.Last<VoteResponse>()->granted);  // I-02
  one.Follow(2, 5);
  one.Receive(ask);
  CHECK(one.Last<VoteResponse>()->granted);
}

TEST_CASE("M-04: one voter is one vote, however often it answers, and an answer doesn't flip") {
  OneCore one({.voters = {1, 2, 3, 4, 5}});
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  for (int i = 0; i < 4; ++i) one.Respond(2, Granted(one, true));
  CHECK(one.core->role() == ReplicaRole::kProspective);
  one.Respond(3, Refused(one, true));
  one.Respond(3, Granted(one, true));
  CHECK(one.core->role() == ReplicaRole::kProspective);
  one.Respond(4, Granted(one, true));
  CHECK(one.core->role() == ReplicaRole::kCandidate);
}

TEST_CASE("M-05: an answer with a higher epoch is not a grant") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Respond(2, VoteResponse{PeerError::kNone, Epoch(8), {}, true, true});
  CHECK(one.core->role() == ReplicaRole::kUnattached);
  CHECK(one.core->epoch() == Epoch(8));
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Store();
  one.Respond(2, Granted(one, true));
  one.Store();
  one.Respond(2, VoteResponse{PeerError::kFencedEpoch, Epoch(12), {}, false, true});
  CHECK(one.core->role() == ReplicaRole::kUnattached);
  CHECK(one.core->epoch() == Epoch(12));
}

TEST_CASE("M-05: an answer that carries an error is not a grant, whatever else it says") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Respond(2, VoteResponse{PeerError::kWrongVoter, one.core->epoch(), {}, true, true});
  CHECK(one.core->role() == ReplicaRole::kProspective);
}

TEST_CASE("M-06: an observer answers votes") {
  OneCore one({.self = 9, .may_vote = false});
  one.Request(2, Vote(5));
  one.Store();
  CHECK(one.Last<VoteResponse>()->granted);
  CHECK(one.core->NextDeadline() - one.now < absl::Seconds(1));  // discovery goes on
}

TEST_CASE("M-07: answers of replicas outside the voter set count nothing") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  const Message round = one.sent.back();
  one.RespondTo(round, 7, Granted(one, true));
  Message other_disk = one.From(2, Granted(one, true));
  other_disk.from.directory = DirectoryId(Uuid(7, 77));
  other_disk.request_id = round.request_id;
  other_disk.request_incarnation = round.from_incarnation;
  one.Receive(other_disk);
  CHECK(one.core->role() == ReplicaRole::kProspective);
}

TEST_CASE("M-08: a follower that hears its leader refuses pre-votes, and a refusal changes nothing") {
  OneCore one;
  one.Follow(2, 1);
  const Instant deadline = one.core->NextDeadline();
  one.Request(3, Vote(1, 50, 1, true));
  CHECK_FALSE(one.Last<VoteResponse>()->granted);
  CHECK_FALSE(one.store.has_value());
  CHECK(one.core->NextDeadline() == deadline);
  CHECK(one.core->role() == ReplicaRole::kFollower);
}

TEST_CASE("M-08: after the minimum silence a follower grants a pre-vote to an up-to-date log, and stores nothing") {
  OneCore one;
  one.Follow(2, 1);
  one.Wait(absl::Milliseconds(301));
  one.Request(3, Vote(1, 50, 1, true));
  CHECK(one.Last<VoteResponse>()->granted);
  CHECK_FALSE(one.store.has_value());
  CHECK(one.core->role() == ReplicaRole::kFollower);
}

TEST_CASE("M-08: a pre-vote needs an up-to-date log, not only a silent leader") {
  OneCore one({.log = OneCore::Log(0, 4, 1)});
  one.Store();
  one.Request(3, Vote(1, 3, 1, true));
  CHECK_FALSE(one.Last<VoteResponse>()->granted);
}

TEST_CASE("M-08: a pre-vote of an older epoch is refused with the newer one") {
  OneCore one;
  one.Follow(2, 6);
  one.Request(3, Vote(4, 50, 4, true));
  CHECK(one.Last<VoteResponse>()->error == PeerError::kFencedEpoch);
  CHECK(one.Last<VoteResponse>()->epoch == Epoch(6));
  CHECK(one.Last<VoteResponse>()->leader.id == NodeId(2));
}

TEST_CASE("M-08: late answers of an earlier round are ignored") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  const Message first_round = one.sent.back();
  one.Respond(2, Refused(one, true));
  one.Respond(3, Refused(one, true));
  REQUIRE(one.core->role() == ReplicaRole::kUnattached);
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.RespondTo(first_round, 2, Granted(one, true));
  CHECK(one.core->role() == ReplicaRole::kProspective);
}

TEST_CASE("F-N08: an answer to a previous life is dropped") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  Message late = one.From(2, Granted(one, true));
  late.request_id = one.sent.back().request_id;
  late.request_incarnation = IncarnationId(Uuid(9, 99));
  one.Receive(late);
  CHECK(one.core->role() == ReplicaRole::kProspective);
}

TEST_CASE("M-10: only a granted vote resets the election timer") {
  OneCore one({.log = OneCore::Log(0, 4, 1)});
  one.Store();
  for (int i = 0; i < 40 && one.core->role() == ReplicaRole::kUnattached; ++i) {
    one.Request(3, Vote(1 + i, 0, 0));  // ever new epochs, never a grant
    one.Store();
    one.Wait(absl::Milliseconds(20));
  }
  CHECK(one.core->role() == ReplicaRole::kProspective);

  OneCore granter;
  granter.Wait(absl::Milliseconds(290));
  granter.Request(3, Vote(5));
  granter.Store();
  granter.Wait(absl::Milliseconds(299));
  CHECK(granter.core->role() == ReplicaRole::kUnattached);
}

TEST_CASE("M-12: an observer never stands, not even when a leader names it") {
  for (const bool in_set : {false, true}) {
    OneCore one({.self = in_set ? 1 : 9, .may_vote = false});
    one.Follow(2, 3);
    one.Request(2, EndEpochRequest{Epoch(3), {OneCore::Key(in_set ? 1 : 9), OneCore::Key(3)}});
    for (int i = 0; i < 50; ++i) one.Wait(absl::Milliseconds(100));
    CHECK(one.Count<VoteRequest>() == 0);
    CHECK(one.core->epoch() == Epoch(3));
  }
}

TEST_CASE("a broken connection to the leader starts a pre-election at once; refused, it follows again") {
  OneCore one;
  one.core->PeerConnected(one.now, NodeId(2));
  one.Follow(2, 1);
  one.core->PeerDisconnected(one.now, NodeId(2));
  one.Take();
  REQUIRE(one.core->role() == ReplicaRole::kProspective);
  CHECK(one.core->leader().id == kNoNode);
  VoteResponse refused = Refused(one, true);
  refused.leader = {NodeId(2), {OneCore::Address(2)}};
  one.Respond(3, refused);
  CHECK(one.core->role() == ReplicaRole::kFollower);  // nobody else can answer: ask again soon
  one.Wait(absl::Milliseconds(22));
  CHECK(one.core->role() == ReplicaRole::kProspective);  // that others hear it was no news
  one.core->PeerConnected(one.now, NodeId(2));
  one.Take();
  one.Respond(2, refused);
  CHECK(one.core->role() == ReplicaRole::kFollower);  // that it answers is
  one.Wait(absl::Milliseconds(22));
  CHECK(one.core->role() == ReplicaRole::kFollower);
  CHECK(one.core->epoch() == Epoch(1));
  CHECK(one.Last<FetchRequest>() != nullptr);
}

TEST_CASE("a connection that never stood says nothing about the leader") {
  OneCore one;
  one.Follow(2, 1);
  one.core->PeerDisconnected(one.now, NodeId(2));
  CHECK(one.core->role() == ReplicaRole::kFollower);
}

TEST_CASE("of two that stand at the same moment the better one goes first") {
  const auto role_with = [](int64_t other_end) {
    OneCore one({.log = OneCore::Log(0, 4, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
    REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
    one.Request(2, Vote(1, other_end, 1, true));
    const Message round = [&] {
      for (const Message& m : one.sent) {
        if (std::holds_alternative<VoteRequest>(m.body)) return m;
      }
      return Message();
    }();
    one.RespondTo(round, 2, Granted(one, true));
    const ReplicaRole at_once = one.core->role();
    one.Wait(absl::Milliseconds(21));
    CHECK(one.core->role() == ReplicaRole::kCandidate);  // the better one had its chance
    return at_once;
  };
  CHECK(role_with(9) == ReplicaRole::kProspective);
  CHECK(role_with(3) == ReplicaRole::kCandidate);
}

TEST_CASE("after a lost election a candidate backs off before it asks for pre-votes again") {
  OneCore one;
  REQUIRE(one.WaitForRole(ReplicaRole::kProspective));
  one.Respond(2, Granted(one, true));
  one.Store();
  const Message round = one.sent.back();
  one.RespondTo(round, 2, Refused(one, false));
  one.RespondTo(round, 3, Refused(one, false));
  CHECK(one.core->role() == ReplicaRole::kCandidate);
  one.Wait(absl::Milliseconds(22));
  CHECK(one.core->role() == ReplicaRole::kProspective);
  CHECK(one.core->epoch() == Epoch(1));
}

TEST_CASE("EndEpoch: the first successor asks for votes at once, the next waits") {
  OneCore first;
  first.Follow(2, 3);
  first.Request(2, EndEpochRequest{Epoch(3), {OneCore::Key(1), OneCore::Key(3)}});
  CHECK(first.core->role() == ReplicaRole::kCandidate);
  CHECK(first.core->epoch() == Epoch(4));

  OneCore second;
  second.Follow(2, 3);
  second.Request(2, EndEpochRequest{Epoch(3), {OneCore::Key(3), OneCore::Key(1)}});
  CHECK(second.core->role() == ReplicaRole::kFollower);
  second.Request(3, Vote(3, 50, 3, true));
  CHECK(second.Last<VoteResponse>()->granted);  // the leader is gone by its own word
  second.Wait(absl::Milliseconds(151));         // 300 ms >> 1
  CHECK(second.core->role() == ReplicaRole::kProspective);
}

TEST_CASE("requests that make no sense, for others, of other clusters or from oneself change nothing") {
  OneCore one;
  one.Request(2, Vote(5, 3, 5));  // a log of the epoch that is only being voted on
  CHECK(one.Last<VoteResponse>()->error == PeerError::kInvalidRequest);
  one.Request(2, VoteRequest{Epoch(5), {Epoch(0), Offset(-1)}, false});
  CHECK(one.Last<VoteResponse>()->error == PeerError::kInvalidRequest);
  CHECK(one.core->epoch() == Epoch(0));
  const size_t said = one.sent.size();
  Message foreign = one.From(2, Vote(5));
  foreign.cluster_id = ClusterId(Uuid(1, 2));
  one.Receive(foreign);  // F-N09
  Message own = one.From(1, Vote(5));
  one.Receive(own);  // F-N11
  CHECK(one.sent.size() == said);
  CHECK(one.core->epoch() == Epoch(0));
  Message swapped = one.From(2, Vote(5));
  swapped.to = OneCore::Key(3);
  one.Receive(swapped);  // F-N10: no vote that was meant for somebody else
  one.Store();
  CHECK(one.Last<VoteResponse>()->error == PeerError::kWrongVoter);
  CHECK(one.stored.voted_for.id == kNoNode);
}

TEST_CASE("M-25: two leaders in one epoch halt the node, which then ignores everything") {
  OneCore one;
  one.Follow(2, 1);
  one.Request(3, BeginEpochRequest{Epoch(1), {OneCore::Address(3)}});
  REQUIRE(one.halt.has_value());
  CHECK(one.core->role() == ReplicaRole::kHalted);
  const size_t said = one.sent.size();
  one.Request(2, Vote(9));
  one.Wait(absl::Seconds(10));
  CHECK(one.sent.size() == said);
  CHECK(one.core->epoch() == Epoch(1));
}

}  // namespace
}  // namespace quorate::raft
