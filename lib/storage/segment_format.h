// The bytes of a segment: a header block, then frames, then zeros (docs/formats/segment.md).
//
// A frame is a small header that belongs to this node's log, followed by the batch as the leader made it.
// The header holds what a batch can't know, because the same batch lies in every replica's log: how
// far this log was durable when it was written, and what came before it. Its sum also covers the directory id, the
// segment and the position in the file, so a frame that the disk put somewhere else (F-D06), or that
// is a copy of one inside somebody's record, isn't one.
//
// Segment header, little endian:                     Frame header, little endian:
//    0 u32 magic "QRS1"                                 0 u32 magic "QRF1"
//    4 u32 version = 1                                  4 u32 length of the batch
//    8 u64 u64 cluster id, high and low                 8 i64 base offset of the batch
//   24 u64 u64 directory id, high and low              16 i64 synced_through
//   40 i64 base offset                                 24 u32 CRC of the batch before (0: none)
//   48 i32 epoch of the batch before (0: none)         28 u32 CRC-32C of directory id, segment base, position of
//   52 u32 CRC of the batch before (0: none)                  the frame, and [0, 28)
// 4092 u32 CRC-32C of [0, 4092)                        32 the batch, then zeros up to a multiple of 8
#ifndef QUORATE_STORAGE_SEGMENT_FORMAT_H_
#define QUORATE_STORAGE_SEGMENT_FORMAT_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/batch.h"
#include "quorate/types.h"
#include "storage/layout.h"

namespace quorate::storage {

// What the next batch is chained to: where the log ends, and the CRC of its last batch.
struct ChainEnd {
  LogPosition position;
  uint32_t crc = 0;
  friend bool operator==(const ChainEnd&, const ChainEnd&) = default;
};

struct SegmentHeader {
  static constexpr size_t kBytes = kBlockBytes;
  ClusterId cluster_id;
  DirectoryId directory_id;
  ChainEnd chain;  // position.end is the segment's base offset
};

std::string EncodeSegmentHeader(const SegmentHeader& header);
// kCorruption (naming `path`) unless `block` is the header of the segment with this base in this directory.
absl::StatusOr<SegmentHeader> ParseSegmentHeader(absl::string_view block, ClusterId cluster, DirectoryId directory,
                                                 Offset base, absl::string_view path);

struct FrameHeader {
  static constexpr size_t kBytes = 32;
  static constexpr uint32_t kMagic = 0x31465251;
  uint32_t batch_bytes = 0;
  Offset base_offset;
  Offset synced_through;
  uint32_t previous_crc = 0;
};

// Frames begin at multiples of this: recovery looks for them at so many places only.
inline constexpr size_t kFrameAlignment = 8;
inline constexpr uint64_t FrameBytes(size_t batch_bytes) {
  return (FrameHeader::kBytes + batch_bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

// Writes and reads frame headers of one segment.
class FrameCodec {
 public:
  FrameCodec(DirectoryId directory, Offset segment_base);
  using Buffer = std::array<char, FrameHeader::kBytes>;
  void Encode(const FrameHeader& header, uint64_t position, Buffer* out) const;
  // `bytes` begins with the header that lies at `position`. The error is a plain clause, without file or remedy.
  [[nodiscard]] absl::StatusOr<FrameHeader> Parse(absl::string_view bytes, uint64_t position) const;

 private:
  [[nodiscard]] uint32_t Sum(absl::string_view covered, uint64_t position) const;
  uint32_t seed_;  // CRC of directory id and segment base
};

// The batch that follows a frame header which was parsed: its own checks, and that it is the one announced.
absl::StatusOr<Batch> ParseFramedBatch(const FrameHeader& header, const Bytes& bytes);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SEGMENT_FORMAT_H_
