// The lights go out before and after every file-system call of a trim and of a reset, and of the recovery from that
// (F-P01, F-P03, F-P04, F-D14, R-03): the log is the old one or the new one, and there is never a hole in it.

#include <string>
#include <vector>

#include "storage/crash_cases.h"
#include "storage/fixtures.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::CrashMoment;
using testing::SimDisk;
using testing::Survival;

struct LogImage {
  LogPosition start;
  std::vector<Batch> batches;

  [[nodiscard]] LogPosition end() const {
    return batches.empty() ? start : LogPosition{batches.back().epoch(), batches.back().end_offset()};
  }
  // Forgets that many batches.
  [[nodiscard]] LogImage Trimmed(size_t count) const {
    LogImage out{start, {batches.begin() + static_cast<ptrdiff_t>(count), batches.end()}};
    if (count > 0) out.start = LogPosition{batches[count - 1].epoch(), batches[count - 1].end_offset()};
    return out;
  }
  [[nodiscard]] LogImage With(std::vector<Batch> more) const {
    LogImage out = *this;
    out.batches.insert(out.batches.end(), more.begin(), more.end());
    return out;
  }
};

LogImage Found(const Machine& machine) { return LogImage{machine.bounds.start, machine.recovered}; }

bool Same(const LogImage& a, const LogImage& b) { return a.start == b.start && SameBytes(a.batches, b.batches); }

// Makes the changes one after the other until one fails; remembers which images the log may have.
class Changes {
 public:
  explicit Changes(Machine* machine) : machine_(machine) {}

  bool Start() { return machine_->Start().ok(); }
  bool Append(int count, size_t bytes) {
    std::vector<Batch> batches;
    LogPosition end = images_.back().end();
    for (int i = 0; i < count; ++i) {
      batches.push_back(TestBatch(end.end, end.epoch + i % 2, std::string(bytes, static_cast<char>('a' + i)), 2));
      end = LogPosition{batches.back().epoch(), batches.back().end_offset()};
    }
    for (const Batch& batch : batches) images_.push_back(images_.back().With({batch}));
    return Acknowledge(machine_->Append(batches).ok());
  }
  bool Trim(size_t count) {
    images_.push_back(images_.back().Trimmed(count));
    return Acknowledge(machine_->Trim(images_.back().start).ok());
  }
  bool Reset(LogPosition start) {
    images_.push_back(LogImage{start, {}});
    return Acknowledge(machine_->Reset(start).ok());
  }
  bool Truncate(size_t keep) {
    LogImage image = images_.back();
    image.batches.resize(keep);
    images_.push_back(image);
    return Acknowledge(machine_->Truncate(image.end().end).ok());
  }

  // One of the images from the last acknowledged one on.
  [[nodiscard]] bool Allows(const LogImage& found) const {
    for (size_t i = acknowledged_; i < images_.size(); ++i) {
      if (Same(images_[i], found)) return true;
    }
    return false;
  }

 private:
  bool Acknowledge(bool ok) {
    if (ok) acknowledged_ = images_.size() - 1;
    return ok;
  }

  Machine* const machine_;
  std::vector<LogImage> images_{LogImage{}};
  size_t acknowledged_ = 0;
};

// Rolls all the time: the segments are small.
bool Work(Changes& changes) {
  return changes.Start() && changes.Append(6, 2500) && changes.Trim(3) &&      // inside or between segments
         changes.Append(5, 2500) && changes.Trim(6) && changes.Trim(2) &&      // to the last segment, and to nothing
         changes.Append(8, 2500) && changes.Truncate(2) &&                     // a truncation of a trimmed log
         changes.Reset(LogPosition{Epoch(90), Offset(500)}) &&                 // ahead
         changes.Append(7, 2500) && changes.Trim(1) && changes.Truncate(4) &&  // life goes on
         changes.Reset(LogPosition{Epoch(95), Offset(504)}) && changes.Append(2, 100);  // into the middle
}

void CheckRecovers(Machine& machine, const Changes& changes) {
  REQUIRE(machine.Start() == absl::OkStatus());
  const LogImage found = Found(machine);
  REQUIRE(changes.Allows(found));
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  REQUIRE(machine.Start() == absl::OkStatus());
  REQUIRE(Same(Found(machine), found));
  const LogPosition end = machine.bounds.end;
  const Batch more = TestBatch(end.end, end.epoch + 1, "life goes on", 3);
  REQUIRE(machine.Append({more}).ok());
  REQUIRE(machine.Trim(LogPosition{more.epoch(), more.end_offset()}) == absl::OkStatus());
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  REQUIRE(machine.Start() == absl::OkStatus());
  REQUIRE(Same(Found(machine), found.With({more}).Trimmed(found.batches.size() + 1)));
  machine.Stop();
  // What was trimmed is gone, and nothing half-made is left.
  int segments = 0;
  const std::vector<std::string> names = *machine.files.List(kPath);
  for (const std::string& name : names) {
    CHECK_FALSE(absl::EndsWith(name, ".log.tmp"));
    if (ParseSegmentName(name).has_value()) ++segments;
  }
  CHECK(segments == 1);
}

TEST_CASE("a crash at any call of trims and resets leaves the old log or the new one (F-P01, F-P03, F-D14, R-03)") {
  uint64_t crashes = 0;
  for (const CrashCase& crash : CrashCases(/*random_seeds=*/6)) {
    for (uint64_t n = 1;; ++n) {
      Machine machine(crash.seed * 1000 + n);
      REQUIRE(machine.Format().ok());
      Changes changes(&machine);
      machine.files.CrashAtCall(n, crash.moment);
      const bool finished = Work(changes);
      if (!machine.files.crashed()) {
        REQUIRE(finished);
        break;
      }
      ++crashes;
      machine.Stop();
      machine.files.Restart(crash.survival);
      INFO("crash at call " << n << ", survival " << static_cast<int>(crash.survival) << ", seed " << crash.seed);
      CheckRecovers(machine, changes);
    }
  }
  CHECK(crashes > 1000);
}

TEST_CASE("a crash at any call of the recovery from a trim or reset changes nothing (F-P04)") {
  uint64_t crashes = 0;
  for (uint64_t first = 3; first < 2000; first += 4) {
    Machine origin(first);
    REQUIRE(origin.Format().ok());
    Changes changes(&origin);
    origin.files.CrashAtCall(first, CrashMoment::kAfter);
    (void)Work(changes);
    if (!origin.files.crashed()) break;
    origin.Stop();
    origin.files.Restart(Survival::kRandom);
    const SimDisk disk = origin.files.SaveDisk();
    for (uint64_t n = 1;; ++n) {
      Machine machine(first * 1000 + n);
      machine.files.LoadDisk(disk);
      machine.files.CrashAtCall(n, n % 2 == 0 ? CrashMoment::kBefore : CrashMoment::kAfter);
      (void)machine.Start();
      if (!machine.files.crashed()) break;
      ++crashes;
      machine.Stop();
      machine.files.Restart(n % 3 == 0 ? Survival::kAll : Survival::kRandom);
      INFO("crash at call " << first << ", then at call " << n << " of the recovery");
      CheckRecovers(machine, changes);
    }
  }
  CHECK(crashes > 300);
}

TEST_CASE("an error of any call of a trim or reset kills the store and loses nothing (F-D08, F-D09)") {
  uint64_t failures = 0;
  for (uint64_t n = 1;; ++n) {
    Machine machine(n);
    REQUIRE(machine.Format().ok());
    Changes changes(&machine);
    machine.files.FailCall(n);
    (void)Work(changes);
    const bool reached = machine.files.calls() >= n;
    machine.files.Crash();
    machine.Stop();
    machine.files.Restart(Survival::kRandom);
    INFO("call " << n);
    CheckRecovers(machine, changes);
    if (!reached) break;
    ++failures;
  }
  CHECK(failures > 100);
}

}  // namespace
}  // namespace quorate::storage
