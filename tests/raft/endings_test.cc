// What has to come to an end: waits whose timer must be ahead, changes that must give up their place.
#include "quorate/status.h"
#include "raft/grown_cluster.h"
#include "raft/leading_core.h"
#include "raft/snapshot_setup.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;

TEST_CASE("a follower whose leader said goodbye has no timer in the past, also while it loads a snapshot") {
  OneCore one({.log = OneCore::Log(0, 10, 3), .election = ElectionState{Epoch(4), ReplicaKey(), kNoNode}});
  one.Follow(2, 5);
  FetchResponse offer = one.Push({}, 45);
  offer.snapshot = At(4, 40);
  one.Receive(one.From(2, offer));
  REQUIRE(one.Count<SnapshotRequest>() == 1);
  // Node 3 goes first; this one waits for its turn, longer than a question waits for its answer.
  one.Request(2, EndEpochRequest{Epoch(5), {OneCore::Key(3), OneCore::Key(1)}});
  const Instant begun = one.now;
  for (int i = 0; i < 20 && one.core->role() == ReplicaRole::kFollower; ++i) {
    REQUIRE(one.core->NextDeadline() > one.now);
    one.now = one.core->NextDeadline();
    one.core->Tick(one.now);
    one.Take();
  }
  CHECK(one.core->role() == ReplicaRole::kProspective);
  CHECK(one.now - begun <= Milliseconds(300));
}

TEST_CASE("a replica that asks to be let in, and never catches up, doesn't keep others out for ever") {
  ClusterOptions options = Options(3, 2);
  options.auto_join = true;
  CoreCluster c(options);
  for (int id : {1, 2, 3}) c.Start(id);
  REQUIRE(c.RunUntil([&] { return c.Leader() != 0 && c.Propose(c.Leader(), "x").ok(); }, Seconds(15)));
  c.RunFor(Seconds(1));
  // A disk that takes nothing: it fetches, and is durable up to nowhere.
  c.Start(4);
  c.HoldDisk(4, true);
  REQUIRE(c.RunUntil([&] { return c.core(c.Leader()).voter_change().has_value(); }, Seconds(15)));
  const int leader = c.Leader();
  const Instant begun = c.now();
  CHECK(c.RunUntil([&] { return !c.core(leader).voter_change().has_value(); }, Seconds(60)));
  CHECK(c.now() - begun < Seconds(40));

  // It asks again. What a person asks for goes first, and only that is not given up for another.
  REQUIRE(c.RunUntil([&] { return c.core(leader).voter_change().has_value(); }, Seconds(15)));
  c.filter = [](const Message& m) { return !std::holds_alternative<ProbeRequest>(m.body); };
  c.Start(5);
  const uint64_t asked = c.Change(leader, c.AddOf(5));
  c.RunFor(Milliseconds(50));
  REQUIRE(c.core(leader).voter_change().has_value());
  CHECK(c.core(leader).voter_change()->change.voter.key == c.key(5));
  CHECK(ReasonOf(*c.ChangeResult(c.Change(leader, c.AddOf(4)))) == Reason::kChangePending);
  c.filter = nullptr;
  CHECK(Await(c, asked).ok());
  NoViolations(c);
}

TEST_CASE("F-N17: a replica without a directory id speaks for no voter") {
  OneCore one;
  Lead(one);
  Message fetch = one.From(2, one.Fetch(3, 3));
  fetch.from.directory = DirectoryId();
  one.Receive(fetch);
  CHECK(one.core->high_watermark() == Offset(0));
  one.Request(2, one.Fetch(3, 3));
  CHECK(one.core->high_watermark() == Offset(3));
}

TEST_CASE("F-N17: one message with an epoch that can't be doesn't use up the epochs") {
  const auto bad = Epoch(INT32_MAX);
  OneCore one;
  one.Request(2, VoteRequest{.epoch = bad, .log_end = {}, .pre_vote = true});
  one.Request(2, VoteRequest{.epoch = bad, .log_end = {}, .pre_vote = false});
  one.Request(2, BeginEpochRequest{bad, {OneCore::Address(2)}});
  one.Request(2, EndEpochRequest{bad, {}});
  one.WaitForRole(ReplicaRole::kProspective);
  one.Respond(2, VoteResponse{PeerError::kNone, bad, {}, true, true});
  CHECK(one.core->epoch() == Epoch(0));
  // A node that was away for long hears of a higher one all the same.
  one.Request(2, VoteRequest{.epoch = Epoch(1'000'000), .log_end = {}, .pre_vote = true});
  CHECK(one.core->epoch() == Epoch(1'000'000));
  CHECK_FALSE(one.halt.has_value());
}

TEST_CASE("F-N17: a read that was forwarded isn't answered from before what this node knows to be committed") {
  OneCore one({.log = OneCore::Log(0, 10, 3), .election = ElectionState{Epoch(4), ReplicaKey(), kNoNode}});
  one.Follow(2, 5);
  one.Receive(one.From(2, one.Push({}, 8)));
  REQUIRE(one.core->high_watermark() == Offset(8));
  one.core->RequestRead(one.now, 77);
  one.Take();
  const uint64_t id = one.Last<ReadRequest>()->read_id;
  const auto answer = [&](int64_t offset) {
    ReadResponse response;
    response.epoch = one.core->epoch();
    response.leader = one.core->leader();
    response.read_id = id;
    response.read_offset = Offset(offset);
    for (auto it = one.sent.rbegin(); it != one.sent.rend(); ++it) {
      if (std::holds_alternative<ReadRequest>(it->body)) return one.RespondTo(*it, 2, response);
    }
  };
  answer(-1);
  answer(7);
  CHECK(one.reads.empty());
  answer(8);
  REQUIRE(one.reads.size() == 1);
  CHECK(*one.reads[0].offset == Offset(8));
}

}  // namespace
}  // namespace quorate::raft
