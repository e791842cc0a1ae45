#include "quorate/batch.h"

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate {
namespace {

// Field positions of the layout in batch.h.
constexpr size_t kLengthAt = 4;
constexpr size_t kCrcAt = 8;
constexpr size_t kVersionAt = 12;
constexpr size_t kKindAt = 13;
constexpr size_t kZeroAt = 14;
constexpr size_t kBaseOffsetAt = 16;
constexpr size_t kEpochAt = 24;
constexpr size_t kRecordCountAt = 28;
constexpr size_t kAppendTimeAt = 32;
constexpr size_t kClusterAt = 40;
constexpr uint8_t kVersion = 1;

absl::Status Corrupt(absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kNotApplied, absl::StrCat("not a valid batch: ", what));
}

// Whether `count` records of the framing "u32 length, bytes" fill `payload` exactly.
bool FramingHolds(absl::string_view payload, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    if (payload.size() < sizeof(uint32_t)) return false;
    const auto length = ReadLittleEndian<uint32_t>(payload.data());
    payload.remove_prefix(sizeof(uint32_t));
    if (payload.size() < length) return false;
    payload.remove_prefix(length);
  }
  return payload.empty();
}

}  // namespace

Bytes Bytes::FromString(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  absl::string_view view = *owner;
  return Bytes(std::move(owner), view);
}

absl::StatusOr<Batch> Batch::Make(const Header& header, absl::Span<const absl::string_view> records) {
  if (records.empty()) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "a batch needs at least one record");
  }
  size_t size = kHeaderBytes;
  for (absl::string_view record : records) size += sizeof(uint32_t) + record.size();
  if (size > limits::kBatchBytesMax || records.size() > limits::kBatchRecordsMax) {
    return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                     absl::StrCat("a batch of ", records.size(), " records and ", size, " bytes is over the limit of ",
                                  limits::kBatchRecordsMax, " records and ", limits::kBatchBytesMax, " bytes"));
  }
  std::string bytes;
  bytes.reserve(size);
  bytes.resize(kHeaderBytes);
  for (absl::string_view record : records) {
    AppendLittleEndian(static_cast<uint32_t>(record.size()), &bytes);
    bytes.append(record.data(), record.size());
  }
  char* at = bytes.data();
  WriteLittleEndian(kMagic, at);
  WriteLittleEndian(static_cast<uint32_t>(size), at + kLengthAt);
  WriteLittleEndian(kVersion, at + kVersionAt);
  WriteLittleEndian(static_cast<uint8_t>(header.kind), at + kKindAt);
  WriteLittleEndian(uint16_t{0}, at + kZeroAt);
  WriteLittleEndian(header.base_offset.value(), at + kBaseOffsetAt);
  WriteLittleEndian(header.epoch.value(), at + kEpochAt);
  WriteLittleEndian(static_cast<uint32_t>(records.size()), at + kRecordCountAt);
  WriteLittleEndian(header.append_time_ms, at + kAppendTimeAt);
  WriteLittleEndian(header.cluster_hash, at + kClusterAt);

  Batch batch;
  batch.header_ = header;
  batch.record_count_ = static_cast<uint32_t>(records.size());
  batch.crc_ = Crc32c(absl::string_view(bytes).substr(kVersionAt));
  WriteLittleEndian(batch.crc_, at + kCrcAt);
  batch.bytes_ = Bytes::FromString(std::move(bytes));
  return batch;
}

absl::StatusOr<Batch> Batch::Parse(const Bytes& bytes) {
  const absl::string_view view = bytes.view();
  if (view.size() < kHeaderBytes) return Corrupt(absl::StrCat("only ", view.size(), " bytes, a header has 48"));
  const char* at = view.data();
  if (ReadLittleEndian<uint32_t>(at) != kMagic) return Corrupt("it doesn't start with the magic number");
  const auto length = ReadLittleEndian<uint32_t>(at + kLengthAt);
  if (length < kHeaderBytes || length > limits::kBatchBytesMax) {
    return MakeError(Reason::kTooLarge, Outcome::kNotApplied,
                     absl::StrCat("a batch length of ", length, " is outside 48..", limits::kBatchBytesMax));
  }
  if (length > view.size()) return Corrupt(absl::StrCat("length ", length, " but only ", view.size(), " bytes"));
  const absl::string_view whole = view.substr(0, length);
  Batch batch;
  batch.crc_ = ReadLittleEndian<uint32_t>(at + kCrcAt);
  const uint32_t actual = Crc32c(whole.substr(kVersionAt));
  if (actual != batch.crc_) return Corrupt(absl::StrCat("CRC-32C is ", actual, ", the header says ", batch.crc_));
  const auto version = ReadLittleEndian<uint8_t>(at + kVersionAt);
  if (version != kVersion) return Corrupt(absl::StrCat("format version ", version, ", this build reads version 1"));
  const auto kind = ReadLittleEndian<uint8_t>(at + kKindAt);
  if (kind > static_cast<uint8_t>(BatchKind::kControl)) return Corrupt(absl::StrCat("unknown kind ", kind));
  if (ReadLittleEndian<uint16_t>(at + kZeroAt) != 0) return Corrupt("reserved bits are set");

  batch.header_.kind = static_cast<BatchKind>(kind);
  batch.header_.base_offset = Offset(ReadLittleEndian<int64_t>(at + kBaseOffsetAt));
  batch.header_.epoch = Epoch(ReadLittleEndian<int32_t>(at + kEpochAt));
  batch.header_.append_time_ms = ReadLittleEndian<int64_t>(at + kAppendTimeAt);
  batch.header_.cluster_hash = ReadLittleEndian<uint64_t>(at + kClusterAt);
  batch.record_count_ = ReadLittleEndian<uint32_t>(at + kRecordCountAt);
  if (batch.record_count_ == 0 || batch.record_count_ > limits::kBatchRecordsMax) {
    return Corrupt(absl::StrCat("record count ", batch.record_count_));
  }
  if (batch.base_offset().value() < 0 || batch.base_offset().value() > INT64_MAX - limits::kBatchRecordsMax ||
      batch.epoch().value() < 0) {
    return Corrupt("negative or overflowing offset or epoch");
  }
  if (!FramingHolds(whole.substr(kHeaderBytes), batch.record_count_)) return Corrupt("records don't fill it exactly");
  batch.bytes_ = bytes.Slice(0, length);
  return batch;
}

std::vector<absl::string_view> Batch::Records() const {
  std::vector<absl::string_view> out;
  out.reserve(record_count_);
  absl::string_view rest = bytes_.view();
  if (rest.empty()) return out;
  rest.remove_prefix(kHeaderBytes);
  for (uint32_t i = 0; i < record_count_; ++i) {
    const auto length = ReadLittleEndian<uint32_t>(rest.data());
    out.push_back(rest.substr(sizeof(uint32_t), length));
    rest.remove_prefix(sizeof(uint32_t) + length);
  }
  return out;
}

}  // namespace quorate
