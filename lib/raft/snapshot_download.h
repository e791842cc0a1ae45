// A snapshot on its way from the leader to this follower: which file it is, how much of it is here, and whether a piece
// fits (M-23).
//
// A file is known by its position in the log, its size and its digest. The first piece tells the last two; from then on
// a piece of any other file, though it has the same name, means to begin again (C-10). That is what makes it safe to go
// on after a restart, or at another leader: both have written down the same state, but only the digest proves it.
//
// This class decides and remembers; the core asks, the driver writes.
#ifndef QUORATE_RAFT_SNAPSHOT_DOWNLOAD_H_
#define QUORATE_RAFT_SNAPSHOT_DOWNLOAD_H_

#include <cstddef>
#include <cstdint>

#include "quorate/messages.h"
#include "quorate/storage.h"

namespace quorate::raft {

class SnapshotDownload {
 public:
  enum class Verdict {
    kFits,       // write it
    kNotNow,     // a piece of another place or another snapshot: an answer to something else
    kDamaged,    // makes no sense, or was changed on the way (F-N06, F-N17)
    kOtherFile,  // the sender's snapshot isn't the one whose beginning is here
  };

  // From the beginning.
  explicit SnapshotDownload(LogPosition id) { info_.id = id; }
  // Goes on with what an earlier life of this process has received.
  SnapshotDownload(const SnapshotInfo& info, uint64_t position) : info_(info), position_(position) {}

  [[nodiscard]] LogPosition id() const { return info_.id; }
  // Bytes and digest are 0 until the first piece came.
  [[nodiscard]] const SnapshotInfo& info() const { return info_; }
  // So many bytes are written.
  [[nodiscard]] uint64_t position() const { return position_; }
  [[nodiscard]] bool complete() const { return info_.bytes > 0 && position_ == info_.bytes; }
  // What to ask for next.
  [[nodiscard]] SnapshotRequest Request(Epoch epoch, uint32_t bytes_max) const;

  // Looks at a piece; learns size and digest from the first.
  Verdict Check(const SnapshotResponse& piece);
  // The piece, or the file that earlier pieces are in, is handed to the driver. True: with this one the file begins,
  // or goes on after a restart.
  bool Begin();
  void Written(size_t bytes) { position_ += bytes; }

 private:
  SnapshotInfo info_;
  uint64_t position_ = 0;
  bool begun_ = false;  // the driver has the file open
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_SNAPSHOT_DOWNLOAD_H_
