// One test for each rule about a snapshot that is loaded from the leader and put in the place of the log: M-03, M-17,
// M-21 to M-25, M-40, F-N06, F-N16 and F-N17, on one core with a test that plays leader and disk.
#include <utility>

#include "base/crc32c.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/snapshot_setup.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

const std::string& File() {
  static const std::string file = "abcdefghijklmnopqrstuvwxy";  // 25 bytes
  return file;
}

// Node 1 follows node 2 in epoch 5 with ten records of epoch 3, and is offered the snapshot up to 40, epoch 4.
struct Follower : OneCore {
  static OneCoreSetup Default() {
    return {.log = OneCore::Log(0, 10, 3), .election = ElectionState{Epoch(4), ReplicaKey(), kNoNode}};
  }
  explicit Follower(OneCoreSetup setup = Default()) : OneCore(std::move(setup)) { Follow(2, 5); }

  void Offer(LogPosition id = At(4, 40)) {
    FetchResponse answer = Push({}, 45);
    answer.snapshot = id;
    Receive(From(2, answer));
  }
  SnapshotResponse Piece(uint64_t position, size_t size, LogPosition id = At(4, 40), uint64_t digest = kDigest) {
    SnapshotResponse piece;
    piece.epoch = core->epoch();
    piece.leader = core->leader();
    piece.snapshot = id;
    piece.position = position;
    piece.total = File().size();
    piece.digest = digest;
    const std::string data = File().substr(position, size);
    piece.data_crc = Crc32c(data);
    piece.data = Bytes::FromString(data);
    return piece;
  }
  // Answers the newest question.
  void Answer(SnapshotResponse piece, int leader = 2) {
    for (auto it = sent.rbegin(); it != sent.rend(); ++it) {
      if (std::holds_alternative<SnapshotRequest>(it->body)) return RespondTo(*it, leader, std::move(piece));
    }
    FAIL("nothing was asked");
  }
  void Written(absl::Status status = absl::OkStatus()) {
    REQUIRE(write_snapshot.has_value());
    const WriteSnapshotChunk write = *std::exchange(write_snapshot, std::nullopt);
    core->SnapshotChunkWritten(now, write.id, std::move(status));
    Take();
  }
  void Verified(absl::StatusOr<RecoveredState::VotersAt> voters = SetAt(7, {1, 2, 4})) {
    REQUIRE(verify_snapshot.has_value());
    const VerifySnapshot verify = *std::exchange(verify_snapshot, std::nullopt);
    core->SnapshotVerified(now, verify.id, std::move(voters));
    Take();
  }
  // Everything up to the verification.
  void LoadAll() {
    Offer();
    Answer(Piece(0, 25));
    Written();
  }
};

TEST_CASE("a follower asks piece by piece, verifies the whole, and puts it in the place of its log (M-22)") {
  Follower one;
  one.Offer();
  REQUIRE(one.Count<SnapshotRequest>() == 1);
  CHECK(one.Last<SnapshotRequest>()->snapshot == At(4, 40));
  CHECK(one.Last<SnapshotRequest>()->position == 0);
  CHECK(one.Last<SnapshotRequest>()->digest == 0);
  one.Answer(one.Piece(0, 10));
  REQUIRE(one.write_snapshot.has_value());
  CHECK(one.write_snapshot->begin);
  CHECK(one.write_snapshot->position == 0);
  CHECK(one.write_snapshot->info == Info(At(4, 40)));
  CHECK(one.Count<SnapshotRequest>() == 1);  // one thing at a time
  one.Written();
  CHECK(one.Last<SnapshotRequest>()->position == 10);
  CHECK(one.Last<SnapshotRequest>()->digest == kDigest);
  one.Answer(one.Piece(10, 15));
  CHECK_FALSE(one.write_snapshot->begin);
  one.Written();
  REQUIRE(one.verify_snapshot.has_value());
  CHECK(one.core->log_end() == At(3, 10));  // the old state stays until the new one is verified
  CHECK(one.installed.empty());
  one.sent.clear();
  one.log.clear();
  one.Verified();

  REQUIRE(one.installed.size() == 1);
  CHECK(one.installed[0] == Info(At(4, 40)));
  REQUIRE(one.log.size() == 1);
  CHECK(std::get<ResetLog>(one.log[0]).start == At(4, 40));
  CHECK(one.core->log_start() == At(4, 40));
  CHECK(one.core->log_end() == At(4, 40));
  CHECK(one.core->high_watermark() == Offset(40));
  CHECK(one.core->snapshot() == At(4, 40));
  CHECK(one.core->voters().back().key.id == NodeId(4));
  // A new session, from the end of the snapshot on; durable only when the driver says so.
  REQUIRE(one.Last<FetchRequest>() != nullptr);
  CHECK(one.Last<FetchRequest>()->fetch_offset == Offset(40));
  CHECK(one.Last<FetchRequest>()->last_fetched_epoch == Epoch(4));
  CHECK(one.Last<FetchRequest>()->durable_end == Offset(10));
  one.Sync();
  CHECK(one.Last<FetchRequest>()->durable_end == Offset(40));
  one.Receive(one.From(2, one.Push({OneCore::Data(40, 5)}, 41)));
  CHECK(one.core->log_end() == At(5, 41));
}

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

TEST_CASE("F-N16: a lost question is asked again, a lost leader is noticed, a working one isn't given up") {
  Follower one;
  one.Offer();
  one.Wait(absl::Milliseconds(101));
  CHECK(one.Count<SnapshotRequest>() == 2);
  CHECK(one.sent[0].to.id == NodeId(2));
  // A slow disk: nothing is asked meanwhile but signs of life.
  one.Answer(one.Piece(0, 25));
  const int fetches = one.Count<FetchRequest>();
  for (int i = 0; i < 20; ++i) {
    one.Wait(absl::Milliseconds(101));
    one.Offer();
  }
  CHECK(one.core->role() == ReplicaRole::kFollower);
  CHECK(one.Count<FetchRequest>() >= fetches + 19);
  CHECK(one.Count<SnapshotRequest>() == 2);
  CHECK(one.WaitForRole(ReplicaRole::kProspective));
}

TEST_CASE("F-N06, F-N17: pieces that make no sense are not written") {
  Follower one;
  one.Offer();
  const auto refused = [&one](SnapshotResponse piece) {
    one.Answer(std::move(piece));
    const bool none = !one.write_snapshot.has_value() && one.core->role() == ReplicaRole::kFollower;
    one.Wait(absl::Milliseconds(21));  // and asked for again
    return none;
  };
  SnapshotResponse piece = one.Piece(0, 10);
  piece.data_crc ^= 1;
  CHECK(refused(piece));
  piece = one.Piece(0, 10);
  piece.total = 0;
  CHECK(refused(piece));
  piece.total = limits::kSnapshotBytesMax + 1;
  CHECK(refused(piece));
  piece.total = 9;
  CHECK(refused(piece));
  CHECK(refused(one.Piece(0, 0)));
  CHECK(refused(one.Piece(0, 10, At(4, 40), 0)));
  CHECK(refused(one.Piece(5, 10)));
  CHECK(refused(one.Piece(0, 10, At(4, 41))));
  one.Answer(one.Piece(0, 10));
  CHECK(one.write_snapshot.has_value());
}

TEST_CASE("M-23: a partial snapshot is gone on with after a restart, if it is the same file") {
  OneCoreSetup setup = Follower::Default();
  setup.partial = Info(At(4, 40));
  setup.partial_bytes = 10;
  Follower one(setup);
  one.Offer();
  CHECK(one.Last<SnapshotRequest>()->position == 10);
  CHECK(one.Last<SnapshotRequest>()->digest == kDigest);
  SECTION("the same") {
    one.Answer(one.Piece(10, 15));
    REQUIRE(one.write_snapshot.has_value());
    CHECK(one.write_snapshot->begin);
    CHECK(one.write_snapshot->position == 10);
    CHECK(one.abandoned == 0);
    one.Written();
    CHECK(one.verify_snapshot.has_value());
  }
  SECTION("C-10: another one of the same name, says the leader") {
    one.Answer(
        {.error = PeerError::kPositionOutOfRange, .epoch = Epoch(5), .leader = {}, .snapshot = At(4, 40), .data = {}});
    CHECK(one.abandoned == 1);
    one.Wait(absl::Milliseconds(21));
    CHECK(one.Last<SnapshotRequest>()->position == 0);
    CHECK(one.Last<SnapshotRequest>()->digest == 0);
  }
  SECTION("C-10: another one of the same name, says its piece") {
    one.Answer(one.Piece(10, 15, At(4, 40), kDigest + 1));
    CHECK_FALSE(one.write_snapshot.has_value());
    CHECK(one.abandoned == 1);
    one.Wait(absl::Milliseconds(21));
    CHECK(one.Last<SnapshotRequest>()->position == 0);
  }
  SECTION("C-11: it was replaced") {
    one.Answer(
        {.error = PeerError::kSnapshotNotFound, .epoch = Epoch(5), .leader = {}, .snapshot = At(4, 40), .data = {}});
    CHECK(one.abandoned == 1);
    one.Wait(absl::Milliseconds(21));
    one.Offer(At(5, 50));
    CHECK(one.Last<SnapshotRequest>()->snapshot == At(5, 50));
    CHECK(one.Last<SnapshotRequest>()->position == 0);
  }
}

TEST_CASE("M-23: all of it was there before the restart: it is opened again and verified") {
  OneCoreSetup setup = Follower::Default();
  setup.partial = Info(At(4, 40));
  setup.partial_bytes = 25;
  Follower one(setup);
  one.Offer();
  CHECK(one.Count<SnapshotRequest>() == 0);
  REQUIRE(one.write_snapshot.has_value());
  CHECK(one.write_snapshot->begin);
  CHECK(one.write_snapshot->position == 25);
  CHECK(one.write_snapshot->data.size() == 0);
  one.Written();
  one.Verified();
  CHECK(one.installed.size() == 1);
}

TEST_CASE("a partial snapshot that the log has overtaken is removed") {
  OneCoreSetup setup = Follower::Default();
  setup.partial = Info(At(4, 40));
  setup.partial_bytes = 10;
  Follower one(setup);
  one.Receive(one.From(2, one.Push({OneCore::Data(10, 5)}, 11)));
  CHECK(one.abandoned == 1);

  OneCoreSetup old = WithSnapshot();
  old.partial = Info(At(3, 15));
  OneCore restarted(old);
  CHECK(restarted.abandoned == 1);
}

TEST_CASE("F-N16: a new leader with the same file goes on where the old one stopped") {
  Follower one;
  one.Offer();
  one.Answer(one.Piece(0, 10));
  one.Follow(3, 6);  // while the piece is being written
  one.sent.clear();
  one.Written();
  CHECK(one.Last<SnapshotRequest>()->position == 10);
  CHECK(one.sent.back().to.id == NodeId(3));
  // An answer of the old leader doesn't count any more.
  SnapshotResponse old = one.Piece(10, 15);
  old.epoch = Epoch(5);
  one.Answer(old, 2);
  CHECK_FALSE(one.write_snapshot.has_value());
  one.Answer(one.Piece(10, 15), 3);
  CHECK(one.write_snapshot.has_value());
  CHECK(one.abandoned == 0);
}

TEST_CASE("F-D03: a file that doesn't verify is loaded anew, after a wait that grows") {
  Follower one;
  one.LoadAll();
  one.Verified(absl::DataLossError("digest"));
  CHECK(one.installed.empty());
  CHECK(one.abandoned == 1);
  CHECK(one.core->log_end() == At(3, 10));
  one.Offer();
  CHECK(one.Count<SnapshotRequest>() == 1);
  one.Wait(absl::Milliseconds(41));
  one.Offer();
  CHECK(one.Count<SnapshotRequest>() == 2);
  CHECK(one.Last<SnapshotRequest>()->position == 0);
}

TEST_CASE("F-P12: a snapshot of a later version stops the node that loads it, and isn't loaded again and again") {
  Follower f;
  f.LoadAll();
  f.Verified(MakeError(Reason::kUnsupportedVersion, Outcome::kNotApplied, "x.checkpoint: format version 9"));
  REQUIRE(f.halt.has_value());
  CHECK(ReasonOf(*f.halt) == Reason::kUnsupportedVersion);
  CHECK(f.halt->message() ==
        "node 2 sent a snapshot that this build can't read: x.checkpoint: format version 9. Run the "
        "leader's version on this node");
}

TEST_CASE("F-D11: a full disk while a snapshot arrives costs the snapshot, not the node") {
  Follower one;
  one.Offer();
  one.Answer(one.Piece(0, 10));
  one.Written(absl::ResourceExhaustedError("ENOSPC"));
  CHECK_FALSE(one.halt.has_value());
  CHECK(one.abandoned == 1);
  CHECK(one.core->log_end() == At(3, 10));
  one.Wait(absl::Milliseconds(41));
  one.Offer();
  CHECK(one.Last<SnapshotRequest>()->position == 0);
}

TEST_CASE("M-23: what is here already is not loaded again") {
  Follower one(WithSnapshot());
  one.Offer(At(3, 20));
  one.Offer(At(3, 22));
  one.Offer(At(3, 15));
  CHECK(one.Count<SnapshotRequest>() == 0);
  CHECK_FALSE(one.halt.has_value());
  one.Offer(At(6, 50));  // of an epoch that doesn't exist yet
  one.Offer(At(3, 0));
  CHECK(one.Count<SnapshotRequest>() == 0);
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

TEST_CASE("an observer loads snapshots as a voter does") {
  OneCoreSetup setup = Follower::Default();
  setup.self = 9;
  setup.may_vote = false;
  Follower one(setup);
  one.LoadAll();
  one.Verified();
  CHECK(one.installed.size() == 1);
  CHECK(one.core->log_end() == At(4, 40));
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
