// Linearizable reads: M-27 to M-29, and that every read gets one outcome (I-24).
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/core_cluster.h"
#include "raft/one_core.h"
#include "raft/read_queue.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

void Read(OneCore& one, uint64_t id) {
  one.core->RequestRead(one.now, id);
  one.Take();
}

// Leads epoch 1 with its first record committed by node 2.
void LeadCommitted(OneCore& one) {
  one.Elect();
  one.Request(2, one.Fetch(0, 0));
  one.Request(2, one.Fetch(3, 3));
  REQUIRE(one.core->high_watermark() == Offset(3));
}

TEST_CASE("M-27: a new leader serves no read before its own record is committed") {
  OneCore one;
  one.Elect();
  one.Request(2, one.Fetch(0, 0));
  Read(one, 1);
  one.Request(2, one.Fetch(3, 0, 1, 0));
  CHECK(one.Last<FetchResponse>()->read_round == 0);  // no round yet
  one.Request(2, one.Fetch(3, 3, 1, 0));
  const uint64_t round = one.Last<FetchResponse>()->read_round;
  REQUIRE(round > 0);
  CHECK(one.reads.empty());
  one.Request(2, one.Fetch(3, 3, 1, round));
  REQUIRE(one.reads.size() == 1);
  REQUIRE(one.reads[0].offset.ok());
  CHECK(*one.reads[0].offset == Offset(3));
}

TEST_CASE("M-28: a read that comes while a round runs waits for the next round") {
  OneCore one;
  LeadCommitted(one);
  Read(one, 1);
  const uint64_t first = one.Last<FetchResponse>()->read_round;
  Read(one, 2);
  CHECK(one.Last<FetchResponse>()->read_round == first);
  one.Request(2, one.Fetch(3, 3, 1, first));
  REQUIRE(one.reads.size() == 1);
  CHECK(one.reads[0].id == 1);
  const uint64_t second = one.Last<FetchResponse>()->read_round;
  CHECK(second > first);
  one.Request(2, one.Fetch(3, 3, 1, second));
  REQUIRE(one.reads.size() == 2);
  CHECK(one.reads[1].id == 2);
}

TEST_CASE("reads that came together share a round") {
  OneCore one;
  LeadCommitted(one);
  for (uint64_t id = 1; id <= 5; ++id) one.core->RequestRead(one.now, id);
  one.Take();
  one.Request(2, one.Fetch(3, 3, 1, one.Last<FetchResponse>()->read_round));
  CHECK(one.reads.size() == 5);
}

TEST_CASE("I-16: observers don't confirm a read round") {
  OneCore one;
  LeadCommitted(one);
  one.Request(8, one.Fetch(3, 3));
  one.Request(9, one.Fetch(3, 3));
  Read(one, 1);
  const uint64_t round = one.Last<FetchResponse>()->read_round;
  one.Request(8, one.Fetch(3, 3, 1, round));
  one.Request(9, one.Fetch(3, 3, 1, round));
  CHECK(one.reads.empty());
}

TEST_CASE("M-29: a leader that hands over serves no reads, and those that waited are refused as not applied") {
  OneCore one;
  LeadCommitted(one);
  Read(one, 1);
  one.core->Resign(one.now, false);
  Read(one, 2);
  REQUIRE(one.reads.size() == 2);
  for (const ReadOutcome& read : one.reads) {
    CHECK_FALSE(read.offset.ok());
    CHECK(OutcomeOf(read.offset.status()) == Outcome::kNotApplied);
    CHECK(IsRetriable(read.offset.status()));
  }
  CHECK(ReasonOf(one.reads[0].offset.status()) == Reason::kLeadershipLost);
}

TEST_CASE("F-P06: a read round that a pause interrupted proves nothing") {
  OneCore one;
  LeadCommitted(one);
  Read(one, 1);
  const uint64_t before = one.Last<FetchResponse>()->read_round;
  one.now = one.now + absl::Milliseconds(200);  // more than half the election timeout, less than check-quorum
  one.Request(2, one.Fetch(3, 3, 1, before));
  CHECK(one.reads.empty());
  one.Request(2, one.Fetch(3, 3, 1, one.Last<FetchResponse>()->read_round));
  CHECK(one.reads.size() == 1);
}

TEST_CASE("a follower asks the leader, once for all that wait, and again when the answer is lost") {
  OneCore one;
  one.Follow(2, 1);
  one.core->RequestRead(one.now, 1);
  one.core->RequestRead(one.now, 2);
  one.Take();
  REQUIRE(one.Count<ReadRequest>() == 1);
  Read(one, 3);  // came later: waits for a question of its own
  CHECK(one.Count<ReadRequest>() == 1);
  one.Receive(one.From(2, one.Push({}, 0)));
  one.Wait(absl::Milliseconds(100));
  REQUIRE(one.Count<ReadRequest>() == 2);
  const uint64_t asked = one.Last<ReadRequest>()->read_id;
  Message answer = one.From(2, ReadResponse{PeerError::kNone, Epoch(1), one.core->leader(), asked, Offset(7)});
  answer.request_id = asked;
  one.Receive(answer);
  REQUIRE(one.reads.size() == 2);
  CHECK(*one.reads[0].offset == Offset(7));
  one.Receive(answer);  // repeated
  CHECK(one.reads.size() == 2);
  CHECK(one.Last<ReadRequest>()->read_id > asked);
}

TEST_CASE("a read without a leader is refused at once; one whose leader is lost, then") {
  OneCore one;
  Read(one, 1);
  REQUIRE(one.reads.size() == 1);
  CHECK(ReasonOf(one.reads[0].offset.status()) == Reason::kNoLeader);
  one.Follow(2, 1);
  Read(one, 2);
  CHECK(one.reads.size() == 1);
  one.Follow(3, 2);
  REQUIRE(one.reads.size() == 2);
  CHECK(IsRetriable(one.reads[1].offset.status()));
}

TEST_CASE("a cancelled read gets no outcome") {
  OneCore one;
  LeadCommitted(one);
  Read(one, 1);
  one.core->CancelRead(1);
  one.Request(2, one.Fetch(3, 3, 1, one.Last<FetchResponse>()->read_round));
  one.core->Halt(absl::InternalError("test"));
  one.Take();
  CHECK(one.reads.empty());
}

TEST_CASE("a halt answers the reads that wait") {
  OneCore one;
  LeadCommitted(one);
  Read(one, 1);
  one.core->Halt(absl::InternalError("test"));
  one.Take();
  REQUIRE(one.reads.size() == 1);
  CHECK(ReasonOf(one.reads[0].offset.status()) == Reason::kHalted);
  CHECK_FALSE(one.halt.has_value());  // the driver's own cause isn't told back to it
}

TEST_CASE("reads on every node of a cluster are linearizable, with one round trip on the leader") {
  CoreCluster cluster({.observers = 1});
  cluster.StartAll();
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(2)));
  REQUIRE(cluster.Propose(cluster.Leader(), "a").ok());
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(2)));
  for (int id = 1; id <= 4; ++id) {
    const uint64_t read = cluster.Read(id);
    const Instant asked = cluster.now();
    REQUIRE(cluster.RunUntil([&] { return cluster.ReadResult(read).has_value(); }, absl::Seconds(1)));
    CHECK(cluster.ReadResult(read)->ok());
    CHECK(cluster.now() - asked <= absl::Microseconds(id == cluster.Leader() ? 200 : 400));
  }
  CHECK(cluster.violations() == std::vector<std::string>());
}

TEST_CASE("a read queue is bounded") {
  ReadQueue queue;
  uint64_t id = 0;
  while (queue.Add({.id = ++id, .asker = std::nullopt})) {
  }
  CHECK(id == limits::kPendingReadsMax + 1);
  queue.Cancel(1);
  CHECK(queue.Add({.id = ++id, .asker = std::nullopt}));
  CHECK(queue.TakeAll().size() == limits::kPendingReadsMax);
}

}  // namespace
}  // namespace quorate::raft
