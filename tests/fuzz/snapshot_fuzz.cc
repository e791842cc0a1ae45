#include <string>
#include <vector>

#include "base/crc32c.h"
#include "base/little_endian.h"
#include "fuzz/fuzz.h"
#include "storage/snapshot_format.h"

namespace quorate::storage {
namespace {

constexpr LogPosition kId{Epoch(7), Offset(1000)};
constexpr uint64_t kClusterHash = 0xfedcba9876543210;

struct Read {
  bool ok = false;
  SnapshotHeader header;
  std::vector<std::string> records;
  SnapshotInfo info;
};

Read Decode(const std::string& bytes) {
  const auto read = [&bytes](uint64_t position, size_t length, std::string* out) {
    fuzz::Promise(position <= bytes.size() && length <= bytes.size() - position, "reads stay within the file");
    *out = bytes.substr(position, length);
    return absl::OkStatus();
  };
  SnapshotDecoder decoder(read, bytes.size(), kId, kClusterHash, "fuzz");
  Read out;
  absl::StatusOr<SnapshotHeader> header = decoder.ReadHeader();
  if (!header.ok()) return out;
  out.header = *std::move(header);
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> record = decoder.Next();
    if (!record.ok()) return out;
    if (!record->has_value()) break;
    out.records.emplace_back(**record);
  }
  out.ok = true;
  out.info = decoder.info();
  return out;
}

void Check(const std::string& bytes) {
  const Read read = Decode(bytes);
  if (!read.ok) return;
  fuzz::Promise(read.info.bytes == bytes.size(), "all of it was looked at");
  SnapshotEncoder encoder(read.header, kClusterHash);
  std::string again;
  for (const std::string& record : read.records) {
    fuzz::Promise(encoder.Add(record, &again).ok(), "what was read can be written");
  }
  fuzz::Promise(encoder.Finish(&again).ok(), "what was read can be finished");
  // Its records may have been grouped differently: the encoder has one way, and sticks to it.
  const Read twice = Decode(again);
  fuzz::Promise(twice.ok && twice.header == read.header && twice.records == read.records, "the same comes back");
  fuzz::Promise(twice.info == encoder.info(), "both sides count alike");
}

// With the checksum of each batch put right, so that a change gets past it.
std::string Reseal(std::string bytes) {
  for (size_t at = 0; at + Batch::kHeaderBytes <= bytes.size();) {
    const auto length = ReadLittleEndian<uint32_t>(bytes.data() + at + 4);
    if (length < Batch::kHeaderBytes || length > bytes.size() - at) break;
    WriteLittleEndian(Crc32c(absl::string_view(bytes).substr(at + 12, length - 12)), bytes.data() + at + 8);
    at += length;
  }
  return bytes;
}

}  // namespace
}  // namespace quorate::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(quorate::fuzz::AsText(data, size));
  quorate::storage::Check(bytes);
  quorate::storage::Check(quorate::storage::Reseal(bytes));
  return 0;
}
