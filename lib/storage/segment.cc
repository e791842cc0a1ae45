#include "storage/segment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::storage {
namespace {

constexpr uint64_t kScanChunkBytes = 256u << 10;

}  // namespace

Segment::Segment(std::string path, std::unique_ptr<File> file, DirectoryId directory, const ChainEnd& start,
                 uint64_t capacity)
    : path_(std::move(path)),
      file_(std::move(file)),
      codec_(directory, start.position.end),
      start_(start),
      capacity_(capacity),
      end_(start.position.end) {}

void Segment::Add(const Batch& batch) {
  if (index_.empty() || end_position_ - index_.back().position >= kIndexBytes) {
    index_.push_back(IndexEntry{batch.base_offset(), end_position_});
  }
  end_ = batch.end_offset();
  end_position_ += FrameBytes(batch.size());
}

uint64_t Segment::Locate(Offset offset) const {
  auto after = std::upper_bound(index_.begin(), index_.end(), offset,
                                [](Offset wanted, const IndexEntry& entry) { return wanted < entry.offset; });
  return after == index_.begin() ? SegmentHeader::kBytes : std::prev(after)->position;
}

absl::Status Segment::Damaged(uint64_t position, const absl::Status& why) const {
  return CorruptionError(path_, absl::StrCat("at byte ", position, ": ", why.message()));
}

absl::Status Segment::Walk(uint64_t position, uint64_t chunk_bytes,
                           absl::FunctionRef<bool(const Batch&, uint64_t)> visit) const {
  while (position < end_position_) {
    auto owner = std::make_shared<std::string>();
    const uint64_t wanted = std::min(chunk_bytes, end_position_ - position);
    if (absl::Status status = file_->ReadAt(position, wanted, owner.get()); !status.ok()) return status;
    const Bytes chunk(owner, *owner);
    uint64_t at = 0;
    uint64_t needed = FrameHeader::kBytes;
    while (at < chunk.size()) {
      const absl::string_view rest = chunk.view().substr(at);
      needed = FrameHeader::kBytes;
      if (rest.size() < needed) break;
      absl::StatusOr<FrameHeader> header = codec_.Parse(rest, position + at);
      if (!header.ok()) return Damaged(position + at, header.status());
      needed = FrameHeader::kBytes + header->batch_bytes;
      if (rest.size() < needed) break;
      absl::StatusOr<Batch> batch =
          ParseFramedBatch(*header, chunk.Slice(at + FrameHeader::kBytes, header->batch_bytes));
      if (!batch.ok()) return Damaged(position + at, batch.status());
      if (!visit(*batch, position + at)) return absl::OkStatus();
      at += FrameBytes(header->batch_bytes);
    }
    if (at == 0) {
      // Not one whole frame. Either the chunk was too small for it, or the file is shorter than what was written.
      if (chunk.size() < wanted || chunk_bytes >= needed) {
        return Damaged(position, absl::DataLossError("the file ends before its last frame does"));
      }
      chunk_bytes = needed;
    }
    position += at;
  }
  return absl::OkStatus();
}

absl::Status Segment::Read(Offset from, size_t* bytes_left, std::vector<Batch>* out) const {
  bool inside = false;
  // A read starts up to one index step before `from`.
  const uint64_t chunk_bytes = std::min<uint64_t>(*bytes_left, end_position_) + 2 * kIndexBytes;
  absl::Status status = Walk(Locate(from), chunk_bytes, [&](const Batch& batch, uint64_t) {
    if (batch.end_offset() <= from) return true;
    inside = batch.base_offset() < from;
    if (inside) return false;
    if (!out->empty() && batch.size() > *bytes_left) {
      *bytes_left = 0;
      return false;
    }
    *bytes_left -= std::min(*bytes_left, batch.size());
    out->push_back(batch);
    return *bytes_left > 0;
  });
  if (!status.ok()) return status;
  if (inside) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("offset ", from.value(), " is inside a batch; reads begin at a batch boundary"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Segment::Boundary> Segment::FindBoundary(Offset end) const {
  Boundary boundary{start_, SegmentHeader::kBytes};
  if (end == base()) return boundary;
  // The last batch below `end` is what counts, so look from before it.
  absl::Status status = Walk(Locate(end - 1), kScanChunkBytes, [&](const Batch& batch, uint64_t position) {
    if (batch.base_offset() >= end) return false;
    boundary.chain = ChainEnd{LogPosition{batch.epoch(), batch.end_offset()}, batch.crc()};
    boundary.position = position + FrameBytes(batch.size());
    return true;
  });
  if (!status.ok()) return status;
  if (boundary.chain.position.end != end) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("offset ", end.value(), " is inside a batch; a log is cut at a batch boundary"));
  }
  return boundary;
}

absl::Status Segment::CutAt(const Boundary& boundary) {
  if (boundary.position < end_position_) {
    const uint64_t length = end_position_ - boundary.position;
    if (absl::Status status = file_->ZeroFill(boundary.position, length); !status.ok()) return status;
    if (absl::Status status = file_->Sync(); !status.ok()) return status;
  }
  end_ = boundary.chain.position.end;
  end_position_ = boundary.position;
  while (!index_.empty() && index_.back().offset >= end_) index_.pop_back();
  return absl::OkStatus();
}

}  // namespace quorate::storage
