// Torn or damaged? (rules; faults F-D01, F-D02, F-D06, F-D07, F-D09, F-D17)
#include "storage/log_recovery.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/xoshiro.h"
#include "storage/log_recovery_support.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;
using testing::FileCallInfo;
using testing::SimDisk;
using testing::Survival;

TEST_CASE("every prefix of the last batch is a torn tail (F-D01, R-04)") {
  const Written written(Groups{{100}, {300}, {500}});
  const uint64_t begin = written.PositionOf(2);
  const uint64_t end = begin + FrameHeader::kBytes + written.batches[2].size();
  for (uint64_t cut = begin; cut <= end; ++cut) {
    for (bool zeros : {true, false}) {
      Revived machine(written);
      std::string bytes = machine.files.Contents(SegmentPath(0));
      if (zeros) {
        std::fill(bytes.begin() + static_cast<ptrdiff_t>(cut), bytes.end(), '\0');
      } else {
        bytes.resize(cut);
      }
      machine.files.SetContents(SegmentPath(0), bytes);
      INFO("cut at " << cut << (zeros ? ", zeros behind" : ", file ends"));
      REQUIRE(machine.Start() == absl::OkStatus());
      REQUIRE(SameBytes(machine.recovered, written.First(cut == end ? 3 : 2)));
    }
  }
}

TEST_CASE("every subset of the sectors of a last group is a torn tail (F-P02, R-04)") {
  const Written written(Groups{{100}, {300, 600, 80, 700}});
  const uint64_t begin = written.PositionOf(1);
  const uint64_t first_sector = begin / SimDisk::kSectorBytes;
  const uint64_t end = written.PositionOf(4) + FrameBytes(written.batches[4].size());
  const uint64_t sectors = (end - 1) / SimDisk::kSectorBytes - first_sector + 1;
  REQUIRE(sectors < 12);
  Revived whole(written);
  const std::string contents = whole.files.Contents(SegmentPath(0));
  size_t longest = 0;
  for (uint64_t kept = 0; kept < (1u << sectors); ++kept) {
    std::string bytes = contents;
    for (uint64_t position = begin; position < end; ++position) {
      const uint64_t sector = position / SimDisk::kSectorBytes - first_sector;
      if ((kept >> sector & 1) == 0) bytes[position] = '\0';
    }
    Revived machine(written);
    machine.files.SetContents(SegmentPath(0), bytes);
    INFO("kept sectors " << kept);
    REQUIRE(machine.Start() == absl::OkStatus());
    const size_t count = machine.recovered.size();
    REQUIRE(count >= 1);
    REQUIRE(SameBytes(machine.recovered, written.First(count)));
    longest = std::max(longest, count);
  }
  CHECK(longest == 5);  // all kept: all there
}

TEST_CASE("a bad batch with a later group behind it is damage, not a torn write (F-D02, R-04)") {
  const Written written(Groups{{100}, {300}, {500}});
  Xoshiro random(7);
  for (uint64_t position = written.PositionOf(1); position < written.PositionOf(2); ++position) {
    Revived machine(written);
    // Padding isn't covered by a sum; everything else is.
    if (position >= written.PositionOf(1) + FrameHeader::kBytes + written.batches[1].size()) break;
    machine.files.FlipBit(SegmentPath(0), position * 8 + random.Below(8));
    CheckRefused(machine, SegmentPath(0), absl::StrCat("at byte ", written.PositionOf(1), " (offset 2)"));
  }
}

TEST_CASE("a tail that is lost below the durable mark is damage, also when it is zeros (F-D17, M-26)") {
  const Written written(Groups{{100}, {300}});
  Revived machine(written);
  REQUIRE(machine.Start().ok());
  machine.Stop();
  std::string bytes = machine.files.Contents(SegmentPath(0));
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(written.PositionOf(1)), bytes.end(), '\0');
  SECTION("zeros") {}
  SECTION("the file ends") { bytes.resize(written.PositionOf(1)); }
  machine.files.SetContents(SegmentPath(0), bytes);
  CheckRefused(machine, SegmentPath(0), "up to offset 4");
}

TEST_CASE("garbage behind the end is cut if nothing there was durable (F-D17)") {
  const Written written(Groups{{100}});
  Revived machine(written);
  std::string bytes = machine.files.Contents(SegmentPath(0));
  bytes[written.PositionOf(1) + 2000] = 'x';
  machine.files.SetContents(SegmentPath(0), bytes);
  REQUIRE(machine.Start() == absl::OkStatus());
  CHECK(SameBytes(machine.recovered, written.batches));
  CHECK(absl::StrContains(machine.sink->text(), "event=torn_tail_cut"));
  machine.Stop();
  bytes = machine.files.Contents(SegmentPath(0));
  CHECK(bytes[written.PositionOf(1) + 2000] == '\0');
}

TEST_CASE("a frame inside a record isn't mistaken for a frame of the log") {
  // The record of the last batch is a copy of this very log with later marks in it; the batch is torn.
  const Written inner(Groups{{100}, {100}, {100}, {100}});
  Revived source(inner);
  const std::string copy = source.files.Contents(SegmentPath(0)).substr(SegmentHeader::kBytes, 2000);
  for (size_t shift = 0; shift < kFrameAlignment; ++shift) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.Start().ok());
    REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), std::string(shift, '.') + copy)}).ok());
    machine.files.Crash();
    machine.Stop();
    machine.files.Restart(Survival::kAll);
    std::string bytes = machine.files.Contents(SegmentPath(0));
    std::fill_n(bytes.begin() + SegmentHeader::kBytes, 80, '\0');
    machine.files.SetContents(SegmentPath(0), bytes);
    CHECK(machine.Start() == absl::OkStatus());
    CHECK(machine.recovered.empty());
  }
}

// Several segments, all but the last closed.
Written ManySegments() { return Written(Groups{{5000}, {5000}, {5000}, {5000}, {5000}, {100}}); }

TEST_CASE("any bit flip in a closed segment is refused (F-D02, F-D06)") {
  const Written written = ManySegments();
  Revived probe(written);
  REQUIRE(*probe.files.Exists(SegmentPath(2)));
  const uint64_t size = probe.files.Contents(SegmentPath(0)).size();
  Xoshiro random(3);
  const std::string intact = probe.files.Contents(SegmentPath(0));
  const uint64_t frame_end = SegmentHeader::kBytes + FrameHeader::kBytes + written.batches[0].size();
  for (uint64_t position = 0; position < size; position += position < 5000 ? 1 + random.Below(8) : random.Below(100)) {
    if (position >= frame_end && position < frame_end + kFrameAlignment) continue;  // padding
    Machine machine;
    machine.files.LoadDisk(written.disk);
    machine.files.FlipBit(SegmentPath(0), position * 8 + random.Below(8));
    INFO("byte " << position);
    const absl::Status status = machine.Start();
    REQUIRE(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), SegmentPath(0)));
    CHECK(absl::StrContains(status.message(), "at byte "));
  }
}

TEST_CASE("segments that don't chain are refused (F-D14, F-D15, F-D06)") {
  const Written written = ManySegments();
  Revived machine(written);
  SECTION("the first is missing") {
    REQUIRE(machine.files.Remove(SegmentPath(0)).ok());
    const absl::Status status = machine.Start();
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), "is missing"));
  }
  SECTION("one in the middle is missing") {
    REQUIRE(machine.files.Remove(SegmentPath(2)).ok());
    CheckRefused(machine, SegmentPath(4), "the segment before it ends at offset 2");
  }
  SECTION("the last is missing, with what was durable in it") {
    REQUIRE(machine.Start().ok());
    machine.Stop();
    const std::vector<std::string> names = *machine.files.List(kPath);
    std::string last;
    for (const std::string& name : names) {
      if (ParseSegmentName(name).has_value()) last = name;
    }
    REQUIRE(machine.files.Remove(JoinPath(kPath, last)).ok());
    const absl::Status status = machine.Start();
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), "up to offset 12"));
  }
  SECTION("all are missing") {
    const std::vector<std::string> names = *machine.files.List(kPath);
    for (const std::string& name : names) {
      if (ParseSegmentName(name).has_value()) REQUIRE(machine.files.Remove(JoinPath(kPath, name)).ok());
    }
    CHECK(ReasonOf(machine.Start()) == Reason::kCorruption);
  }
  SECTION("one is another's contents under this name") {
    machine.files.SetContents(SegmentPath(2), machine.files.Contents(SegmentPath(4)));
    CheckRefused(machine, SegmentPath(2), "begins at offset 4");
  }
  SECTION("one has an empty file") {
    machine.files.SetContents(SegmentPath(2), "");
    CheckRefused(machine, SegmentPath(2), "at byte 0");
  }
}

TEST_CASE("a segment of another directory is refused (F-D05)") {
  Machine other;
  DirectoryIdentity identity = TestIdentity();
  identity.directory_id = DirectoryId(Uuid(7, 1234));
  REQUIRE(FormatDirectory(&other.files, kPath, identity).ok());
  REQUIRE(other.Start().ok());
  REQUIRE(other.Append({TestBatch(Offset(0), Epoch(1), "theirs")}).ok());
  const Written written(Groups{{100}});
  Revived machine(written);
  machine.files.SetContents(SegmentPath(0), other.files.Contents(SegmentPath(0)));
  CheckRefused(machine, SegmentPath(0), identity.directory_id.ToString());
}

TEST_CASE("a read error is an error, never the end of the log (F-D07)") {
  const Written written = ManySegments();
  for (uint64_t n = 1;; ++n) {
    Revived machine(written);
    uint64_t reads = 0;
    machine.files.SetHook([&](const FileCallInfo& info) {
      const bool of_ledger = absl::EndsWith(info.path, kStartsName);  // whose errors don't matter
      if (info.call != FileCall::kRead || of_ledger || ++reads != n) return absl::OkStatus();
      return MakeError(Reason::kStorage, Outcome::kUnknown, "Input/output error");
    });
    const absl::Status status = machine.Start();
    if (reads < n) {
      CHECK(status.ok());
      CHECK(n > 6);
      break;
    }
    CHECK(ReasonOf(status) == Reason::kStorage);
  }
}

TEST_CASE("what only the page cache holds after a failed sync is made durable before it counts (F-D09, R-06)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  const Batch first = TestBatch(Offset(0), Epoch(1), "durable");
  const Batch second = TestBatch(Offset(1), Epoch(1), "in the page cache only");
  REQUIRE(machine.Append({first}).ok());
  machine.files.SetHook([](const FileCallInfo& info) {
    return info.call == FileCall::kSync ? MakeError(Reason::kStorage, Outcome::kUnknown, "EIO") : absl::OkStatus();
  });
  CHECK_FALSE(machine.Append({second}).ok());
  machine.files.SetHook(nullptr);
  machine.Stop();
  // The process comes back; the machine never went away, so the bytes can be read.
  REQUIRE(machine.Start() == absl::OkStatus());
  REQUIRE(SameBytes(machine.recovered, {first, second}));
  CHECK(absl::StrContains(machine.sink->text(), "event=tail_made_durable"));
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  REQUIRE(machine.Start() == absl::OkStatus());
  CHECK(SameBytes(machine.recovered, {first, second}));
}

TEST_CASE("a log that was closed cleanly is not copied") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "a")}).ok());
  machine.Stop();
  const uint64_t renames = machine.files.CountOf(FileCall::kRename);
  REQUIRE(machine.Start().ok());
  CHECK(machine.recovered.size() == 1);
  CHECK(machine.files.CountOf(FileCall::kRename) == renames);
}

}  // namespace
}  // namespace quorate::storage
