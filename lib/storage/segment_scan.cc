#include "storage/segment_scan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"

namespace quorate::storage {
namespace {

// The next frame of the chain, or why there is none.
absl::StatusOr<Batch> NextOfChain(const Bytes& contents, const FrameCodec& codec, uint64_t position,
                                  const ChainEnd& chain, uint64_t cluster_hash, Offset* synced_through) {
  absl::StatusOr<FrameHeader> header = codec.Parse(contents.view().substr(position), position);
  if (!header.ok()) return header.status();
  *synced_through = std::max(*synced_through, header->synced_through);
  const uint64_t at = position + FrameHeader::kBytes;
  absl::StatusOr<Batch> batch = ParseFramedBatch(*header, contents.Slice(at, contents.size() - at));
  if (!batch.ok()) return batch.status();
  if (batch->base_offset() != chain.position.end) {
    return absl::DataLossError(absl::StrCat("a batch begins at offset ", batch->base_offset().value()));
  }
  if (header->previous_crc != chain.crc) {
    return absl::DataLossError(absl::StrCat("the batch before has CRC-32C ", chain.crc,
                                            ", this one was written behind ", header->previous_crc));
  }
  if (batch->epoch() < chain.position.epoch) {
    return absl::DataLossError(
        absl::StrCat("epoch ", batch->epoch().value(), " follows epoch ", chain.position.epoch.value()));
  }
  if (batch->header().cluster_hash != cluster_hash) return absl::DataLossError("the batch is another cluster's");
  return batch;
}

bool AllZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == '\0'; });
}

}  // namespace

SegmentScan ScanSegment(const Bytes& contents, const FrameCodec& codec, const ChainEnd& start, uint64_t cluster_hash,
                        std::optional<Offset> limit) {
  SegmentScan scan;
  scan.end = start;
  scan.end_position = SegmentHeader::kBytes;
  while (scan.end_position < contents.size() && !(limit.has_value() && scan.end.position.end >= *limit)) {
    absl::StatusOr<Batch> batch =
        NextOfChain(contents, codec, scan.end_position, scan.end, cluster_hash, &scan.synced_through);
    if (!batch.ok()) {
      scan.problem = std::string(batch.status().message());
      break;
    }
    scan.end = ChainEnd{LogPosition{batch->epoch(), batch->end_offset()}, batch->crc()};
    scan.end_position += FrameBytes(batch->size());
    scan.batches.push_back(*std::move(batch));
  }
  const absl::string_view tail = contents.view().substr(std::min<uint64_t>(scan.end_position, contents.size()));
  scan.zero_tail = AllZero(tail);
  if (scan.zero_tail) {
    scan.problem.clear();
    return scan;
  }
  if (limit.has_value() && scan.end.position.end >= *limit) return scan;
  for (size_t at = 0; at + FrameHeader::kBytes <= tail.size(); at += kFrameAlignment) {
    if (ReadLittleEndian<uint32_t>(tail.data() + at) != FrameHeader::kMagic) continue;
    const absl::StatusOr<FrameHeader> header = codec.Parse(tail.substr(at), scan.end_position + at);
    if (header.ok()) scan.synced_through = std::max(scan.synced_through, header->synced_through);
  }
  return scan;
}

}  // namespace quorate::storage
