// What a trim costs, when it is acknowledged, and what is found afterwards (R-03, F-D14, R-08).

#include <algorithm>
#include <string>
#include <vector>

#include "storage/checkpoint.h"
#include "storage/fixtures.h"
#include "storage/slot_file.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;
using testing::FileCallInfo;

const std::string kCheckpoint = JoinPath(kPath, kCheckpointName);

// Three batches to a segment.
std::vector<Batch> Written(Machine& machine, int count) {
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  std::vector<Batch> batches;
  for (int i = 0; i < count; ++i) {
    batches.push_back(
        TestBatch(Offset(2 * i), Epoch(1 + i / 4), std::string(1500, static_cast<char>('a' + i % 26)), 2));
    REQUIRE(machine.Append({batches.back()}).ok());
  }
  return batches;
}

LogPosition EndOf(const Batch& batch) { return LogPosition{batch.epoch(), batch.end_offset()}; }

TEST_CASE("a trim is acknowledged when its start is in both slots, and before the first segment goes (R-03)") {
  Machine machine;
  const std::vector<Batch> batches = Written(machine, 20);
  machine.executor.RunFor(absl::Seconds(2));
  std::vector<std::string> order;
  machine.files.SetHook([&](const FileCallInfo& info) {
    order.push_back(info.path == kCheckpoint ? absl::StrCat("checkpoint ", ToString(info.call))
                                             : std::string(ToString(info.call)));
    if (info.call == FileCall::kRemove) order.back() += " " + info.path;
    return absl::OkStatus();
  });
  machine.log->TrimPrefix(EndOf(batches[12]), [&](const absl::Status& status) {
    CHECK(status.ok());
    order.emplace_back("done");
  });
  machine.executor.RunUntilIdle();
  machine.files.SetHook(nullptr);
  // Which may be behind a read that looks for the boundary.
  while (!order.empty() && order.front() == "read") order.erase(order.begin());
  REQUIRE(order.size() >= 7);
  CHECK(std::vector<std::string>(order.begin(), order.begin() + 5) ==
        std::vector<std::string>{"checkpoint write", "checkpoint sync", "checkpoint write", "checkpoint sync", "done"});
  std::vector<std::string> removed(order.begin() + 5, order.end());
  CHECK(std::is_sorted(removed.begin(), removed.end()));  // the oldest first
  for (const std::string& call : removed) CHECK(absl::StartsWith(call, "remove /data/node-1/000"));
}

TEST_CASE("a segment that can't be removed is left to the next start, and the log goes on") {
  Machine machine;
  const std::vector<Batch> batches = Written(machine, 20);
  machine.files.SetHook([](const FileCallInfo& info) {
    return info.call == FileCall::kRemove ? MakeError(Reason::kStorage, Outcome::kUnknown, "no") : absl::OkStatus();
  });
  CHECK(machine.Trim(EndOf(batches[12])) == absl::OkStatus());
  CHECK(absl::StrContains(machine.sink->text(), "event=segment_removal_failed"));
  CHECK(machine.Append({TestBatch(Offset(40), Epoch(9), "more")}).ok());
  machine.files.SetHook(nullptr);
  CHECK(*machine.files.Exists(SegmentPath(0)));
  machine.Stop();
  REQUIRE(machine.Start() == absl::OkStatus());
  CHECK_FALSE(*machine.files.Exists(SegmentPath(0)));
  CHECK(machine.bounds.start == EndOf(batches[12]));
  CHECK(machine.recovered.size() == 8);
}

TEST_CASE("after a trim or a reset, the loss of either checkpoint slot doesn't bring the old start back (F-D14)") {
  for (const bool reset : {false, true}) {
    for (size_t slot = 0; slot < SlotFile::kSlots; ++slot) {
      Machine machine;
      const std::vector<Batch> batches = Written(machine, 20);
      const LogPosition start = reset ? LogPosition{Epoch(30), Offset(17)} : EndOf(batches[12]);
      REQUIRE((reset ? machine.Reset(start) : machine.Trim(start)) == absl::OkStatus());
      machine.files.Crash();  // no orderly end, which would write the file again
      machine.Stop();
      machine.files.Restart(testing::Survival::kNone);
      machine.files.FlipBit(kCheckpoint, slot * kBlockBytes * 8 + 300);
      INFO("reset " << reset << ", slot " << slot);
      REQUIRE(machine.Start() == absl::OkStatus());
      CHECK(machine.bounds.start == start);
      CHECK(machine.recovered.size() == (reset ? 0u : 7u));
    }
  }
}

TEST_CASE("a log start that doesn't fit the log is refused (R-08)") {
  for (LogPosition wrong : {LogPosition{Epoch(3), Offset(21)},       // inside a batch
                            LogPosition{Epoch(2), Offset(20)},       // of another epoch
                            LogPosition{Epoch(0), Offset(0)},        // below the first segment
                            LogPosition{Epoch(9), Offset(1000)}}) {  // behind the end
    Machine machine;
    const std::vector<Batch> batches = Written(machine, 20);
    REQUIRE(machine.Trim(EndOf(batches[9])) == absl::OkStatus());
    machine.Stop();
    const LogCheckpoint checkpoint{wrong, std::max(wrong.end, Offset(40)), std::nullopt, std::nullopt};
    REQUIRE(
        SlotFile::Create(&machine.files, kCheckpoint, kCheckpointMagic, kDirectory, EncodeCheckpoint(checkpoint)).ok());
    const absl::Status status = machine.Start();
    INFO("start " << wrong.end.value());
    CHECK(ReasonOf(status) == Reason::kCorruption);
    machine.Stop();
  }
}

}  // namespace
}  // namespace quorate::storage
