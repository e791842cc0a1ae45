// The bytes on disk, as docs/formats/ shows them (F-P12). When a test here fails, data of a released version can no
// longer be read: change the version number and keep reading the old one.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "base/crc32c.h"
#include "base/little_endian.h"
#include "storage/checkpoint.h"
#include "storage/file_election_state_store.h"
#include "storage/fixtures.h"
#include "storage/identity_files.h"
#include "storage/segment_format.h"
#include "storage/slot_file.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

std::string FromHex(absl::string_view text) { return absl::HexStringToBytes(absl::StrReplaceAll(text, {{" ", ""}})); }

std::string Slot(absl::string_view begin, absl::string_view crc) {
  std::string out = FromHex(begin);
  out.resize(508);
  out += FromHex(crc);
  out.resize(kBlockBytes);
  return out + out;
}

const ChainEnd kChain{LogPosition{Epoch(7), Offset(1000)}, 0xcafef00d};

TEST_CASE("segment header, version 1") {
  std::string bytes = FromHex(
      "51 52 53 31 01 00 00 00 ef cd ab 89 67 45 23 01 10 32 54 76 98 ba dc fe 44 44 33 33 22 22 11 11"
      "88 88 77 77 66 66 55 55 e8 03 00 00 00 00 00 00 07 00 00 00 0d f0 fe ca");
  bytes.resize(kBlockBytes - 4);
  bytes += FromHex("9b a3 fa a5");
  CHECK(EncodeSegmentHeader(SegmentHeader{kCluster, kDirectory, kChain}) == bytes);
  CHECK(ParseSegmentHeader(bytes, kCluster, kDirectory, Offset(1000), "f")->chain == kChain);
}

TEST_CASE("frame, version 1") {
  const std::string header_bytes =
      FromHex("51 52 46 31 39 00 00 00 e8 03 00 00 00 00 00 00 e8 03 00 00 00 00 00 00 0d f0 fe ca 7c e6 8e 2c");
  const std::string batch_bytes = FromHex(
      "51 52 42 31 39 00 00 00 88 03 30 8e 01 00 00 00 e8 03 00 00 00 00 00 00 07 00 00 00 01 00 00 00"
      "00 e8 66 5e 6f 01 00 00 10 32 54 76 98 ba dc fe 05 00 00 00 68 65 6c 6c 6f");
  const FrameCodec codec(kDirectory, Offset(1000));
  const FrameHeader header{static_cast<uint32_t>(batch_bytes.size()), Offset(1000), Offset(1000), kChain.crc};
  FrameCodec::Buffer buffer;
  codec.Encode(header, kBlockBytes, &buffer);
  CHECK(std::string(buffer.data(), buffer.size()) == header_bytes);
  absl::StatusOr<FrameHeader> parsed = codec.Parse(header_bytes, kBlockBytes);
  REQUIRE(parsed.ok());
  CHECK(parsed->previous_crc == kChain.crc);
  absl::StatusOr<Batch> batch = ParseFramedBatch(*parsed, Bytes::FromString(batch_bytes));
  REQUIRE(batch.ok());
  CHECK(batch->Records()[0] == "hello");
  CHECK(FrameBytes(batch_bytes.size()) == 96);
  // The same bytes elsewhere are no frame (F-D06).
  CHECK_FALSE(codec.Parse(header_bytes, kBlockBytes + 8).ok());
  CHECK_FALSE(FrameCodec(kDirectory, Offset(0)).Parse(header_bytes, kBlockBytes).ok());
  CHECK_FALSE(FrameCodec(DirectoryId(), Offset(1000)).Parse(header_bytes, kBlockBytes).ok());
}

TEST_CASE("quorum-state, version 1") {
  const std::string bytes = Slot(
      "51 52 45 31 01 00 00 00 00 00 00 00 00 00 00 00 44 44 33 33 22 22 11 11 88 88 77 77 66 66 55 55"
      "1d 00 00 00 01 07 00 00 00 02 00 00 00 44 44 33 33 22 22 11 11 88 88 77 77 66 66 55 55 03 00 00 00",
      "69 1f 88 cd");
  const ElectionState state{Epoch(7), ReplicaKey{NodeId(2), kDirectory}, NodeId(3)};
  testing::SimFileSystem files;
  REQUIRE(SlotFile::Create(&files, "/f", kElectionStateMagic, kDirectory, EncodeElectionState(state)).ok());
  const bool same = files.Contents("/f") == bytes;
  CHECK(same);
  absl::StatusOr<SlotFile> file = SlotFile::Open(&files, "/f", kElectionStateMagic, kDirectory);
  REQUIRE(file.ok());
  CHECK(*ParseElectionState(file->value(), "/f") == state);
}

TEST_CASE("checkpoint, as it was before logs could be trimmed, is still read (F-P12)") {
  const std::string value = FromHex("00 00 00 00 00 00 00 00 e9 03 00 00 00 00 00 00 ff ff ff ff ff ff ff ff");
  absl::StatusOr<LogCheckpoint> checkpoint = ParseCheckpoint(value, "/f");
  REQUIRE(checkpoint.ok());
  CHECK(*checkpoint == LogCheckpoint{LogPosition(), Offset(1001), std::nullopt, std::nullopt});
  const std::string truncating = FromHex("00 00 00 00 00 00 00 00 e9 03 00 00 00 00 00 00 07 00 00 00 00 00 00 00");
  CHECK(ParseCheckpoint(truncating, "/f")->truncating == Offset(7));
}

TEST_CASE("checkpoint, version 1") {
  const std::string bytes = Slot(
      "51 52 43 31 01 00 00 00 00 00 00 00 00 00 00 00 44 44 33 33 22 22 11 11 88 88 77 77 66 66 55 55"
      "28 00 00 00 f4 01 00 00 00 00 00 00 e9 03 00 00 00 00 00 00 ff ff ff ff ff ff ff ff"
      "06 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff",
      "8f b4 13 de");
  const LogCheckpoint checkpoint{LogPosition{Epoch(6), Offset(500)}, Offset(1001), std::nullopt, std::nullopt};
  testing::SimFileSystem files;
  REQUIRE(SlotFile::Create(&files, "/f", kCheckpointMagic, kDirectory, EncodeCheckpoint(checkpoint)).ok());
  const bool same = files.Contents("/f") == bytes;
  CHECK(same);
  absl::StatusOr<SlotFile> file = SlotFile::Open(&files, "/f", kCheckpointMagic, kDirectory);
  REQUIRE(file.ok());
  CHECK(*ParseCheckpoint(file->value(), "/f") == checkpoint);
  CHECK_FALSE(SlotFile::Open(&files, "/f", kElectionStateMagic, kDirectory).ok());
}

TEST_CASE("values that can't be are refused though their sum is right (R-08)") {
  const auto at = [](int32_t epoch, int64_t end) { return LogPosition{Epoch(epoch), Offset(end)}; };
  CHECK(ParseCheckpoint(EncodeCheckpoint(LogCheckpoint{at(1, 5), Offset(9), Offset(5), at(0, 0)}), "f").ok());
  for (const LogCheckpoint& impossible : {LogCheckpoint{at(1, 5), Offset(4), std::nullopt, std::nullopt},
                                          LogCheckpoint{at(1, -5), Offset(4), std::nullopt, std::nullopt},
                                          LogCheckpoint{at(-1, 5), Offset(9), std::nullopt, std::nullopt},
                                          LogCheckpoint{at(1, 5), Offset(9), Offset(4), std::nullopt},
                                          LogCheckpoint{at(1, 5), Offset(9), std::nullopt, at(-1, 7)},
                                          LogCheckpoint{at(1, 5), Offset(9), std::nullopt, at(1, -2)}}) {
    CHECK_FALSE(ParseCheckpoint(EncodeCheckpoint(impossible), "f").ok());
  }
  CHECK_FALSE(ParseCheckpoint("short", "f").ok());
  CHECK_FALSE(ParseElectionState(EncodeElectionState(ElectionState{Epoch(-1), {}, kNoNode}), "f").ok());
  CHECK_FALSE(ParseElectionState("short", "f").ok());
  const FrameCodec codec(kDirectory, Offset(0));
  FrameCodec::Buffer buffer;
  for (const FrameHeader& header :
       {FrameHeader{47, Offset(1), Offset(0), 0}, FrameHeader{9u << 20, Offset(1), Offset(0), 0},
        FrameHeader{100, Offset(-1), Offset(-1), 0}, FrameHeader{100, Offset(1), Offset(2), 0}}) {
    codec.Encode(header, 0, &buffer);
    CHECK_FALSE(codec.Parse(absl::string_view(buffer.data(), buffer.size()), 0).ok());
  }
}

TEST_CASE("meta.properties and bootstrap.checkpoint, version 1") {
  DirectoryIdentity identity = TestIdentity();
  identity.initial_voters = {
      Voter{ReplicaKey{NodeId(1), kDirectory}, {Endpoint{"CONTROLLER", "localhost", 9093}}, 0, 1}};
  CHECK(EncodeMetaProperties(identity) ==
        "# Written by quorate storage format; read at every start.\n"
        "cluster.id=ASNFZ4mrze_-3LqYdlQyEA\n"
        "directory.id=EREiIjMzRERVVWZmd3eIiA\n"
        "node.id=1\n"
        "version=1\n"
        "#crc=46f12c73\n");
  CHECK(EncodeBootstrap(identity) ==
        FromHex("51 52 56 31 01 00 00 00 44 44 33 33 22 22 11 11 88 88 77 77 66 66 55 55 01 01 01 00 00 00 44 44"
                "33 33 22 22 11 11 88 88 77 77 66 66 55 55 00 00 01 00 01 0a 43 4f 4e 54 52 4f 4c 4c 45 52 09 6c"
                "6f 63 61 6c 68 6f 73 74 85 23 f6 f8 ff 69"));
}

// With the number at `at` raised by one and the sum over [0, sum_at) put right.
std::string OtherVersion(std::string bytes, size_t at, size_t sum_at) {
  bytes[at] = static_cast<char>(bytes[at] + 1);
  WriteLittleEndian(Crc32c(absl::string_view(bytes).substr(0, sum_at)), bytes.data() + sum_at);
  return bytes;
}

TEST_CASE("a file of an unknown format version refuses the start and says which it is (F-P12)") {
  const std::vector<std::pair<absl::string_view, std::function<std::string(std::string)>>> files = {
      {kMetaPropertiesName,
       [](const std::string&) -> std::string {
         return "cluster.id=ASNFZ4mrze_-3LqYdlQyEA\ndirectory.id=EREiIjMzRERVVWZmd3eIiA\nnode.id=1\nversion=2\n";
       }},
      {kBootstrapName, [](std::string bytes) { return OtherVersion(bytes, 4, bytes.size() - 4); }},
      {kElectionStateName,
       [](const std::string& bytes) {
         const std::string slot = OtherVersion(bytes.substr(0, kBlockBytes), 4, 508);
         return slot + slot;
       }},
      {kCheckpointName,
       [](const std::string& bytes) {
         const std::string slot = OtherVersion(bytes.substr(0, kBlockBytes), 4, 508);
         return slot + slot;
       }},
      {"00000000000000000000.log", [](std::string bytes) {
         return OtherVersion(bytes.substr(0, kBlockBytes), 4, kBlockBytes - 4) + bytes.substr(kBlockBytes);
       }}};
  for (const auto& [name, change] : files) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    const std::string path = JoinPath(kPath, name);
    const std::string changed = change(machine.files.Contents(path));
    machine.files.SetContents(path, changed);
    absl::Status status = machine.Start();
    if (status.ok()) status = machine.LoadElection().status();
    INFO(name);
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), path));
    CHECK(absl::StrContains(status.message(), "version"));
    CHECK(absl::StrContains(status.message(), "this build reads version 1"));
    machine.Stop();
    const bool untouched = machine.files.Contents(path) == changed;
    CHECK(untouched);
  }
}

}  // namespace
}  // namespace quorate::storage
