#include "raft/snapshot_download.h"

#include <utility>

#include "base/crc32c.h"
#include "quorate/limits.h"

namespace quorate::raft {

SnapshotRequest SnapshotDownload::Request(Epoch epoch, uint32_t bytes_max) const {
  return SnapshotRequest{
      .epoch = epoch, .snapshot = info_.id, .position = position_, .bytes_max = bytes_max, .digest = info_.digest};
}

SnapshotDownload::Verdict SnapshotDownload::Check(const SnapshotResponse& piece) {
  if (piece.snapshot != info_.id || piece.position != position_) return Verdict::kNotNow;
  if (piece.total == 0 || piece.total > limits::kSnapshotBytesMax || piece.digest == 0) return Verdict::kDamaged;
  if (info_.digest != 0 && (piece.digest != info_.digest || piece.total != info_.bytes)) return Verdict::kOtherFile;
  const size_t size = piece.data.size();
  if (size == 0 || size > limits::kSnapshotChunkBytesMax || position_ >= piece.total ||
      size > piece.total - position_) {
    return Verdict::kDamaged;
  }
  if (Crc32c(piece.data.view()) != piece.data_crc) return Verdict::kDamaged;
  info_.bytes = piece.total;
  info_.digest = piece.digest;
  return Verdict::kFits;
}

bool SnapshotDownload::Begin() { return !std::exchange(begun_, true); }

}  // namespace quorate::raft
