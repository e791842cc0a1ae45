// The bytes of a snapshot: docs/formats/snapshot.md. An encoder that records are pushed into, a decoder that they
// are pulled from, neither of which ever holds more than one batch.
//
// A snapshot is a stream of ordinary batches, as in a log: a control batch with the header, data batches with the
// records of the state machine, a control batch with the footer. Their base offsets count from 0, so a batch that is
// lost, doubled or out of place breaks the chain; each has its CRC-32C; and the footer says how many records and bytes
// there are, with a CRC-64 of all of them. A file without a footer is no snapshot (F-D03).
//
// The same records in the same order give the same bytes on every node: what is in the header belongs to the log (its
// position, the time of its last append, the voters), and how records are grouped depends on their sizes alone. So
// one file on two nodes is one file: its digest can be compared (I-18), and a transfer can go on from another node
// (M-23).
//
// The quorum's state (the voter set as of the position, M-40) is opaque here.
#ifndef QUORATE_STORAGE_SNAPSHOT_FORMAT_H_
#define QUORATE_STORAGE_SNAPSHOT_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/batch.h"
#include "quorate/storage.h"
#include "storage/snapshot_digest.h"

namespace quorate::storage {

inline constexpr uint16_t kSnapshotVersion = 0;  // of header and footer, counted as KRaft counts them
// Records are grouped into batches of about this size; a larger record has a batch of its own.
inline constexpr size_t kSnapshotGroupBytes = 256u << 10;
inline constexpr size_t kSnapshotQuorumStateBytesMax = 1u << 20;

struct SnapshotHeader {
  LogPosition id;
  int64_t last_append_time_ms = 0;  // of the last batch that the snapshot stands for; for display
  std::string quorum_state;
  friend bool operator==(const SnapshotHeader&, const SnapshotHeader&) = default;
};

// Errors (kTooLarge) leave the encoder as it was. One thread at a time.
class SnapshotEncoder {
 public:
  SnapshotEncoder(SnapshotHeader header, uint64_t cluster_hash);

  // Takes the next record. What is ready of the file is appended to `out`: often nothing.
  absl::Status Add(absl::string_view record, std::string* out);
  // No more records: the rest of the file. Once, last.
  absl::Status Finish(std::string* out);

  // Of what was given out so far; after Finish: of the file.
  [[nodiscard]] SnapshotInfo info() const { return SnapshotInfo{header_.id, bytes_, digest_.value()}; }
  [[nodiscard]] uint64_t records() const { return records_; }

 private:
  absl::Status Begin(std::string* out);  // the header, if it isn't written yet
  absl::Status FlushGroup(std::string* out);
  absl::Status Emit(BatchKind kind, absl::Span<const absl::string_view> records, std::string* out);

  const SnapshotHeader header_;
  const uint64_t cluster_hash_;
  Offset next_;
  uint64_t bytes_ = 0;
  uint64_t records_ = 0;
  SnapshotDigest digest_;
  std::string group_;                // the records of the batch under way, one behind the other
  std::vector<size_t> group_sizes_;  // and where they end
};

// Reads a snapshot of which nothing is trusted. Records are handed out before the footer was seen: verify the file
// (VerifySnapshot) before its records replace anything. One thread at a time.
class SnapshotDecoder {
 public:
  // As SnapshotReader::ReadAt.
  using ReadFunction = absl::AnyInvocable<absl::Status(uint64_t position, size_t length, std::string* out)>;

  // `size` is that of the whole file. `name` is for messages.
  SnapshotDecoder(ReadFunction read, uint64_t size, LogPosition id, uint64_t cluster_hash, std::string name);
  // `reader` outlives the decoder.
  SnapshotDecoder(SnapshotReader* reader, LogPosition id, uint64_t cluster_hash, std::string name);

  // First, once. After an error nothing more comes but that error. Every error names the byte at which the batch begins
  // that can't be right (kCorruption).
  absl::StatusOr<SnapshotHeader> ReadHeader();
  // The next record, valid until the next call; nullopt: that was all, and the footer agrees.
  absl::StatusOr<std::optional<absl::string_view>> Next();

  // After the end: of the whole file.
  [[nodiscard]] SnapshotInfo info() const { return SnapshotInfo{id_, position_, digest_.value()}; }
  [[nodiscard]] uint64_t records() const { return records_; }

 private:
  absl::StatusOr<SnapshotHeader> TakeHeader();
  absl::StatusOr<std::optional<absl::string_view>> Take();
  absl::StatusOr<Batch> NextBatch();
  absl::Status CheckBatch(const Batch& batch) const;
  absl::StatusOr<SnapshotHeader> ParseHeader(absl::string_view record) const;
  absl::Status CheckFooter(const Batch& batch) const;
  // Reads on until `bytes` of the file from position_ on are in the buffer.
  absl::Status Fill(size_t bytes);
  [[nodiscard]] absl::Status Bad(absl::string_view what) const;

  ReadFunction read_;
  const uint64_t size_;
  const LogPosition id_;
  const uint64_t cluster_hash_;
  const std::string name_;
  uint64_t position_ = 0;  // of the next batch
  Bytes buffer_;           // from position_ on
  Offset next_;
  int64_t append_time_ms_ = 0;
  uint64_t records_ = 0;
  SnapshotDigest digest_;      // of everything before position_
  uint64_t crc_before_ = 0;    // of everything before the batch last read
  uint64_t bytes_before_ = 0;  // and how much that is
  Batch batch_;
  std::vector<absl::string_view> batch_records_;
  size_t next_record_ = 0;
  bool ended_ = false;
  absl::Status broken_;  // the first error
};

// Reads the whole file and checks everything that can be checked.
absl::StatusOr<SnapshotInfo> VerifySnapshot(SnapshotReader* reader, LogPosition id, uint64_t cluster_hash,
                                            std::string name);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SNAPSHOT_FORMAT_H_
