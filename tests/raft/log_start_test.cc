// A log that begins behind a snapshot: what its epoch index, its voter history and its bounds still know, and what a
// restart makes of a log and a snapshot that don't fit together. M-03, M-22, M-26, M-40.
#include <algorithm>

#include "base/xoshiro.h"
#include "raft/epoch_index.h"
#include "raft/one_core.h"
#include "raft/replica_log.h"
#include "raft/voter_history.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

VoterSet Voters(std::vector<int> ids) {
  std::vector<Voter> voters;
  for (int id : ids) voters.push_back(Voter{OneCore::Key(id), {}, 0, 1});
  return VoterSet(voters);
}

LogPosition At(int epoch, int64_t end) { return {Epoch(epoch), Offset(end)}; }

TEST_CASE("M-03: a trimmed epoch index answers as the whole one does, and denies what it can't know") {
  Xoshiro random(11);
  for (int i = 0; i < 2'000; ++i) {
    EpochIndex index;
    std::vector<int> twin;  // epoch of each offset
    int epoch = 1;
    size_t start = 0;
    for (int step = 0; step < 40; ++step) {
      const uint64_t what = random.Below(8);
      if (what == 0) {
        twin.resize(start + random.Below(twin.size() - start + 1));
        index.TruncateTo(Offset(static_cast<int64_t>(twin.size())));
        ++epoch;
      } else if (what == 1 && !twin.empty()) {
        start += random.Below(twin.size() - start + 1);
        if (start > 0) index.TrimTo(At(twin[start - 1], static_cast<int64_t>(start)));
      } else {
        epoch += static_cast<int>(random.Below(3) == 0 ? random.Below(3) : 0);
        index.Assign(Epoch(epoch), Offset(static_cast<int64_t>(twin.size())));
        twin.push_back(epoch);
      }
      REQUIRE(index.LastEpoch() == Epoch(twin.empty() ? 0 : twin.back()));
      const int asked = static_cast<int>(random.Below(static_cast<uint64_t>(epoch) + 2));
      LogPosition expected;
      for (size_t o = 0; o < twin.size() && twin[o] <= asked; ++o) {
        expected = At(twin[o], static_cast<int64_t>(o) + 1);
      }
      if (start > 0 && asked < twin[start - 1]) expected = LogPosition();  // it parts somewhere in the snapshot
      REQUIRE(index.EndOffsetFor(Epoch(asked), Offset(static_cast<int64_t>(twin.size()))) == expected);
      for (size_t o = start == 0 ? 0 : start - 1; o < twin.size(); ++o) {
        REQUIRE(index.EpochAt(Offset(static_cast<int64_t>(o))) == Epoch(twin[o]));
      }
    }
  }
}

TEST_CASE("M-22: after a reset an epoch index knows the snapshot's epoch and nothing else") {
  EpochIndex index({{Epoch(1), Offset(0)}, {Epoch(7), Offset(50)}});
  index.ResetTo(At(5, 80));
  CHECK(index.LastEpoch() == Epoch(5));
  CHECK(index.EpochAt(Offset(79)) == Epoch(5));
  CHECK(index.EndOffsetFor(Epoch(6), Offset(80)) == At(5, 80));
  CHECK(index.EndOffsetFor(Epoch(4), Offset(80)) == LogPosition());
  index.Assign(Epoch(5), Offset(80));
  index.Assign(Epoch(9), Offset(90));
  CHECK(index.EndOffsetFor(Epoch(8), Offset(95)) == At(5, 90));
  index.TruncateTo(Offset(80));
  CHECK(index.LastEpoch() == Epoch(5));
}

TEST_CASE("M-40: the voter set as of an offset is that of the last record before it, also behind a trimmed log") {
  Xoshiro random(12);
  for (int i = 0; i < 300; ++i) {
    VoterHistory history(Voters({1}));
    std::vector<RecoveredState::VotersAt> twin = {{kNoOffset, Voters({1}).voters(), {}}};
    int64_t end = 0;
    int64_t start = 0;
    for (int step = 0; step < 60; ++step) {
      const uint64_t what = random.Below(6);
      if (what == 0) {
        end = start + static_cast<int64_t>(random.Below(static_cast<uint64_t>(end - start) + 1));
        history.TruncateTo(Offset(end));
        while (twin.back().offset >= Offset(end)) twin.pop_back();
      } else if (what == 1) {
        start += static_cast<int64_t>(random.Below(static_cast<uint64_t>(end - start) + 1));
        history.TrimTo(Offset(start));
      } else {
        const int other = static_cast<int>(2 + random.Below(50));
        history.Append(Offset(end), VoterSet(Voters({1, other}).voters(), {OneCore::Key(other + 1)}));
        twin.push_back({Offset(end), Voters({1, other}).voters(), {OneCore::Key(other + 1)}});
        end += static_cast<int64_t>(1 + random.Below(3));
      }
      REQUIRE(history.Latest().voters() == twin.back().voters);
      REQUIRE(history.Latest().removed() == twin.back().removed);
      for (int64_t as_of = start; as_of <= end; ++as_of) {
        const auto expected = std::find_if(twin.rbegin(), twin.rend(),
                                           [as_of](const auto& record) { return record.offset < Offset(as_of); });
        const RecoveredState::VotersAt got = history.AsOf(Offset(as_of));
        REQUIRE(got.offset == expected->offset);
        REQUIRE(got.voters == expected->voters);
        REQUIRE(got.removed == expected->removed);
      }
    }
  }
}

TEST_CASE("M-40: the base set behind a snapshot survives every truncation") {
  VoterHistory history(Voters({1}));
  history.Append(Offset(10), Voters({1, 2}));
  history.Append(Offset(20), Voters({1, 2, 3}));
  history.Append(Offset(30), Voters({2, 3}));
  history.TrimTo(Offset(25));
  history.TruncateTo(Offset(25));
  CHECK(history.Latest() == Voters({1, 2, 3}));
  CHECK(history.AsOf(Offset(25)).offset == Offset(20));
  history.ResetTo({Offset(40), Voters({4}).voters(), {}});
  CHECK(history.Latest() == Voters({4}));
  history.ResetTo({kNoOffset, {}, {}});
  CHECK(history.Latest() == Voters({1}));
  CHECK_FALSE(history.has_record());
}

TEST_CASE("M-22: a log that was reset has the snapshot's bounds and set; earlier reports of its disk don't count") {
  RecoveredState state;
  ReplicaLog log(state, Voters({1, 2, 3}), 1u << 20);
  for (int64_t base = 0; base < 10; ++base) REQUIRE(log.Append(OneCore::Data(base, 3)).ok());
  CHECK(log.TakeOperations().size() == 10);
  REQUIRE(log.Durable(Offset(4), log.generation()));
  const uint64_t before = log.generation();
  REQUIRE(log.Append(OneCore::Data(10, 4)).ok());
  log.ResetTo(At(5, 8), {Offset(2), Voters({2, 3, 4}).voters(), {}});

  const std::vector<LogOperation> operations = log.TakeOperations();
  REQUIRE(operations.size() == 1);  // the append that nobody had begun is taken back
  CHECK(std::get<ResetLog>(operations[0]).start == At(5, 8));
  CHECK(log.start() == At(5, 8));
  CHECK(log.end() == At(5, 8));
  CHECK(log.durable_end() == Offset(4));
  CHECK(log.voters() == Voters({2, 3, 4}));
  CHECK(log.tail().Read(Offset(8), 100).empty());
  CHECK_FALSE(log.Durable(Offset(8), before));
  CHECK(log.Durable(Offset(8), log.generation()));
  CHECK(log.Append(OneCore::Data(8, 5)).ok());
  CHECK_FALSE(log.Append(OneCore::Data(9, 4)).ok());
}

TEST_CASE("M-22: a conflicting log's durable end says nothing about the snapshot in its place") {
  RecoveredState state;
  ReplicaLog log(state, Voters({1}), 1u << 20);
  for (int64_t base = 0; base < 10; ++base) REQUIRE(log.Append(OneCore::Data(base, 3)).ok());
  REQUIRE(log.Durable(Offset(10), log.generation()));
  log.ResetTo(At(5, 8), {kNoOffset, {}, {}});
  CHECK(log.durable_end() == Offset(8));
}

TEST_CASE("a trimmed log keeps its end, its epochs and what of it is in memory") {
  RecoveredState state;
  ReplicaLog log(state, Voters({1}), 1u << 20);
  for (int64_t base = 0; base < 10; ++base) REQUIRE(log.Append(OneCore::Data(base, base < 5 ? 3 : 4)).ok());
  log.TrimTo(At(3, 4));
  CHECK(log.start() == At(3, 4));
  CHECK(log.end() == At(4, 10));
  CHECK(log.tail().Read(Offset(3), 1).empty());
  CHECK(log.tail().Read(Offset(4), 1).size() == 1);
  log.TrimTo(At(3, 2));  // the log never grows back
  CHECK(log.start() == At(3, 4));
  CHECK(log.Covers(At(2, 1)));  // below the start: a snapshot has it
  CHECK(log.Covers(At(3, 5)));
  CHECK(log.Contradicts(At(4, 5)));
  CHECK_FALSE(log.Covers(At(4, 11)));
  CHECK_FALSE(log.Contradicts(At(4, 11)));
}

TEST_CASE("M-26: a log that lacks what the newest snapshot stands for is reset to it, not taken as it is") {
  const auto must_reset = [](LogPosition start, std::vector<Batch> log, std::optional<LogPosition> snapshot) {
    Recovery recovery;
    LogBounds bounds{start, start};
    for (const Batch& batch : log) {
      REQUIRE(recovery.Visit(batch).ok());
      bounds.end = {batch.epoch(), batch.end_offset()};
    }
    return recovery.MustReset(bounds, snapshot);
  };
  const std::vector<Batch> whole = OneCore::Log(0, 10, 3);
  CHECK_FALSE(*must_reset({}, whole, std::nullopt));
  CHECK_FALSE(*must_reset({}, whole, At(3, 6)));
  CHECK_FALSE(*must_reset({}, whole, At(3, 10)));
  CHECK(*must_reset({}, whole, At(3, 11)));  // ends below
  CHECK(*must_reset({}, whole, At(5, 6)));   // other records there
  CHECK(*must_reset({}, {}, At(5, 6)));
  const std::vector<Batch> tail = OneCore::Log(6, 4, 3);
  CHECK_FALSE(*must_reset(At(3, 6), tail, At(3, 6)));
  CHECK_FALSE(*must_reset(At(3, 6), {}, At(3, 6)));
  CHECK(*must_reset(At(3, 6), tail, At(4, 12)));
  CHECK_FALSE(must_reset(At(3, 6), tail, At(3, 5)).ok());  // a hole between the snapshot and the log
  CHECK_FALSE(must_reset(At(3, 6), tail, std::nullopt).ok());
}

}  // namespace
}  // namespace quorate::raft
