// File: quorate/batch.h
//
// A batch: the unit that is appended, replicated, checked and applied as a whole. Its bytes are made
// once, by the leader that appends it, and are the same on the wire, in every log and in memory;
// nobody recomputes its checksum "to fit" (rule R-09). Layout, little endian (docs/formats/batch.md):
//
//    0  u32 magic "QRB1"        16  i64 base offset
//    4  u32 length of all       24  i32 epoch
//    8  u32 CRC-32C of [12,…)   28  u32 record count
//   12  u8  version = 1         32  i64 append time, ms since 1970 (display only)
//   13  u8  kind                40  u64 low half of the cluster id
//   14  u16 zero                48  records: u32 length, bytes; offsets are base offset + index
#ifndef QUORATE_BATCH_H_
#define QUORATE_BATCH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "quorate/types.h"

namespace quorate {

// Bytes that nobody changes any more, shared by reference. Copying costs a reference count.
class Bytes {
 public:
  Bytes() = default;
  // Takes over `text`.
  static Bytes FromString(std::string text);
  // Shares `view`, which lives as long as `owner`.
  Bytes(std::shared_ptr<const void> owner, absl::string_view view) : owner_(std::move(owner)), view_(view) {}

  [[nodiscard]] absl::string_view view() const { return view_; }
  [[nodiscard]] size_t size() const { return view_.size(); }
  [[nodiscard]] Bytes Slice(size_t position, size_t length) const {
    return Bytes(owner_, view_.substr(position, length));
  }

 private:
  std::shared_ptr<const void> owner_;
  absl::string_view view_;
};

enum class BatchKind : uint8_t {
  kData = 0,     // the host's or the controller's records
  kControl = 1,  // the quorum's own: leader change, voters (KIP-595, KIP-853); never shown to state machines
};

// Immutable; cheap to copy; thread-safe to read.
class Batch {
 public:
  static constexpr size_t kHeaderBytes = 48;
  static constexpr uint32_t kMagic = 0x31425251;

  struct Header {
    Offset base_offset;
    Epoch epoch;
    BatchKind kind = BatchKind::kData;
    uint64_t cluster_hash = 0;
    int64_t append_time_ms = 0;
  };

  Batch() = default;

  // Makes a batch. `records` must not be empty; the result obeys limits.h or the call fails (kTooLarge).
  static absl::StatusOr<Batch> Make(const Header& header, absl::Span<const absl::string_view> records);

  // Takes one batch from the start of `bytes` (which may hold more behind it): checks magic, version,
  // lengths, record framing and CRC. kCorruption says which check failed; kTooLarge a hostile length.
  static absl::StatusOr<Batch> Parse(const Bytes& bytes);

  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] Offset base_offset() const { return header_.base_offset; }
  [[nodiscard]] Offset end_offset() const { return header_.base_offset + record_count_; }  // exclusive
  [[nodiscard]] Epoch epoch() const { return header_.epoch; }
  [[nodiscard]] BatchKind kind() const { return header_.kind; }
  [[nodiscard]] uint32_t record_count() const { return record_count_; }
  [[nodiscard]] uint32_t crc() const { return crc_; }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  // Views into bytes(), in order.
  [[nodiscard]] std::vector<absl::string_view> Records() const;

 private:
  Header header_;
  uint32_t record_count_ = 0;
  uint32_t crc_ = 0;
  Bytes bytes_;
};

}  // namespace quorate

#endif  // QUORATE_BATCH_H_
