#include "storage/segment_format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::storage {
namespace {

constexpr uint32_t kSegmentMagic = 0x31535251;
constexpr uint32_t kSegmentVersion = 1;
constexpr size_t kHeaderCrcAt = SegmentHeader::kBytes - sizeof(uint32_t);

constexpr size_t kLengthAt = 4;
constexpr size_t kBaseOffsetAt = 8;
constexpr size_t kSyncedThroughAt = 16;
constexpr size_t kPreviousCrcAt = 24;
constexpr size_t kFrameCrcAt = 28;

absl::Status Bad(absl::string_view what) { return absl::DataLossError(what); }

template <typename Id>
void AppendId(const Id& id, std::string* out) {
  AppendLittleEndian(id.value().high(), out);
  AppendLittleEndian(id.value().low(), out);
}

template <typename Id>
Id TakeId(ByteReader* reader) {
  const auto high = reader->Take<uint64_t>();
  return Id(Uuid(high, reader->Take<uint64_t>()));
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out;
  out.reserve(SegmentHeader::kBytes);
  AppendLittleEndian(kSegmentMagic, &out);
  AppendLittleEndian(kSegmentVersion, &out);
  AppendId(header.cluster_id, &out);
  AppendId(header.directory_id, &out);
  AppendLittleEndian(header.chain.position.end.value(), &out);
  AppendLittleEndian(header.chain.position.epoch.value(), &out);
  AppendLittleEndian(header.chain.crc, &out);
  out.resize(kHeaderCrcAt);
  AppendLittleEndian(Crc32c(out), &out);
  return out;
}

absl::StatusOr<SegmentHeader> ParseSegmentHeader(absl::string_view block, ClusterId cluster, DirectoryId directory,
                                                 Offset base, absl::string_view path) {
  if (block.size() < SegmentHeader::kBytes) {
    return CorruptionError(path, absl::StrCat("the header at byte 0 is cut: ", block.size(), " of 4096 bytes"));
  }
  block = block.substr(0, SegmentHeader::kBytes);
  ByteReader reader(block);
  if (reader.Take<uint32_t>() != kSegmentMagic) {
    return CorruptionError(path, "the header at byte 0 doesn't start with the magic number");
  }
  const auto crc = ReadLittleEndian<uint32_t>(block.data() + kHeaderCrcAt);
  const uint32_t actual = Crc32c(block.substr(0, kHeaderCrcAt));
  if (crc != actual) {
    return CorruptionError(path, absl::StrCat("the header at byte 0 has CRC-32C ", actual, ", it says ", crc));
  }
  if (const auto version = reader.Take<uint32_t>(); version != kSegmentVersion) {
    return CorruptionError(path, absl::StrCat("format version ", version, ", this build reads version 1"));
  }
  SegmentHeader header;
  header.cluster_id = TakeId<ClusterId>(&reader);
  header.directory_id = TakeId<DirectoryId>(&reader);
  header.chain.position.end = Offset(reader.Take<int64_t>());
  header.chain.position.epoch = Epoch(reader.Take<int32_t>());
  header.chain.crc = reader.Take<uint32_t>();
  if (header.cluster_id != cluster || header.directory_id != directory) {
    return CorruptionError(path, absl::StrCat("it belongs to cluster ", header.cluster_id.ToString(), ", directory ",
                                              header.directory_id.ToString(), "; this is cluster ", cluster.ToString(),
                                              ", directory ", directory.ToString()));
  }
  if (header.chain.position.end != base) {
    return CorruptionError(path, absl::StrCat("the header says that it begins at offset ",
                                              header.chain.position.end.value(), ", the name says otherwise"));
  }
  return header;
}

FrameCodec::FrameCodec(DirectoryId directory, Offset segment_base) {
  std::string seed;
  AppendId(directory, &seed);
  AppendLittleEndian(segment_base.value(), &seed);
  seed_ = Crc32c(seed);
}

uint32_t FrameCodec::Sum(absl::string_view covered, uint64_t position) const {
  char at[sizeof(position)];
  WriteLittleEndian(position, at);
  return ExtendCrc32c(ExtendCrc32c(seed_, absl::string_view(at, sizeof(at))), covered);
}

void FrameCodec::Encode(const FrameHeader& header, uint64_t position, Buffer* out) const {
  char* at = out->data();
  WriteLittleEndian(FrameHeader::kMagic, at);
  WriteLittleEndian(header.batch_bytes, at + kLengthAt);
  WriteLittleEndian(header.base_offset.value(), at + kBaseOffsetAt);
  WriteLittleEndian(header.synced_through.value(), at + kSyncedThroughAt);
  WriteLittleEndian(header.previous_crc, at + kPreviousCrcAt);
  WriteLittleEndian(Sum(absl::string_view(at, kFrameCrcAt), position), at + kFrameCrcAt);
}

absl::StatusOr<FrameHeader> FrameCodec::Parse(absl::string_view bytes, uint64_t position) const {
  if (bytes.size() < FrameHeader::kBytes) return Bad("the file ends inside a frame header");
  const char* at = bytes.data();
  if (ReadLittleEndian<uint32_t>(at) != FrameHeader::kMagic) {
    return Bad("a frame doesn't start with the magic number");
  }
  const auto crc = ReadLittleEndian<uint32_t>(at + kFrameCrcAt);
  const uint32_t actual = Sum(bytes.substr(0, kFrameCrcAt), position);
  if (crc != actual) return Bad(absl::StrCat("a frame header has CRC-32C ", actual, ", it says ", crc));
  FrameHeader header;
  header.batch_bytes = ReadLittleEndian<uint32_t>(at + kLengthAt);
  header.base_offset = Offset(ReadLittleEndian<int64_t>(at + kBaseOffsetAt));
  header.synced_through = Offset(ReadLittleEndian<int64_t>(at + kSyncedThroughAt));
  header.previous_crc = ReadLittleEndian<uint32_t>(at + kPreviousCrcAt);
  if (header.batch_bytes < Batch::kHeaderBytes || header.batch_bytes > limits::kBatchBytesMax) {
    return Bad(absl::StrCat("a frame announces a batch of ", header.batch_bytes, " bytes"));
  }
  if (header.base_offset.value() < 0 || header.synced_through.value() < 0 ||
      header.synced_through > header.base_offset) {
    return Bad(absl::StrCat("a frame at offset ", header.base_offset.value(), " claims that offset ",
                            header.synced_through.value(), " was durable before it"));
  }
  return header;
}

absl::StatusOr<Batch> ParseFramedBatch(const FrameHeader& header, const Bytes& bytes) {
  if (bytes.size() < header.batch_bytes) return Bad("the file ends inside a batch");
  absl::StatusOr<Batch> batch = Batch::Parse(bytes.Slice(0, header.batch_bytes));
  if (!batch.ok()) return Bad(batch.status().message());
  if (batch->size() != header.batch_bytes || batch->base_offset() != header.base_offset) {
    return Bad(absl::StrCat("the frame announces offset ", header.base_offset.value(), " in ", header.batch_bytes,
                            " bytes, the batch in it is offset ", batch->base_offset().value(), " in ", batch->size(),
                            " bytes"));
  }
  return batch;
}

}  // namespace quorate::storage
