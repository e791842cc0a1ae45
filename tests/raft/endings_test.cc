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

}  // namespace
}  // namespace quorate::raft
