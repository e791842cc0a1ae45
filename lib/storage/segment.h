// One segment in use: an open file, what is in it, and where.
//
// The index is sparse, one entry per kIndexBytes of frames, in memory only: it is rebuilt by the scan that recovery
// does anyway, and an index file would be one more thing that can be wrong. Every read verifies what it passes
// over: frame sum, batch sum, offsets (rule R-09), so that damaged bytes are never sent to anyone (F-D02).
//
// One thread at a time.
#ifndef QUORATE_STORAGE_SEGMENT_H_
#define QUORATE_STORAGE_SEGMENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quorate/batch.h"
#include "quorate/file_system.h"
#include "quorate/types.h"
#include "storage/segment_format.h"

namespace quorate::storage {

class Segment {
 public:
  static constexpr uint64_t kIndexBytes = 16u << 10;

  // `start` is what its first batch is chained to; its position.end is the base offset. `capacity` is how
  // much of the file is there and zero behind the frames.
  Segment(std::string path, std::unique_ptr<File> file, DirectoryId directory, const ChainEnd& start,
          uint64_t capacity);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Offset base() const { return start_.position.end; }
  [[nodiscard]] const ChainEnd& start() const { return start_; }
  [[nodiscard]] Offset end() const { return end_; }
  [[nodiscard]] uint64_t end_position() const { return end_position_; }
  [[nodiscard]] const FrameCodec& codec() const { return codec_; }
  [[nodiscard]] bool empty() const { return end_ == base(); }
  // Whether a frame of this many bytes may go here. An empty segment takes any, so that a batch larger than a
  // segment has a place.
  [[nodiscard]] bool HasRoomFor(uint64_t frame_bytes) const {
    return empty() || end_position_ + frame_bytes <= capacity_;
  }

  // Time to think of the next segment.
  [[nodiscard]] bool IsHalfFull() const { return end_position_ > capacity_ / 2; }

  // Notes a frame that is being written (or was found) at the end.
  void Add(const Batch& batch);
  absl::Status Write(uint64_t position, absl::Span<const absl::string_view> pieces) {
    return file_->WriteAt(position, pieces);
  }
  absl::Status Sync() { return file_->Sync(); }

  // Appends whole batches from `from` on to `out`, while `out` is empty or their sum stays within
  // `*bytes_left`, which is lowered. kInvalidArgument when `from` is inside a batch.
  absl::Status Read(Offset from, size_t* bytes_left, std::vector<Batch>* out) const;

  // The chain as it ends at `end`, a batch boundary within this segment, and the position of the byte after it.
  struct Boundary {
    ChainEnd chain;
    uint64_t position = 0;
  };
  absl::StatusOr<Boundary> FindBoundary(Offset end) const;
  // Zeroes everything behind the boundary and syncs.
  absl::Status CutAt(const Boundary& boundary);

 private:
  struct IndexEntry {
    Offset offset;
    uint64_t position;
  };
  // Visits frames from `position` on, reading `chunk_bytes` at a time, until `visit` returns false.
  absl::Status Walk(uint64_t position, uint64_t chunk_bytes,
                    absl::FunctionRef<bool(const Batch&, uint64_t)> visit) const;
  // The last indexed position at or before `offset`.
  [[nodiscard]] uint64_t Locate(Offset offset) const;
  [[nodiscard]] absl::Status Damaged(uint64_t position, const absl::Status& why) const;

  const std::string path_;
  const std::unique_ptr<File> file_;
  const FrameCodec codec_;
  const ChainEnd start_;
  uint64_t capacity_;
  Offset end_;
  uint64_t end_position_ = SegmentHeader::kBytes;
  std::vector<IndexEntry> index_;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SEGMENT_H_
