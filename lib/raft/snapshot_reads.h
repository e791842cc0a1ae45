// What followers asked of a leader's snapshots, and the reads that answer them.
//
// One question per follower: a later one takes the place of the one before, a repeated one changes nothing, and each is
// answered once. Few reads run at a time, and whose turn it is goes round, so that however many followers load a
// snapshot, memory stays bounded and none of them starves (F-N16).
//
// A question that changes while its read runs is read again when that read is done; starting the second read at once
// would let a follower that repeats itself pile up reads.
//
// Single-threaded, like everything here.
#ifndef QUORATE_RAFT_SNAPSHOT_READS_H_
#define QUORATE_RAFT_SNAPSHOT_READS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "quorate/messages.h"

namespace quorate::raft {

class SnapshotReads {
 public:
  static constexpr size_t kRunningMax = 4;

  // `message` holds a SnapshotRequest.
  void Ask(const Message& message);
  // The question whose turn it is; null: nobody waits, or enough reads are running.
  [[nodiscard]] const Message* Next() const;
  // Its read begins, under `id`.
  void Begin(uint64_t id);
  // It needs no read: takes it out.
  Message Drop();
  // A read is done. The question that it answers, if that is still wanted.
  std::optional<Message> Finish(uint64_t id);
  void Clear();

 private:
  struct Question {
    Message message;
    uint64_t read_id = 0;  // 0: waits in turns_
    bool changed = false;  // since the read began
  };
  std::map<ReplicaKey, Question> questions_;
  std::deque<ReplicaKey> turns_;
  size_t running_ = 0;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_SNAPSHOT_READS_H_
