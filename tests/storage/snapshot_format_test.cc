// The bytes of a snapshot: one form per content, and nothing else is taken for one (F-D03, F-X05).

#include "storage/snapshot_format.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "storage/fixtures.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

constexpr uint64_t kHash = 0xfedcba9876543210;
constexpr LogPosition kId{Epoch(7), Offset(1000)};

SnapshotHeader TestHeader() { return SnapshotHeader{kId, 1'577'836'800'000, "voters"}; }

struct Encoded {
  std::string bytes;
  SnapshotInfo info;
};

Encoded Encode(const std::vector<std::string>& records, SnapshotHeader header = TestHeader()) {
  SnapshotEncoder encoder(std::move(header), kHash);
  Encoded out;
  for (const std::string& record : records) REQUIRE(encoder.Add(record, &out.bytes) == absl::OkStatus());
  REQUIRE(encoder.Finish(&out.bytes) == absl::OkStatus());
  CHECK(encoder.records() == records.size());
  out.info = encoder.info();
  return out;
}

struct Decoded {
  absl::Status status;
  SnapshotHeader header;
  std::vector<std::string> records;
  SnapshotInfo info;
  size_t largest_read = 0;
};

Decoded Decode(const std::string& bytes, LogPosition id = kId, uint64_t hash = kHash) {
  Decoded out;
  SnapshotDecoder decoder(
      [&](uint64_t position, size_t length, std::string* piece) {
        out.largest_read = std::max(out.largest_read, length);
        *piece = bytes.substr(position, length);
        return absl::OkStatus();
      },
      bytes.size(), id, hash, "the-file");
  absl::StatusOr<SnapshotHeader> header = decoder.ReadHeader();
  out.status = header.status();
  if (!header.ok()) return out;
  out.header = *header;
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> record = decoder.Next();
    out.status = record.status();
    if (!record.ok() || !record->has_value()) break;
    out.records.emplace_back(**record);
  }
  out.info = decoder.info();
  return out;
}

// Where the batches of an encoding begin, and where the last one ends.
std::vector<size_t> Boundaries(const std::string& bytes) {
  std::vector<size_t> out = {0};
  while (out.back() < bytes.size()) {
    out.push_back(out.back() + Batch::Parse(Bytes::FromString(bytes.substr(out.back())))->size());
  }
  return out;
}

void CheckRefused(const std::string& bytes, LogPosition id = kId, uint64_t hash = kHash) {
  const Decoded decoded = Decode(bytes, id, hash);
  CHECK(ReasonOf(decoded.status) == Reason::kCorruption);
  CHECK(absl::StrContains(decoded.status.message(), "the-file"));
  CHECK(absl::StrContains(decoded.status.message(), "at byte "));
}

std::vector<std::string> Mixed() {
  std::vector<std::string> records;
  for (int i = 0; i < 3000; ++i)
    records.emplace_back(static_cast<size_t>(i * 37 % 500), static_cast<char>('a' + i % 26));
  records.emplace_back(limits::kSnapshotRecordBytesMax, 'L');
  records.emplace_back("");
  records.emplace_back(kSnapshotGroupBytes, 'g');
  records.emplace_back("last");
  return records;
}

TEST_CASE("what is encoded is decoded, and the same records give the same bytes") {
  for (const std::vector<std::string>& records :
       {std::vector<std::string>{}, {""}, {"one"}, std::vector<std::string>(200'000, ""), Mixed()}) {
    const Encoded encoded = Encode(records);
    const Decoded decoded = Decode(encoded.bytes);
    REQUIRE(decoded.status == absl::OkStatus());
    CHECK(decoded.header == TestHeader());
    const bool same = decoded.records == records;
    CHECK(same);
    CHECK(decoded.info == encoded.info);
    CHECK(encoded.info.id == kId);
    CHECK(encoded.info.bytes == encoded.bytes.size());
    SnapshotDigest digest;
    digest.Add(encoded.bytes);
    CHECK(encoded.info.digest == digest.value());
    const bool deterministic = Encode(records).bytes == encoded.bytes;
    CHECK(deterministic);
    // Bounded memory on both sides.
    CHECK(decoded.largest_read <= limits::kBatchBytesMax);
    const std::vector<size_t> at = Boundaries(encoded.bytes);
    for (size_t i = 1; i < at.size(); ++i) {
      const size_t size = at[i] - at[i - 1];
      CHECK((size <= kSnapshotGroupBytes + (64u << 10) || size > limits::kSnapshotRecordBytesMax ||
             size == kSnapshotGroupBytes + Batch::kHeaderBytes + 4));
    }
  }
}

TEST_CASE("any flipped bit of a snapshot is refused with its place (F-D03)") {
  const Encoded encoded = Encode({"one", "two", std::string(300, 'x')});
  const std::vector<size_t> at = Boundaries(encoded.bytes);
  for (size_t bit = 0; bit < encoded.bytes.size() * 8; ++bit) {
    std::string bytes = encoded.bytes;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    INFO("bit " << bit);
    CheckRefused(bytes);
  }
  std::string bytes = encoded.bytes;
  bytes[at[1] + 60] ^= 1;
  CHECK(absl::StrContains(Decode(bytes).status.message(), absl::StrCat("at byte ", at[1], ":")));
}

TEST_CASE("a snapshot that is cut or extended anywhere is refused (F-D03)") {
  const std::string bytes = Encode({"one", "two"}).bytes;
  for (size_t length = 0; length < bytes.size(); ++length) CheckRefused(bytes.substr(0, length));
  CheckRefused(bytes + std::string(1, '\0'));
  CheckRefused(bytes + bytes);
}

TEST_CASE("a snapshot whose batches are swapped, lost, doubled or another's is refused (F-D03)") {
  std::vector<std::string> records;
  for (int i = 0; i < 4; ++i) records.emplace_back(kSnapshotGroupBytes - 100, static_cast<char>('a' + i));
  const std::string bytes = Encode(records).bytes;
  const std::vector<size_t> at = Boundaries(bytes);
  REQUIRE(at.size() == 7);  // header, four groups, footer
  const auto batch = [&](size_t i) { return bytes.substr(at[i], at[i + 1] - at[i]); };
  const auto join = [&](const std::vector<size_t>& order) {
    std::string out;
    for (size_t i : order) out += batch(i);
    return out;
  };
  REQUIRE(Decode(join({0, 1, 2, 3, 4, 5})).status.ok());
  for (const std::vector<size_t>& order : {std::vector<size_t>{0, 2, 1, 3, 4, 5},
                                           {0, 1, 3, 4, 5},
                                           {0, 1, 1, 2, 3, 4, 5},
                                           {1, 2, 3, 4, 5},
                                           {0, 1, 2, 3, 4},
                                           {0, 1, 2, 3, 5},
                                           {0, 0, 1, 2, 3, 4, 5},
                                           {0, 5},
                                           {5},
                                           {0, 1, 2, 3, 4, 5, 5}}) {
    CheckRefused(join(order));
  }
  // A batch from a snapshot with other records, in the same place.
  records[1][5] = 'Z';
  const std::string other = Encode(records).bytes;
  CheckRefused(join({0, 1}) + other.substr(at[2], at[3] - at[2]) + join({3, 4, 5}));
  CheckRefused(bytes, LogPosition{Epoch(7), Offset(1001)});
  CheckRefused(bytes, LogPosition{Epoch(8), Offset(1000)});
  CheckRefused(bytes, kId, kHash + 1);  // another cluster's
}

TEST_CASE("after an error a decoder has nothing but that error") {
  std::vector<std::string> records(5, std::string(kSnapshotGroupBytes - 100, 'x'));
  std::string bytes = Encode(records).bytes;
  bytes[Boundaries(bytes)[2] + 1000] ^= 1;
  SnapshotDecoder decoder(
      [&](uint64_t position, size_t length, std::string* piece) {
        *piece = bytes.substr(position, length);
        return absl::OkStatus();
      },
      bytes.size(), kId, kHash, "the-file");
  REQUIRE(decoder.ReadHeader().ok());
  REQUIRE(decoder.Next().ok());
  const absl::Status error = decoder.Next().status();
  CHECK(ReasonOf(error) == Reason::kCorruption);
  for (int i = 0; i < 5; ++i) CHECK(decoder.Next().status() == error);
}

TEST_CASE("a read error of a snapshot is an error and never its end (F-D07)") {
  const std::string bytes = Encode({std::string(600'000, 'x'), "y"}).bytes;
  for (int failing = 1;; ++failing) {
    int calls = 0;
    SnapshotDecoder decoder(
        [&](uint64_t position, size_t length, std::string* piece) {
          if (++calls == failing) return MakeError(Reason::kStorage, Outcome::kUnknown, "Input/output error");
          *piece = bytes.substr(position, length);
          return absl::OkStatus();
        },
        bytes.size(), kId, kHash, "the-file");
    absl::Status status = decoder.ReadHeader().status();
    bool ended = false;
    while (status.ok() && !ended) {
      auto record = decoder.Next();
      status = record.status();
      ended = record.ok() && !record->has_value();
    }
    if (calls < failing) {
      CHECK(ended);
      CHECK(failing > 3);
      break;
    }
    CHECK(ReasonOf(status) == Reason::kStorage);
  }
}

TEST_CASE("a record or state over its limit is refused by the encoder, which goes on") {
  SnapshotEncoder encoder(TestHeader(), kHash);
  std::string bytes;
  CHECK(ReasonOf(encoder.Add(std::string(limits::kSnapshotRecordBytesMax + 1, 'x'), &bytes)) == Reason::kTooLarge);
  CHECK(encoder.Add("fits", &bytes).ok());
  CHECK(encoder.Finish(&bytes).ok());
  CHECK(Decode(bytes).records == std::vector<std::string>{"fits"});
  SnapshotEncoder large(SnapshotHeader{kId, 0, std::string(kSnapshotQuorumStateBytesMax + 1, 'q')}, kHash);
  CHECK(ReasonOf(large.Finish(&bytes)) == Reason::kTooLarge);
  const std::string most(kSnapshotQuorumStateBytesMax, 'q');
  CHECK(Decode(Encode({"x"}, SnapshotHeader{kId, 0, most}).bytes).header.quorum_state == most);
}

std::string ControlBatch(Offset base, absl::string_view record) {
  return std::string(Batch::Make({base, kId.epoch, BatchKind::kControl, kHash, 0}, {record})->bytes().view());
}

TEST_CASE("a snapshot of another format version is refused by its number (F-P12)") {
  const std::string header = absl::HexStringToBytes(
      "0100"
      "0300"
      "07000000"
      "e803000000000000"
      "0000000000000000"
      "00000000");
  const Decoded decoded = Decode(ControlBatch(Offset(0), header));
  CHECK(ReasonOf(decoded.status) == Reason::kUnsupportedVersion);
  CHECK(absl::StrContains(decoded.status.message(), "format version 1, this build reads version 0"));
}

TEST_CASE("snapshot, version 0") {
  const Encoded encoded = Encode({"+1", "hello"});
  const std::string expected = absl::HexStringToBytes(absl::StrReplaceAll(
      "51 52 42 31 56 00 00 00 e1 f7 b9 43 01 01 00 00 00 00 00 00 00 00 00 00 07 00 00 00 01 00 00 00 "
      "00 e8 66 5e 6f 01 00 00 10 32 54 76 98 ba dc fe 22 00 00 00 00 00 03 00 07 00 00 00 e8 03 00 00 "
      "00 00 00 00 00 e8 66 5e 6f 01 00 00 06 00 00 00 76 6f 74 65 72 73 51 52 42 31 3f 00 00 00 18 e0 "
      "d5 7f 01 00 00 00 01 00 00 00 00 00 00 00 07 00 00 00 02 00 00 00 00 e8 66 5e 6f 01 00 00 10 32 "
      "54 76 98 ba dc fe 02 00 00 00 2b 31 05 00 00 00 68 65 6c 6c 6f 51 52 42 31 50 00 00 00 12 27 8c "
      "47 01 01 00 00 03 00 00 00 00 00 00 00 07 00 00 00 01 00 00 00 00 e8 66 5e 6f 01 00 00 10 32 54 "
      "76 98 ba dc fe 1c 00 00 00 00 00 04 00 02 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00 1f da 01 "
      "81 b7 34 a8 2a ",
      {{" ", ""}}));
  const bool same = encoded.bytes == expected;
  CHECK(same);
  CHECK(encoded.info.digest == 0xd82352b41119bcd5);
}

}  // namespace
}  // namespace quorate::storage
