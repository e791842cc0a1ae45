// One test for each rule about a snapshot that is loaded from the leader: M-22, M-23, F-D03, F-D11, F-N06, F-N16 and
// F-N17, on one core with a test that plays leader and disk. What becomes of the log is in
// snapshot_install_rules_test.cc.
#include <utility>

#include "base/crc32c.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/snapshot_follower.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

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

}  // namespace
}  // namespace quorate::raft
