// Disks as a killed process leaves them, and what must be said of one that is damaged.
#ifndef QUORATE_TESTS_STORAGE_LOG_RECOVERY_SUPPORT_H_
#define QUORATE_TESTS_STORAGE_LOG_RECOVERY_SUPPORT_H_

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "storage/fixtures.h"
#include "storage/segment_format.h"
#include "support/catch.h"

namespace quorate::storage {

// The sizes of the batches of each group.
using Groups = std::vector<std::vector<size_t>>;

// A disk on which `groups` were appended, one after the other, by a process that was then killed: the checkpoint is
// still that of the start, and all contents are synced.
struct Written {
  explicit Written(const Groups& groups) {
    Machine machine;
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.Start().ok());
    Offset end(0);
    for (const std::vector<size_t>& group : groups) {
      std::vector<Batch> appended;
      for (size_t bytes : group) {
        appended.push_back(
            TestBatch(end, Epoch(1), std::string(bytes, static_cast<char>('a' + batches.size() % 26)), 2));
        batches.push_back(appended.back());
        end = end + 2;
      }
      REQUIRE(machine.Append(appended).ok());
    }
    machine.files.Crash();
    machine.Stop();
    machine.files.Restart(testing::Survival::kAll);
    disk = machine.files.SaveDisk();
  }
  // The first `count` batches.
  [[nodiscard]] std::vector<Batch> First(size_t count) const {
    return std::vector<Batch>(batches.begin(), batches.begin() + static_cast<ptrdiff_t>(count));
  }
  // Where the frame of a batch begins, if all lie in the first segment.
  [[nodiscard]] uint64_t PositionOf(size_t index) const {
    uint64_t position = SegmentHeader::kBytes;
    for (size_t i = 0; i < index; ++i) position += FrameBytes(batches[i].size());
    return position;
  }
  std::vector<Batch> batches;
  testing::SimDisk disk;
};

// A machine with that disk, not started.
struct Revived : Machine {
  explicit Revived(const Written& written) { files.LoadDisk(written.disk); }
};

inline void CheckRefused(Machine& machine, absl::string_view path, absl::string_view place) {
  const testing::SimDisk before = machine.files.SaveDisk();
  const std::string contents = machine.files.Contents(std::string(path));
  const absl::Status status = machine.Start();
  INFO(status.ToString());
  REQUIRE(ReasonOf(status) == Reason::kCorruption);
  CHECK(absl::StrContains(status.message(), path));
  CHECK(absl::StrContains(status.message(), place));
  CHECK(absl::StrContains(status.message(), "Remedy"));
  CHECK(machine.files.Contents(std::string(path)) == contents);  // refused, not "repaired"
}

}  // namespace quorate::storage

#endif  // QUORATE_TESTS_STORAGE_LOG_RECOVERY_SUPPORT_H_
