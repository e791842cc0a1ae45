// What the checkpoint says of a log that is recovered, and what follows when it is lost (rule R-04; fault F-D14).
#include <string>

#include "absl/strings/match.h"
#include "storage/log_recovery.h"
#include "storage/log_recovery_support.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;
using testing::FileCallInfo;
using testing::Survival;

// A record takes the place of one that was cut off, the power goes, and one slot of the checkpoint with it.
void CheckNewRecordStays(Machine* machine, uint64_t slot) {
  const Batch kept = TestBatch(Offset(1), Epoch(2), "must stay");
  REQUIRE(machine->Append({kept}).ok());
  machine->files.Crash();
  machine->Stop();
  machine->files.Restart(Survival::kNone);
  machine->files.FlipBit(JoinPath(kPath, kCheckpointName), (slot * kBlockBytes + 20) * 8);
  REQUIRE(machine->Start() == absl::OkStatus());
  REQUIRE(machine->recovered.size() == 2);
  CHECK(machine->recovered[1].bytes().view() == kept.bytes().view());
}

TEST_CASE("a bad last batch below the checkpoint is damage (R-04)") {
  const Written written(Groups{{100}, {300}});
  for (bool clean_stop : {true, false}) {
    Revived machine(written);
    REQUIRE(machine.Start().ok());  // moves the checkpoint to the end
    if (!clean_stop) machine.files.Crash();
    machine.Stop();
    if (!clean_stop) machine.files.Restart(Survival::kNone);
    machine.files.FlipBit(SegmentPath(0), (written.PositionOf(1) + 100) * 8);
    CheckRefused(machine, SegmentPath(0), absl::StrCat("at byte ", written.PositionOf(1), " (offset 2)"));
  }
}

TEST_CASE("the checkpoint is written within a second of appending (R-04)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "a"), TestBatch(Offset(1), Epoch(1), "b")}).ok());
  machine.executor.RunFor(absl::Seconds(1));
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  const uint64_t second = SegmentHeader::kBytes + FrameBytes(Batch::kHeaderBytes + 5);
  machine.files.FlipBit(SegmentPath(0), (second + 60) * 8);
  CheckRefused(machine, SegmentPath(0), "(offset 1)");
}

TEST_CASE("one bad checkpoint slot is repaired from the other, two are refused") {
  const Written written(Groups{{100}, {200}});
  const std::string path = JoinPath(kPath, kCheckpointName);
  for (uint64_t slot : {0u, 1u}) {
    Revived machine(written);
    machine.files.FlipBit(path, (slot * kBlockBytes + 20) * 8);
    REQUIRE(machine.Start() == absl::OkStatus());
    CHECK(SameBytes(machine.recovered, written.batches));
    CHECK(absl::StrContains(machine.sink->text(), "event=slot_repaired"));
  }
  Revived machine(written);
  machine.files.FlipBit(path, 20 * 8);
  machine.files.FlipBit(path, (kBlockBytes + 20) * 8);
  CheckRefused(machine, path, "both slots are bad");
}

TEST_CASE("after a truncation that recovery finished, the loss of either slot doesn't bring it back (F-D14)") {
  for (uint64_t slot : {0u, 1u}) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.Start().ok());
    REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "a"), TestBatch(Offset(1), Epoch(1), "b")}).ok());
    // Promised and not begun.
    machine.files.SetHook([](const FileCallInfo& info) {
      return info.call == FileCall::kZeroFill ? MakeError(Reason::kStorage, Outcome::kUnknown, "no") : absl::OkStatus();
    });
    REQUIRE_FALSE(machine.Truncate(Offset(1)).ok());
    machine.files.SetHook(nullptr);
    machine.Stop();
    REQUIRE(machine.Start() == absl::OkStatus());
    REQUIRE(machine.recovered.size() == 1);
    CheckNewRecordStays(&machine, slot);
  }
}

TEST_CASE("after a truncation, the loss of either checkpoint slot doesn't bring it back (F-D14)") {
  for (uint64_t slot : {0u, 1u}) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.Start().ok());
    REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "a"), TestBatch(Offset(1), Epoch(1), "b")}).ok());
    REQUIRE(machine.Truncate(Offset(1)).ok());
    CheckNewRecordStays(&machine, slot);
  }
}

}  // namespace
}  // namespace quorate::storage
