// One test for each rule about replication and commits: M-13 to M-20 and M-25. fetch_rules_test.cc has the sessions
// that carry it.
#include <algorithm>
#include <utility>

#include "raft/leading_core.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

TEST_CASE("M-13: what has arrived doesn't count for a commit; what is durable does") {
  OneCore one;
  Lead(one);
  one.Request(2, one.Fetch(0, 0));
  one.Request(2, one.Fetch(3, 0));
  CHECK(one.core->high_watermark() == Offset(0));
  one.Request(2, one.Fetch(3, 3));
  CHECK(one.core->high_watermark() == Offset(3));
}

TEST_CASE("M-13: a follower never acknowledges what isn't on disk, not even in an empty exchange") {
  OneCore one;
  one.Follow(2, 1);
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 1)}, 1)));
  const int acknowledged = one.Count<FetchRequest>();
  one.Wait(absl::Milliseconds(101));  // a keep-alive
  REQUIRE(one.Count<FetchRequest>() == acknowledged + 1);
  CHECK(one.Last<FetchRequest>()->fetch_offset == Offset(1));
  CHECK(one.Last<FetchRequest>()->durable_end == Offset(0));
  one.Sync();
  CHECK(one.Last<FetchRequest>()->durable_end == Offset(1));
}

TEST_CASE("M-14: the leader counts itself only as far as it is durable") {
  OneCore one;
  Lead(one);
  one.Request(2, one.Fetch(0, 0));
  one.Request(2, one.Fetch(3, 3));
  REQUIRE(Propose(one, "a").ok());
  one.Request(2, one.Fetch(4, 4));
  CHECK(one.core->high_watermark() == Offset(3));
  one.Sync();
  CHECK(one.core->high_watermark() == Offset(4));
}

TEST_CASE("M-15: records of earlier epochs are committed only under one of this epoch (figure 8)") {
  OneCore one({.log = OneCore::Log(0, 4, 2), .election = ElectionState{Epoch(2), ReplicaKey(), kNoNode}});
  one.Elect();
  REQUIRE(one.core->epoch() == Epoch(3));
  FetchRequest fetch = one.Fetch(4, 4);
  fetch.last_fetched_epoch = Epoch(2);
  one.Request(2, fetch);
  CHECK(one.core->high_watermark() == Offset(0));  // a majority has them, but that proves nothing yet
  one.Request(2, one.Fetch(7, 7));
  CHECK(one.core->high_watermark() == Offset(7));
}

TEST_CASE("M-16: a follower drops batches that no leader of its epoch would send") {
  const auto log_after = [](std::vector<Batch> batches) {
    OneCore one({.log = OneCore::Log(0, 2, 3), .election = ElectionState{Epoch(3), ReplicaKey(), kNoNode}});
    one.Follow(2, 5);
    FetchResponse push = one.Push({}, 0);
    push.base_offset = Offset(2);
    push.batches = std::move(batches);
    one.Receive(one.From(2, push));
    return one.core->log_end();
  };
  CHECK(log_after({OneCore::Data(2, 4), OneCore::Data(3, 5)}) == LogPosition{Epoch(5), Offset(4)});
  CHECK(log_after({OneCore::Data(2, 6)}) == LogPosition{Epoch(3), Offset(2)});                       // from the future
  CHECK(log_after({OneCore::Data(2, 2)}) == LogPosition{Epoch(3), Offset(2)});                       // epochs fall
  CHECK(log_after({OneCore::Data(3, 5)}) == LogPosition{Epoch(3), Offset(2)});                       // a gap
  CHECK(log_after({OneCore::Data(2, 5), OneCore::Data(4, 5)}) == LogPosition{Epoch(5), Offset(3)});  // a later gap
  const absl::string_view text = "x";
  const Batch foreign = *Batch::Make({Offset(2), Epoch(5), BatchKind::kData, 12345, 0}, absl::MakeConstSpan(&text, 1));
  CHECK(log_after({foreign}) == LogPosition{Epoch(3), Offset(2)});
  const Batch unreadable = *Batch::Make({Offset(2), Epoch(5), BatchKind::kControl, OneCore::Cluster().value().low(), 0},
                                        absl::MakeConstSpan(&text, 1));
  CHECK(log_after({unreadable}) == LogPosition{Epoch(3), Offset(2)});
}

TEST_CASE("M-17: a push of an ended session is dropped") {
  OneCore one({.log = OneCore::Log(0, 4, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
  one.Follow(2, 3);
  // Fits the log as it will be after the truncation, but speaks of the log as it was before.
  const FetchResponse late = one.Push({OneCore::Data(2, 1)}, 0);
  FetchResponse diverging = one.Push({}, 0);
  diverging.diverging = LogPosition{Epoch(1), Offset(2)};
  one.Receive(one.From(2, diverging));
  REQUIRE(one.core->log_end().end == Offset(2));
  one.Receive(one.From(2, late));
  CHECK(one.core->log_end().end == Offset(2));
  FetchResponse of_old_epoch = one.Push({OneCore::Data(2, 3)}, 0);
  one.Follow(3, 4);
  one.Receive(one.From(2, of_old_epoch));
  CHECK(one.core->log_end().end == Offset(2));
}

TEST_CASE("M-18: a follower's high watermark stays within what it holds") {
  OneCore one;
  one.Follow(2, 1);
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 1)}, 10)));
  CHECK(one.core->high_watermark() == Offset(1));
  one.Receive(one.From(2, one.Push({}, 0)));
  CHECK(one.core->high_watermark() == Offset(1));  // and never falls
}

TEST_CASE("M-18: an answer that refuses the position doesn't raise the high watermark") {
  OneCore one({.log = OneCore::Log(0, 4, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
  one.Follow(2, 3);
  FetchResponse diverging = one.Push({}, 4);
  diverging.diverging = LogPosition{Epoch(1), Offset(2)};
  one.Receive(one.From(2, diverging));
  CHECK(one.core->high_watermark() == Offset(0));
}

TEST_CASE("M-19: a follower truncates to the lesser of the leader's end and its own end of that epoch") {
  struct Case {
    LogPosition answer;
    int64_t end;
  };
  // Own log: epoch 1 at 0..2, epoch 3 at 3..5.
  for (const Case& c : {Case{{Epoch(3), Offset(4)}, 4}, Case{{Epoch(2), Offset(9)}, 3}, Case{{Epoch(1), Offset(2)}, 2},
                        Case{{Epoch(1), Offset(8)}, 3}, Case{{Epoch(0), Offset(0)}, 0}}) {
    OneCore one({.log = OneCore::Concat(OneCore::Log(0, 3, 1), OneCore::Log(3, 3, 3)),
                 .election = ElectionState{Epoch(3), ReplicaKey(), kNoNode}});
    one.Follow(2, 5);
    FetchResponse diverging = one.Push({}, 0);
    diverging.diverging = c.answer;
    one.Receive(one.From(2, diverging));
    CHECK(one.core->log_end().end == Offset(c.end));
    CHECK(one.core->durable_end() == Offset(c.end));
    CHECK(one.Last<FetchRequest>()->fetch_offset == Offset(c.end));
  }
}

TEST_CASE("M-19: the seven logs of the Raft paper's figure 7 end like the leader's") {
  const auto log = [](const std::vector<int>& epochs) {
    std::vector<Batch> batches;
    for (size_t i = 0; i < epochs.size(); ++i) {
      batches.push_back(OneCore::Data(static_cast<int64_t>(i), epochs[i], std::to_string(epochs[i])));
    }
    return batches;
  };
  const std::vector<int> leader_log = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<int>> others = {{1, 1, 1, 4, 4, 5, 5, 6, 6},
                                                {1, 1, 1, 4},
                                                {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
                                                {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
                                                {1, 1, 1, 4, 4, 4, 4},
                                                {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
                                                {}};
  for (const std::vector<int>& other : others) {
    OneCore leader({.log = log(leader_log), .election = ElectionState{Epoch(7), ReplicaKey(), kNoNode}});
    leader.Elect();
    REQUIRE(leader.core->epoch() == Epoch(8));
    OneCore follower({.self = 2, .log = log(other), .election = ElectionState{Epoch(7), ReplicaKey(), kNoNode}});
    follower.Follow(1, 8);
    for (int i = 0; i < 20 && follower.core->log_end() != leader.core->log_end(); ++i) {
      const auto fetch = std::find_if(follower.sent.rbegin(), follower.sent.rend(),
                                      [](const Message& m) { return std::holds_alternative<FetchRequest>(m.body); });
      REQUIRE(fetch != follower.sent.rend());
      leader.sent.clear();
      leader.Receive(*fetch);
      for (const ReadLog& read : std::exchange(leader.read_log, {})) {
        std::vector<Batch> older = log(leader_log);
        older.erase(older.begin(), older.begin() + read.from.value());
        leader.core->LogRead(leader.now, read.id, older);
        leader.Take();
      }
      follower.Sync();
      const std::vector<Message> answers = leader.sent;
      for (const Message& answer : answers) {
        if (answer.to.id == NodeId(2)) follower.Receive(answer);
      }
    }
    CHECK(follower.core->log_end() == leader.core->log_end());
    const std::vector<Batch> mine = follower.core->ReadTail(Offset(10), 1u << 20);
    REQUIRE(mine.size() == 1);
    CHECK(mine[0].crc() == leader.core->ReadTail(Offset(10), 1u << 20)[0].crc());
  }
}

TEST_CASE("M-19, M-25: a truncation below the high watermark halts the node instead") {
  OneCore one;
  one.Follow(2, 1);
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 1), OneCore::Data(1, 1)}, 2)));
  one.Sync();
  REQUIRE(one.core->high_watermark() == Offset(2));
  one.Follow(3, 2);
  FetchResponse diverging = one.Push({}, 0);
  diverging.diverging = LogPosition{Epoch(1), Offset(1)};
  one.Receive(one.From(3, diverging));
  REQUIRE(one.halt.has_value());
  CHECK(one.core->log_end().end == Offset(2));
}

TEST_CASE("M-25: another epoch at a committed offset halts the node") {
  OneCore one({.log = OneCore::Log(0, 1, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
  one.Follow(2, 3);
  one.Receive(one.From(2, one.Push({OneCore::Data(1, 3)}, 2)));
  REQUIRE(one.core->high_watermark() == Offset(2));
  one.Receive(one.From(2, one.Push({OneCore::Data(0, 2)}, 2)));
  CHECK(one.halt.has_value());
}

TEST_CASE("M-20: a lower fetch offset in a new session is accepted, and the larger one doesn't count any more") {
  OneCore one;
  Lead(one);
  REQUIRE(Propose(one, "a").ok());
  one.Request(2, one.Fetch(0, 0, 1));
  one.Request(2, one.Fetch(4, 3, 1));  // received to 4, durable to 3
  one.sent.clear();
  one.Request(2, one.Fetch(3, 3, 2));  // what wasn't synced is gone
  REQUIRE(one.Last<FetchResponse>() != nullptr);
  CHECK(one.Last<FetchResponse>()->base_offset <= Offset(4));
  CHECK(one.Count<FetchResponse>() >= 1);
  one.Sync();
  CHECK(one.core->high_watermark() == Offset(3));
}

TEST_CASE("F-D13: a report of durability from before a truncation is ignored") {
  OneCore one({.log = OneCore::Log(0, 2, 1), .election = ElectionState{Epoch(1), ReplicaKey(), kNoNode}});
  one.Follow(2, 2);
  one.Receive(one.From(2, one.Push({OneCore::Data(2, 2), OneCore::Data(3, 2)}, 0)));
  const uint64_t before = one.log_generation;
  one.Follow(3, 3);
  FetchResponse diverging = one.Push({}, 0);
  diverging.diverging = LogPosition{Epoch(1), Offset(2)};
  one.Receive(one.From(3, diverging));
  one.Receive(one.From(3, one.Push({OneCore::Data(2, 3), OneCore::Data(3, 3)}, 0)));
  one.core->LogDurable(one.now, Offset(4), before);
  CHECK(one.core->durable_end() == Offset(2));
  one.Sync();
  CHECK(one.core->durable_end() == Offset(4));
}

TEST_CASE("a truncation takes back appends that nobody has begun") {
  OneCore one;
  one.Follow(2, 1);
  const FetchResponse push = one.Push({OneCore::Data(0, 1), OneCore::Data(1, 1)}, 0);
  FetchResponse diverging = one.Push({}, 0);
  diverging.diverging = LogPosition{Epoch(1), Offset(1)};
  one.log.clear();
  one.core->Receive(one.now, one.From(2, push));  // effects not taken between the two
  one.core->Receive(one.now, one.From(2, diverging));
  one.Take();
  REQUIRE(one.log.size() == 2);
  CHECK(std::get<AppendLog>(one.log[0]).batch.base_offset() == Offset(0));
  CHECK(std::get<TruncateLog>(one.log[1]).new_end == Offset(1));
}

}  // namespace
}  // namespace quorate::raft
