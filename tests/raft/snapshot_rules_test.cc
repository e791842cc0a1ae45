// One test for each rule about snapshots that a core takes, begins with and hands out: M-03, M-21 to M-24, M-26, M-40
// and F-N16, on one core with a test that plays followers and disk. snapshot_fetch_rules_test.cc has the other side.
#include <utility>

#include "base/crc32c.h"
#include "quorate/status.h"
#include "raft/snapshot_reads.h"
#include "raft/snapshot_setup.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

// ---- The leader's side. ---------------------------------------------------------------------------------

// The same, leading epoch 4: its LeaderChange record is offset 25.
struct Leader : OneCore {
  explicit Leader(OneCoreSetup setup = WithSnapshot()) : OneCore(setup), disk(setup.log) {
    Elect();
    REQUIRE(core->role() == ReplicaRole::kLeader);
    sent.clear();
  }
  const FetchResponse* Ask(int64_t offset, int epoch, int follower = 2) {
    FetchRequest fetch = Fetch(offset, 0, ++session);
    fetch.last_fetched_epoch = Epoch(epoch);
    sent.clear();
    Request(follower, fetch);
    if (!hold_log) ReadLogs();
    return Last<FetchResponse>();
  }
  // The recovered part of the log isn't in memory.
  void ReadLogs() {
    for (; log_reads < read_log.size(); ++log_reads) {
      std::vector<Batch> batches;
      for (const Batch& batch : disk) {
        if (batch.base_offset() >= read_log[log_reads].from) batches.push_back(batch);
      }
      core->LogRead(now, read_log[log_reads].id, std::move(batches));
      Take();
    }
  }
  // How far batches were sent since the last question.
  int64_t SentTo() const {
    int64_t end = 0;
    for (const Message& m : sent) {
      const auto* push = std::get_if<FetchResponse>(&m.body);
      if (push != nullptr && !push->batches.empty()) end = push->batches.back().end_offset().value();
    }
    return end;
  }
  SnapshotRequest Piece(uint64_t position, LogPosition id = At(3, 20), uint64_t digest = 0) {
    return {.epoch = core->epoch(), .snapshot = id, .position = position, .bytes_max = 10, .digest = digest};
  }
  PeerError ErrorFor(SnapshotRequest request) {
    sent.clear();
    Request(2, std::move(request));
    return Last<SnapshotResponse>() == nullptr ? PeerError::kNone : Last<SnapshotResponse>()->error;
  }
  void Read(size_t index, const std::string& data, SnapshotInfo info = Info(At(3, 20))) {
    core->SnapshotChunkRead(now, read_snapshot.at(index).id, SnapshotChunk{info, Bytes::FromString(data)});
    Take();
  }
  uint64_t session = 0;
  std::vector<Batch> disk;
  size_t log_reads = 0;
  bool hold_log = false;
};

TEST_CASE("a fetch from below the log's start is answered with the newest snapshot") {
  Leader one;
  for (int64_t offset : {0, 1, 19}) {
    const FetchResponse* answer = one.Ask(offset, offset == 0 ? 0 : 3);
    REQUIRE(answer != nullptr);
    CHECK(answer->error == PeerError::kNone);
    CHECK(answer->snapshot == At(3, 20));
    CHECK_FALSE(answer->diverging.has_value());
    CHECK(answer->batches.empty());
  }
}

TEST_CASE("M-24: at exactly the log's start nothing is missing, if the record before is the same") {
  Leader one;
  CHECK_FALSE(one.Ask(20, 3)->snapshot.has_value());
  CHECK(one.SentTo() == 26);
  CHECK(one.Ask(20, 2)->snapshot == At(3, 20));
  CHECK(one.Ask(20, 4)->snapshot == At(3, 20));
  // Above it, with a last epoch from before the start: where the logs part is only known to the snapshot.
  CHECK(one.Ask(30, 2)->snapshot == At(3, 20));
  CHECK(one.Ask(30, 3)->diverging == At(3, 25));
}

TEST_CASE("M-24: a follower that was caught up by a snapshot is served like any other") {
  Leader one;
  REQUIRE(one.Ask(5, 3)->snapshot.has_value());
  CHECK_FALSE(one.Ask(20, 3)->snapshot.has_value());
  REQUIRE(one.SentTo() == 26);
  FetchRequest caught_up = one.Fetch(26, 26, one.session);
  one.Request(2, caught_up);
  CHECK(one.core->high_watermark() == Offset(26));
}

TEST_CASE("an empty follower gets the snapshot, though the log reaches back to its beginning") {
  OneCoreSetup setup = WithSnapshot();
  setup.log = OneCore::Log(0, 25, 3);
  setup.start = LogPosition();
  Leader one(setup);
  CHECK(one.Ask(0, 0)->snapshot == At(3, 20));
  CHECK_FALSE(one.Ask(1, 3)->snapshot.has_value());
}

TEST_CASE("M-23: a leader checks what is asked of its snapshot") {
  Leader one;
  CHECK(one.ErrorFor(one.Piece(0, At(3, 19))) == PeerError::kSnapshotNotFound);
  CHECK(one.ErrorFor(one.Piece(0, At(2, 20))) == PeerError::kSnapshotNotFound);
  CHECK(one.ErrorFor(one.Piece(25)) == PeerError::kPositionOutOfRange);
  CHECK(one.ErrorFor(one.Piece(UINT64_MAX)) == PeerError::kPositionOutOfRange);
  CHECK(one.ErrorFor(one.Piece(10, At(3, 20), kDigest + 1)) == PeerError::kPositionOutOfRange);
  CHECK(one.ErrorFor(one.Piece(0, LogPosition())) == PeerError::kInvalidRequest);
  SnapshotRequest request = one.Piece(0);
  request.bytes_max = 0;
  CHECK(one.ErrorFor(request) == PeerError::kInvalidRequest);
  request = one.Piece(0);
  request.epoch = Epoch(3);
  CHECK(one.ErrorFor(request) == PeerError::kFencedEpoch);
  request.epoch = Epoch(5);
  CHECK(one.ErrorFor(request) == PeerError::kUnknownEpoch);
  CHECK(one.read_snapshot.empty());

  OneCore follower(WithSnapshot());
  follower.Follow(2, 4);
  follower.Request(3, SnapshotRequest{Epoch(4), At(3, 20), 0, 10, 0});
  CHECK(follower.Last<SnapshotResponse>()->error == PeerError::kNotLeader);
  CHECK(follower.Last<SnapshotResponse>()->leader.id == NodeId(2));
}

TEST_CASE("M-23: a piece comes with the file's size and digest, and a checksum of its own") {
  Leader one;
  one.Request(2, one.Piece(10, At(3, 20), kDigest));
  REQUIRE(one.read_snapshot.size() == 1);
  CHECK(one.read_snapshot[0].snapshot == At(3, 20));
  CHECK(one.read_snapshot[0].position == 10);
  CHECK(one.read_snapshot[0].bytes_max == 10);
  one.Read(0, "0123456789");
  const SnapshotResponse* piece = one.Last<SnapshotResponse>();
  REQUIRE(piece != nullptr);
  CHECK(piece->error == PeerError::kNone);
  CHECK(piece->position == 10);
  CHECK(piece->total == 25);
  CHECK(piece->digest == kDigest);
  CHECK(piece->data.view() == "0123456789");
  CHECK(piece->data_crc == Crc32c("0123456789"));
  one.Read(0, "0123456789");  // reported twice
  CHECK(one.Count<SnapshotResponse>() == 1);
}

TEST_CASE("F-N16: one read for each follower at a time, few in all, and a repeated question is answered once") {
  Leader one;
  const Message first = one.From(2, one.Piece(0));
  one.Receive(first);
  one.Receive(first);
  CHECK(one.read_snapshot.size() == 1);
  one.Receive(one.From(2, one.Piece(10)));  // it has changed its mind
  CHECK(one.read_snapshot.size() == 1);
  one.Read(0, "0123456789");
  CHECK(one.Count<SnapshotResponse>() == 0);  // nobody waits for this any more
  REQUIRE(one.read_snapshot.size() == 2);
  CHECK(one.read_snapshot[1].position == 10);
  one.Read(1, "0123456789");
  CHECK(one.Count<SnapshotResponse>() == 1);

  for (int follower = 10; follower < 20; ++follower) one.Request(follower, one.Piece(0));
  CHECK(one.read_snapshot.size() == 2 + SnapshotReads::kRunningMax);
  for (size_t i = 2; i < one.read_snapshot.size(); ++i) one.Read(i, "0123456789");
  CHECK(one.read_snapshot.size() == 12);
  CHECK(one.Count<SnapshotResponse>() == 11);
}

TEST_CASE("F-N16: loading a snapshot counts as contact, and others are pushed to meanwhile") {
  Leader one;
  for (int i = 0; i < 12; ++i) {
    one.Wait(absl::Milliseconds(150));
    one.Request(2, one.Piece(0));
  }
  CHECK(one.core->role() == ReplicaRole::kLeader);
  one.Ask(20, 3, 3);
  CHECK(one.SentTo() == 26);

  // So does fetching while what was loaded is being verified.
  for (int i = 0; i < 12; ++i) {
    one.Wait(absl::Milliseconds(150));
    REQUIRE(one.Ask(5, 3)->snapshot.has_value());
  }
  CHECK(one.core->role() == ReplicaRole::kLeader);
  one.Wait(absl::Milliseconds(700));
  CHECK(one.core->role() == ReplicaRole::kResigned);
}

TEST_CASE("snapshots leave no faster than configured, and the leader wakes up for the next piece") {
  OneCoreSetup setup = WithSnapshot();
  setup.snapshot_bytes_per_second = 100;
  setup.snapshot->info.bytes = 1000;
  Leader one(setup);
  const SnapshotInfo info = Info(At(3, 20), 1000);
  one.Request(2, one.Piece(0));
  REQUIRE(one.read_snapshot.size() == 1);
  one.Read(0, "0123456789", info);
  one.Request(2, one.Piece(10));
  CHECK(one.read_snapshot.size() == 1);  // ten bytes take 100 ms, of which 50 are on credit
  CHECK(one.core->NextDeadline() <= one.now + absl::Milliseconds(51));
  one.Wait(absl::Milliseconds(40));
  CHECK(one.read_snapshot.size() == 1);
  one.Wait(absl::Milliseconds(11));
  CHECK(one.read_snapshot.size() == 2);
}

TEST_CASE("M-23: a snapshot that was replaced twice is not found, also while a question about it waits") {
  OneCoreSetup setup = WithSnapshot();
  Leader one(setup);
  one.Request(2, one.Fetch(25, 25, 1));
  one.Ask(20, 3);
  one.Request(2, one.Fetch(26, 26, one.session));
  REQUIRE(one.core->high_watermark() == Offset(26));
  one.core->SnapshotTaken(one.now, Info(At(3, 24)), At(3, 20));
  one.Take();
  CHECK(one.core->snapshot() == At(3, 24));
  one.Request(3, one.Piece(0, At(3, 20)));  // somebody is in the middle of the one before
  REQUIRE(one.read_snapshot.size() == 1);
  one.core->SnapshotTaken(one.now, Info(At(4, 26)), At(3, 24));
  one.Take();
  CHECK(one.core->log_start() == At(3, 24));
  one.sent.clear();
  one.Read(0, "0123456789");
  CHECK(one.Last<SnapshotResponse>()->error == PeerError::kSnapshotNotFound);
  CHECK(one.ErrorFor(one.Piece(10, At(3, 20))) == PeerError::kSnapshotNotFound);
  CHECK(one.Ask(21, 3)->snapshot == At(4, 26));
}

TEST_CASE("F-D07: a leader that can't read its snapshot stops; one that is only gone is not found") {
  Leader one;
  one.Request(2, one.Piece(0));
  one.core->SnapshotChunkRead(one.now, one.read_snapshot[0].id, absl::NotFoundError("removed"));
  one.Take();
  CHECK(one.Last<SnapshotResponse>()->error == PeerError::kSnapshotNotFound);
  CHECK_FALSE(one.halt.has_value());
  one.Request(2, one.Piece(0));
  one.core->SnapshotChunkRead(one.now, one.read_snapshot[1].id, absl::DataLossError("EIO"));
  one.Take();
  REQUIRE(one.halt.has_value());
  CHECK(DetailOf(*one.halt)->reason == Reason::kStorage);
}

// ---- A snapshot of its own. -------------------------------------------------------------------------------

TEST_CASE("M-21: a snapshot is of committed state, at a batch's end, with the epoch that is there") {
  const auto halts = [](LogPosition id, LogPosition trim_to) {
    Leader one;
    one.Ask(20, 3);
    one.Request(2, one.Fetch(26, 26, one.session));
    REQUIRE(one.core->high_watermark() == Offset(26));
    const absl::string_view two[] = {"a", "b"};
    REQUIRE(one.core->Propose(one.now, two, 0).ok());
    one.Sync();
    one.Request(2, one.Fetch(28, 28, one.session));
    REQUIRE(one.core->high_watermark() == Offset(28));
    REQUIRE(one.core->Propose(one.now, two, 0).ok());
    one.core->SnapshotTaken(one.now, Info(id), trim_to);
    one.Take();
    return one.halt.has_value();
  };
  CHECK_FALSE(halts(At(4, 28), At(3, 20)));
  CHECK_FALSE(halts(At(3, 25), At(3, 25)));
  CHECK(halts(At(4, 30), At(3, 20)));  // not committed
  CHECK(halts(At(3, 26), At(3, 20)));  // KAFKA-14619
  CHECK(halts(At(4, 27), At(3, 20)));  // in the middle of a batch
  CHECK(halts(At(4, 26), At(4, 28)));  // more trimmed than covered
  CHECK(halts(At(4, 28), At(4, 24)));
}

TEST_CASE("the log is trimmed behind a snapshot, and who is being sent what is gone is told at once") {
  OneCoreSetup setup = WithSnapshot();
  setup.tail_bytes = 1;
  Leader one(setup);
  one.Ask(20, 3);
  one.Request(2, one.Fetch(26, 26, one.session));
  one.hold_log = true;
  one.Ask(20, 3, 3);  // a slow one: its batches are being read from disk
  REQUIRE_FALSE(one.read_log.empty());
  one.sent.clear();
  one.core->SnapshotTaken(one.now, Info(At(4, 26)), At(3, 22));
  one.Take();
  CHECK(one.core->log_start() == At(3, 22));
  CHECK(one.core->log_end().end == Offset(26));
  REQUIRE(one.Last<FetchResponse>() != nullptr);
  CHECK(one.Last<FetchResponse>()->snapshot == At(4, 26));
  // The read that was under way fails now, and that is no reason to stop.
  one.core->LogRead(one.now, one.read_log.back().id, absl::OutOfRangeError("below the start"));
  one.Take();
  CHECK_FALSE(one.halt.has_value());
  CHECK(one.core->role() == ReplicaRole::kLeader);
}

TEST_CASE("M-23: the same snapshot twice, and one older than what was installed, change nothing") {
  OneCore one(WithSnapshot());
  one.core->SnapshotTaken(one.now, Info(At(3, 20)), At(3, 20));
  one.core->SnapshotTaken(one.now, Info(At(2, 15)), At(2, 15));
  one.Take();
  CHECK_FALSE(one.halt.has_value());
  CHECK(one.core->snapshot() == At(3, 20));
  CHECK(one.core->log_start() == At(3, 20));
}

// ---- Starting. ------------------------------------------------------------------------------------------

TEST_CASE("M-03: behind a snapshot an empty log votes by the snapshot's position") {
  OneCoreSetup setup = WithSnapshot();
  setup.log.clear();
  OneCore one(setup);
  CHECK(one.core->log_end() == At(3, 20));
  CHECK(one.core->high_watermark() == Offset(20));
  CHECK(one.core->durable_end() == Offset(20));
  const auto granted = [&one](LogPosition end) {
    one.Request(2, VoteRequest{.epoch = one.core->epoch(), .log_end = end, .pre_vote = true});
    return one.Last<VoteResponse>()->granted;
  };
  CHECK_FALSE(granted(At(3, 19)));
  CHECK_FALSE(granted(At(2, 40)));
  CHECK(granted(At(3, 20)));
}

TEST_CASE("M-26: a log that lacks what the snapshot stands for stops the node with a reason") {
  const auto halts = [](LogPosition start, std::vector<Batch> log, std::optional<RecoveredState::Snapshot> snapshot) {
    OneCore one({.log = std::move(log), .start = start, .snapshot = std::move(snapshot)});
    return one.halt.has_value() && DetailOf(*one.halt)->reason == Reason::kCorruption;
  };
  const RecoveredState::Snapshot snapshot{Info(At(3, 20)), SetAt(2)};
  CHECK(halts({}, OneCore::Log(0, 15, 3), snapshot));
  CHECK(halts({}, OneCore::Log(0, 25, 2), snapshot));
  CHECK(halts(At(3, 22), OneCore::Log(22, 5, 3), snapshot));
  CHECK(halts(At(3, 20), OneCore::Log(20, 5, 3), std::nullopt));
  CHECK_FALSE(halts({}, OneCore::Log(0, 25, 3), snapshot));
  CHECK_FALSE(halts(At(3, 10), OneCore::Log(10, 15, 3), snapshot));
}

TEST_CASE("M-40: the voter set as of a snapshot's end is not the newest one") {
  OneCoreSetup setup = WithSnapshot();
  setup.snapshot->voters = SetAt(2, {1, 2, 3, 4});
  OneCore one(setup);
  CHECK(one.core->voters().size() == 4);  // M-22: the snapshot's, though the configuration says otherwise
  CHECK(one.core->VotersAsOf(Offset(20)).offset == Offset(2));
  CHECK(one.core->VotersAsOf(Offset(25)).voters.size() == 4);
  CHECK(one.core->EpochAt(Offset(19)) == Epoch(3));
}

}  // namespace
}  // namespace quorate::raft
