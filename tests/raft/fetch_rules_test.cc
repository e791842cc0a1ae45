// The fetch sessions that carry replication: who is served, with what and how far ahead; lost, late and repeated
// messages; replicas that forgot what they had (F-P11).

#include <algorithm>

#include "raft/leading_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

TEST_CASE("F-P11: a replica whose durable end goes back within an epoch is fenced and never counted again") {
  OneCore one;
  Lead(one);
  one.Request(2, one.Fetch(0, 0, 1));
  one.Request(2, one.Fetch(3, 3, 1));
  REQUIRE(Propose(one, "a").ok());
  one.Sync();
  Message reborn = one.From(2, one.Fetch(0, 0, 1), /*life=*/1);
  one.Receive(reborn);
  const uint64_t round = one.Last<FetchResponse>()->read_round;
  REQUIRE(round > 0);  // it has to prove that it is the newer life
  CHECK(one.Last<FetchResponse>()->error == PeerError::kNone);
  one.Receive(one.From(2, one.Fetch(0, 0, 1, round), 1));
  CHECK(one.Last<FetchResponse>()->error == PeerError::kFencedReplica);
  one.Receive(one.From(2, one.Fetch(4, 4, 2, round), 1));
  CHECK(one.Last<FetchResponse>()->error == PeerError::kFencedReplica);
  CHECK(one.core->high_watermark() == Offset(3));
}

TEST_CASE("F-N08: a late duplicate of a past life neither displaces the living session nor fences its replica") {
  OneCore one;
  Lead(one);
  const Message late = one.From(2, one.Fetch(0, 0, 7), /*life=*/0);
  one.Receive(one.From(2, one.Fetch(3, 3, 1), /*life=*/1));
  REQUIRE(one.core->high_watermark() == Offset(3));
  one.Receive(late);
  one.Receive(late);
  REQUIRE(Propose(one, "a").ok());
  one.Sync();
  one.Receive(one.From(2, one.Fetch(4, 4, 1), 1));
  CHECK(one.core->high_watermark() == Offset(4));
}

TEST_CASE("a fenced follower stops itself and says why") {
  OneCore one;
  one.Follow(2, 1);
  FetchResponse fenced = one.Push({}, 0);
  fenced.error = PeerError::kFencedReplica;
  one.Receive(one.From(2, fenced));
  REQUIRE(one.halt.has_value());
  CHECK(one.halt->message().find("Format") != absl::string_view::npos);
}

TEST_CASE("a lost push shows as a gap and opens a new session; a repeated one is dropped") {
  OneCore one;
  one.Follow(2, 1);
  const uint64_t session = one.Last<FetchRequest>()->session;
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 1)}, 0)));
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 1)}, 0)));
  CHECK(one.core->log_end().end == Offset(1));
  one.Receive(one.From(2, one.Push({OneCore::Data(2, 1)}, 0)));
  CHECK(one.Last<FetchRequest>()->session > session);
  CHECK(one.Last<FetchRequest>()->fetch_offset == Offset(1));
}

TEST_CASE("a follower sends one message for arrival and durability, unless the credit runs out first") {
  OneCore one({.credit = 200});
  one.Follow(2, 1);
  const int before = one.Count<FetchRequest>();
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 1)}, 0)));
  CHECK(one.Count<FetchRequest>() == before);
  one.Sync();
  CHECK(one.Count<FetchRequest>() == before + 1);
  one.Receive(one.From(2, one.Push(OneCore::Log(1, 2, 1), 0)));  // more than half of the credit, not yet synced
  REQUIRE(one.Count<FetchRequest>() == before + 2);
  CHECK(one.Last<FetchRequest>()->fetch_offset == Offset(3));
  CHECK(one.Last<FetchRequest>()->durable_end == Offset(1));
}

TEST_CASE("the leader sends no more than the credit ahead, and older data through the log") {
  OneCore one({.log = OneCore::Log(0, 20, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
  one.Elect();
  FetchRequest fetch = one.Fetch(0, 0);
  fetch.credit_bytes = 100;
  one.Request(2, fetch);
  REQUIRE(one.read_log.size() == 1);
  CHECK(one.read_log[0].from == Offset(0));
  one.sent.clear();
  one.core->LogRead(one.now, one.read_log[0].id, OneCore::Log(0, 2, 1));
  one.Take();
  REQUIRE(one.Count<FetchResponse>() == 1);
  CHECK(one.Last<FetchResponse>()->batches.size() == 2);
  CHECK(one.read_log.size() == 1);  // 106 bytes are on their way: no more
  fetch.fetch_offset = Offset(2);
  fetch.last_fetched_epoch = Epoch(1);
  one.Request(2, fetch);
  CHECK(one.read_log.size() == 2);
  one.sent.clear();
  one.core->LogRead(one.now, one.read_log[0].id, OneCore::Log(0, 2, 1));  // answered before
  one.Take();
  CHECK(one.Count<FetchResponse>() == 0);
}

TEST_CASE("F-D07: a leader that can't read its log halts; a record that can't be read isn't the end of the log") {
  OneCore one({.log = OneCore::Log(0, 20, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
  one.Elect();
  one.Request(2, one.Fetch(0, 0));
  REQUIRE(one.read_log.size() == 1);
  one.core->LogRead(one.now, one.read_log[0].id, absl::DataLossError("EIO at offset 7"));
  one.Take();
  CHECK(one.core->role() == ReplicaRole::kHalted);
  REQUIRE(one.halt.has_value());
  CHECK(one.halt->message().find("EIO at offset 7") != absl::string_view::npos);
}

TEST_CASE("a fetch that acknowledges nothing new is answered at once") {
  OneCore one;
  Lead(one);
  one.Request(2, one.Fetch(3, 3));
  one.sent.clear();
  one.Request(2, one.Fetch(3, 3));
  REQUIRE(one.Count<FetchResponse>() == 1);
  CHECK(one.Last<FetchResponse>()->batches.empty());
  CHECK(one.Last<FetchResponse>()->high_watermark == Offset(3));
}

TEST_CASE("F-N01: a refused position is refused again when the follower repeats its request") {
  OneCore one({.log = OneCore::Log(0, 4, 2), .election = ElectionState{Epoch(2), ReplicaKey(), kNoNode}});
  one.Elect();
  FetchRequest fetch = one.Fetch(9, 9);
  fetch.last_fetched_epoch = Epoch(1);
  for (int i = 0; i < 2; ++i) {
    one.sent.clear();
    one.Request(2, fetch);
    REQUIRE(one.Last<FetchResponse>() != nullptr);
    CHECK(one.Last<FetchResponse>()->diverging.has_value());
  }
}

TEST_CASE("fetches of other epochs and with senseless fields are refused, not adopted") {
  OneCore one;
  Lead(one);
  const auto error_of = [&](FetchRequest fetch) {
    one.sent.clear();
    one.Request(2, fetch);
    return one.Last<FetchResponse>()->error;
  };
  FetchRequest fetch = one.Fetch(3, 3);
  fetch.epoch = Epoch(0);
  fetch.last_fetched_epoch = Epoch(0);
  CHECK(error_of(fetch) == PeerError::kFencedEpoch);
  fetch.epoch = Epoch(9);
  CHECK(error_of(fetch) == PeerError::kUnknownEpoch);
  CHECK(one.core->epoch() == Epoch(1));
  CHECK(error_of(one.Fetch(2, 3)) == PeerError::kInvalidRequest);
  CHECK(error_of(one.Fetch(-1, -1)) == PeerError::kInvalidRequest);
  CHECK(error_of(one.Fetch(3, 3, 0)) == PeerError::kInvalidRequest);
  CHECK(error_of(one.Fetch(3, 3, 1, 99)) == PeerError::kInvalidRequest);
  CHECK(one.core->high_watermark() == Offset(0));
}

TEST_CASE("M-07, I-16: observers are served and never counted") {
  OneCore one;
  Lead(one);
  one.Request(8, one.Fetch(3, 3));
  one.Request(9, one.Fetch(3, 3));
  CHECK(one.core->high_watermark() == Offset(0));
  CHECK(one.Last<FetchResponse>()->error == PeerError::kNone);
  CHECK(one.core->Progress().size() == 4);
}

TEST_CASE("the driver is told where peers are, and never about itself") {
  OneCore one({.bootstrap_servers = {OneCore::Address(1), OneCore::Address(2), OneCore::Address(7)}});
  std::vector<int> told;
  for (const PeerAddress& peer : one.peers) told.push_back(peer.id.value());
  CHECK(told == std::vector<int>{-4, -3, 2, 3});
}

TEST_CASE("an observer finds the leader through bootstrap servers") {
  OneCore one({.self = 9, .voters = {}, .may_vote = false, .bootstrap_servers = {OneCore::Address(2)}});
  one.Wait(absl::ZeroDuration());
  REQUIRE(one.Last<FetchRequest>() != nullptr);
  CHECK(one.sent.back().to.id == NodeId(-2));
  FetchResponse hint;
  hint.error = PeerError::kFencedEpoch;
  hint.epoch = Epoch(4);
  hint.leader = {NodeId(3), {OneCore::Address(3)}};
  one.RespondTo(one.sent.back(), 2, hint);
  one.Store();
  CHECK(one.core->role() == ReplicaRole::kFollower);
  CHECK(one.core->leader().id == NodeId(3));
  CHECK(one.sent.back().to.id == NodeId(3));
}

TEST_CASE("F-D16: a leader is asked by its id, whatever disk an old voter set gives it") {
  // Its disk was replaced and it was voted in again, while this node was away: the set here names the old one.
  OneCore one;
  Message begin = one.From(2, BeginEpochRequest{Epoch(3), {OneCore::Address(2)}});
  begin.from.directory = DirectoryId(Uuid(7, 7777));
  one.Receive(begin);
  one.Store();
  REQUIRE(one.Last<FetchRequest>() != nullptr);
  const auto fetch = std::find_if(one.sent.rbegin(), one.sent.rend(),
                                  [](const Message& m) { return std::holds_alternative<FetchRequest>(m.body); });
  CHECK(fetch->to == ReplicaKey{NodeId(2), DirectoryId()});
}

}  // namespace
}  // namespace quorate::raft
