#include "storage/snapshot_format.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/little_endian.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::storage {
namespace {

// KRaft's numbers of the two control records (KIP-630); each begins like any control record: u16 version, u16 type.
constexpr uint16_t kHeaderType = 3;
constexpr uint16_t kFooterType = 4;

constexpr size_t kChunkBytes = 256u << 10;
constexpr size_t kBatchLengthAt = 4;

std::string EncodeHeader(const SnapshotHeader& header) {
  std::string out;
  AppendLittleEndian(kSnapshotVersion, &out);
  AppendLittleEndian(kHeaderType, &out);
  AppendLittleEndian(header.id.epoch.value(), &out);
  AppendLittleEndian(header.id.end.value(), &out);
  AppendLittleEndian(header.last_append_time_ms, &out);
  AppendLittleEndian(static_cast<uint32_t>(header.quorum_state.size()), &out);
  return out + header.quorum_state;
}

std::string EncodeFooter(uint64_t records, uint64_t bytes, uint64_t crc) {
  std::string out;
  AppendLittleEndian(kSnapshotVersion, &out);
  AppendLittleEndian(kFooterType, &out);
  AppendLittleEndian(records, &out);
  AppendLittleEndian(bytes, &out);
  AppendLittleEndian(crc, &out);
  return out;
}

}  // namespace

SnapshotEncoder::SnapshotEncoder(SnapshotHeader header, uint64_t cluster_hash)
    : header_(std::move(header)), cluster_hash_(cluster_hash) {}

absl::Status SnapshotEncoder::Add(absl::string_view record, std::string* out) {
  if (record.size() > limits::kSnapshotRecordBytesMax) {
    return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                     absl::StrCat("a record of ", record.size(), " bytes is over the limit of ",
                                  limits::kSnapshotRecordBytesMax, " for one record of a snapshot"));
  }
  if (absl::Status status = Begin(out); !status.ok()) return status;
  if (!group_sizes_.empty() && group_.size() + record.size() > kSnapshotGroupBytes) {
    if (absl::Status status = FlushGroup(out); !status.ok()) return status;
  }
  group_.append(record.data(), record.size());
  group_sizes_.push_back(group_.size());
  ++records_;
  // Also by count: a batch of very small records is mostly their lengths.
  const bool full = group_.size() + group_sizes_.size() * sizeof(uint32_t) >= kSnapshotGroupBytes;
  return full ? FlushGroup(out) : absl::OkStatus();
}

absl::Status SnapshotEncoder::Finish(std::string* out) {
  if (absl::Status status = Begin(out); !status.ok()) return status;
  if (absl::Status status = FlushGroup(out); !status.ok()) return status;
  return Emit(BatchKind::kControl, {EncodeFooter(records_, bytes_, digest_.crc())}, out);
}

absl::Status SnapshotEncoder::Begin(std::string* out) {
  if (bytes_ > 0) return absl::OkStatus();
  if (header_.quorum_state.size() > kSnapshotQuorumStateBytesMax) {
    return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                     absl::StrCat("the quorum's state of ", header_.quorum_state.size(), " bytes is over the limit of ",
                                  kSnapshotQuorumStateBytesMax));
  }
  return Emit(BatchKind::kControl, {EncodeHeader(header_)}, out);
}

absl::Status SnapshotEncoder::FlushGroup(std::string* out) {
  if (group_sizes_.empty()) return absl::OkStatus();
  std::vector<absl::string_view> records;
  records.reserve(group_sizes_.size());
  size_t begin = 0;
  for (size_t end : group_sizes_) {
    records.push_back(absl::string_view(group_).substr(begin, end - begin));
    begin = end;
  }
  absl::Status status = Emit(BatchKind::kData, records, out);
  group_.clear();
  group_sizes_.clear();
  return status;
}

absl::Status SnapshotEncoder::Emit(BatchKind kind, absl::Span<const absl::string_view> records, std::string* out) {
  const Batch::Header header{next_, header_.id.epoch, kind, cluster_hash_, header_.last_append_time_ms};
  absl::StatusOr<Batch> batch = Batch::Make(header, records);
  if (!batch.ok()) return batch.status();
  const absl::string_view bytes = batch->bytes().view();
  next_ = batch->end_offset();
  bytes_ += bytes.size();
  digest_.Add(bytes);
  out->append(bytes.data(), bytes.size());
  return absl::OkStatus();
}

SnapshotDecoder::SnapshotDecoder(ReadFunction read, uint64_t size, LogPosition id, uint64_t cluster_hash,
                                 std::string name)
    : read_(std::move(read)), size_(size), id_(id), cluster_hash_(cluster_hash), name_(std::move(name)) {}

SnapshotDecoder::SnapshotDecoder(SnapshotReader* reader, LogPosition id, uint64_t cluster_hash, std::string name)
    : SnapshotDecoder([reader](uint64_t position, size_t length,
                               std::string* out) { return reader->ReadAt(position, length, out); },
                      reader->size(), id, cluster_hash, std::move(name)) {}

absl::StatusOr<SnapshotHeader> SnapshotDecoder::ReadHeader() {
  absl::StatusOr<SnapshotHeader> header = TakeHeader();
  broken_ = header.status();
  return header;
}

absl::StatusOr<std::optional<absl::string_view>> SnapshotDecoder::Next() {
  if (!broken_.ok()) return broken_;
  absl::StatusOr<std::optional<absl::string_view>> record = Take();
  broken_ = record.status();
  return record;
}

absl::StatusOr<SnapshotHeader> SnapshotDecoder::TakeHeader() {
  absl::StatusOr<Batch> batch = NextBatch();
  if (!batch.ok()) return batch.status();
  if (batch->kind() != BatchKind::kControl || batch->record_count() != 1) {
    return Bad("the first batch is not a header");
  }
  absl::StatusOr<SnapshotHeader> header = ParseHeader(batch->Records()[0]);
  if (!header.ok()) return header.status();
  append_time_ms_ = header->last_append_time_ms;
  if (absl::Status status = CheckBatch(*batch); !status.ok()) return status;
  return header;
}

absl::StatusOr<SnapshotHeader> SnapshotDecoder::ParseHeader(absl::string_view record) const {
  ByteReader reader(record);
  const auto version = reader.Take<uint16_t>();
  if (reader.Take<uint16_t>() != kHeaderType) return Bad("the first batch is not a header");
  if (version != kSnapshotVersion) {
    // Not a bad file, which the one before could stand in for: it is whole, and newer than this build (F-P12).
    return MakeError(
        Reason::kUnsupportedVersion, Outcome::kNotApplied,
        absl::StrCat(name_, ": format version ", version, ", this build reads version ", kSnapshotVersion));
  }
  SnapshotHeader header;
  header.id.epoch = Epoch(reader.Take<int32_t>());
  header.id.end = Offset(reader.Take<int64_t>());
  header.last_append_time_ms = reader.Take<int64_t>();
  header.quorum_state = std::string(reader.TakeString<uint32_t>(kSnapshotQuorumStateBytesMax));
  if (!reader.AtEnd()) return Bad("the header record has another length than it should");
  if (header.id != id_) {
    return Bad(absl::StrCat("the header says that it ends at offset ", header.id.end.value(), " in epoch ",
                            header.id.epoch.value(), "; it should be offset ", id_.end.value(), " in epoch ",
                            id_.epoch.value()));
  }
  return header;
}

absl::StatusOr<std::optional<absl::string_view>> SnapshotDecoder::Take() {
  if (ended_) return std::nullopt;
  if (bytes_before_ == 0 && position_ == 0) return Bad("the header must be read first");
  if (next_record_ == batch_records_.size()) {
    absl::StatusOr<Batch> batch = NextBatch();
    if (!batch.ok()) return batch.status();
    if (absl::Status status = CheckBatch(*batch); !status.ok()) return status;
    if (batch->kind() == BatchKind::kControl) {
      if (absl::Status status = CheckFooter(*batch); !status.ok()) return status;
      ended_ = true;
      return std::nullopt;
    }
    batch_ = *std::move(batch);
    batch_records_ = batch_.Records();
    next_record_ = 0;
  }
  ++records_;
  return batch_records_[next_record_++];
}

// That it belongs here.
absl::Status SnapshotDecoder::CheckBatch(const Batch& batch) const {
  const Batch::Header& header = batch.header();
  if (header.cluster_hash != cluster_hash_) return Bad("the batch is another cluster's");
  if (header.epoch != id_.epoch || header.append_time_ms != append_time_ms_) {
    return Bad(absl::StrCat("the batch is of epoch ", header.epoch.value(), " and time ", header.append_time_ms,
                            ", the snapshot's are ", id_.epoch.value(), " and ", append_time_ms_));
  }
  const Offset expected = next_ - static_cast<int64_t>(batch.record_count());
  if (batch.base_offset() != expected) {
    return Bad(absl::StrCat("the batch has base offset ", batch.base_offset().value(), ", ", expected.value(),
                            " would follow"));
  }
  return absl::OkStatus();
}

absl::Status SnapshotDecoder::CheckFooter(const Batch& batch) const {
  const std::vector<absl::string_view> records = batch.Records();
  ByteReader reader(records[0]);
  const auto version = reader.Take<uint16_t>();
  const auto type = reader.Take<uint16_t>();
  if (records.size() != 1 || version != kSnapshotVersion || type != kFooterType) {
    return Bad(absl::StrCat("the control batch is not a footer of version ", kSnapshotVersion));
  }
  const auto count = reader.Take<uint64_t>();
  const auto bytes = reader.Take<uint64_t>();
  const auto crc = reader.Take<uint64_t>();
  if (!reader.AtEnd() || count != records_ || bytes != bytes_before_ || crc != crc_before_) {
    return Bad(absl::StrCat("the footer speaks of ", count, " records in ", bytes, " bytes with CRC-64 ", crc,
                            "; before it are ", records_, " in ", bytes_before_, " bytes with CRC-64 ", crc_before_));
  }
  if (position_ != size_) return Bad(absl::StrCat("behind the footer are ", size_ - position_, " bytes more"));
  return absl::OkStatus();
}

absl::StatusOr<Batch> SnapshotDecoder::NextBatch() {
  bytes_before_ = position_;
  crc_before_ = digest_.crc();
  if (absl::Status status = Fill(Batch::kHeaderBytes); !status.ok()) return status;
  if (ReadLittleEndian<uint32_t>(buffer_.view().data()) != Batch::kMagic) {
    return Bad("a batch doesn't start with the magic number");
  }
  const auto length = ReadLittleEndian<uint32_t>(buffer_.view().data() + kBatchLengthAt);
  if (length < Batch::kHeaderBytes || length > limits::kBatchBytesMax) {
    return Bad(absl::StrCat("a batch announces ", length, " bytes"));
  }
  if (absl::Status status = Fill(length); !status.ok()) return status;
  absl::StatusOr<Batch> batch = Batch::Parse(buffer_.Slice(0, length));
  if (!batch.ok()) return Bad(batch.status().message());
  digest_.Add(batch->bytes().view());
  position_ += length;
  next_ = next_ + static_cast<int64_t>(batch->record_count());
  buffer_ = buffer_.Slice(length, buffer_.size() - length);
  return batch;
}

absl::Status SnapshotDecoder::Fill(size_t bytes) {
  if (buffer_.size() >= bytes) return absl::OkStatus();
  if (bytes > size_ - position_) {
    return Bad(absl::StrCat("the file ends at byte ", size_, ", inside a batch or before the footer"));
  }
  // A new buffer each time: views into the old one may still be with the caller.
  auto owner = std::make_shared<std::string>(buffer_.view());
  const uint64_t at = position_ + owner->size();
  const size_t wanted = std::min<uint64_t>(std::max(bytes - owner->size(), kChunkBytes), size_ - at);
  std::string more;
  if (absl::Status status = read_(at, wanted, &more); !status.ok()) return status;
  if (more.size() != wanted) {
    return Bad(absl::StrCat("only ", more.size(), " of ", wanted, " bytes could be read at byte ", at));
  }
  owner->append(more);
  buffer_ = Bytes(owner, *owner);
  return absl::OkStatus();
}

absl::Status SnapshotDecoder::Bad(absl::string_view what) const {
  return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                   absl::StrCat(name_, ": not a valid snapshot: at byte ", bytes_before_, ": ", what));
}

absl::StatusOr<SnapshotInfo> VerifySnapshot(SnapshotReader* reader, LogPosition id, uint64_t cluster_hash,
                                            std::string name) {
  SnapshotDecoder decoder(reader, id, cluster_hash, std::move(name));
  if (absl::StatusOr<SnapshotHeader> header = decoder.ReadHeader(); !header.ok()) return header.status();
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> record = decoder.Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) return decoder.info();
  }
}

}  // namespace quorate::storage
