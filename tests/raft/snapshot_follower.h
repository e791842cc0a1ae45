// A follower that is offered a snapshot, with a test that plays leader and disk.
#ifndef QUORATE_TESTS_RAFT_SNAPSHOT_FOLLOWER_H_
#define QUORATE_TESTS_RAFT_SNAPSHOT_FOLLOWER_H_

#include <string>
#include <utility>

#include "base/crc32c.h"
#include "raft/snapshot_setup.h"
#include "support/catch.h"

namespace quorate::raft {

inline const std::string& File() {
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

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_SNAPSHOT_FOLLOWER_H_
