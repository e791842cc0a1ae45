// The lights go out before and after every single file-system call (faults F-P01 to F-P04, F-D14): of format, of
// a workload with rolls and truncations, of the recovery from that, and of the election state. Whatever
// the disk kept of what was not synced, everything that was acknowledged is there and nothing else is made up.

#include <algorithm>
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

// What the log may hold. Each append of one batch and each truncation makes a new version; after a crash the log
// must be some version from the last acknowledged one on.
class LogHistory {
 public:
  void Submit(std::vector<Batch> batches) {
    for (Batch& batch : batches) {
      versions_.push_back(versions_.back());
      versions_.back().push_back(std::move(batch));
    }
  }
  void SubmitTruncation(Offset end) {
    versions_.push_back(versions_.back());
    while (!latest().empty() && versions_.back().back().end_offset() > end) versions_.back().pop_back();
  }
  void AcknowledgeAll() { acknowledged_ = versions_.size() - 1; }
  [[nodiscard]] const std::vector<Batch>& latest() const { return versions_.back(); }
  [[nodiscard]] LogPosition end() const {
    if (latest().empty()) return LogPosition{};
    return LogPosition{latest().back().epoch(), latest().back().end_offset()};
  }
  [[nodiscard]] bool Allows(const std::vector<Batch>& found) const {
    for (size_t i = acknowledged_; i < versions_.size(); ++i) {
      if (SameBytes(versions_[i], found)) return true;
    }
    return false;
  }

 private:
  std::vector<std::vector<Batch>> versions_{{}};
  size_t acknowledged_ = 0;
};

// Runs until something fails. Batches are large against the segments: rolls happen all the time.
class Workload {
 public:
  Workload(Machine* machine, LogHistory* history) : machine_(machine), history_(history) {}

  void Run() {
    if (!machine_->Start().ok()) return;
    const bool survived = AppendGroup(3, 900) && AppendGroup(4, 4000) && AppendGroup(1, 50) && TruncateTo(-1) &&
                          AppendGroup(2, 700) && AppendGroup(6, 5000) && TruncateTo(-5) && AppendGroup(3, 300);
    if (!survived) return;
    machine_->executor.RunFor(absl::Seconds(2));  // the checkpoint timer
    if (!AppendGroup(2, 100)) return;
    machine_->Stop();
    if (!machine_->Start().ok()) return;
    (void)(TruncateTo(2) && AppendGroup(2, 200));
  }

 private:
  bool AppendGroup(int count, size_t bytes) {
    std::vector<Batch> batches;
    LogPosition end = history_->end();
    ++epoch_;
    for (int i = 0; i < count; ++i) {
      std::string text(bytes + static_cast<size_t>(i) * 7, static_cast<char>('a' + epoch_ % 26));
      batches.push_back(TestBatch(end.end, Epoch(epoch_), text, 2));
      end.end = batches.back().end_offset();
    }
    history_->Submit(batches);
    if (!machine_->Append(std::move(batches)).ok()) return false;
    history_->AcknowledgeAll();
    return true;
  }
  // To the end of the batch with this index, or that many batches off the end.
  bool TruncateTo(int index) {
    const auto& batches = history_->latest();
    const size_t keep = index < 0 ? batches.size() - static_cast<size_t>(-index) : static_cast<size_t>(index);
    const Offset end = keep == 0 ? Offset(0) : batches[keep - 1].end_offset();
    history_->SubmitTruncation(end);
    if (!machine_->Truncate(end).ok()) return false;
    history_->AcknowledgeAll();
    return true;
  }

  Machine* const machine_;
  LogHistory* const history_;
  int epoch_ = 0;
};

// The machine is up again: is the log one that the history allows, does it stay so, and is it usable?
void CheckRecovers(Machine& machine, const LogHistory& history) {
  REQUIRE(machine.Start() == absl::OkStatus());
  const std::vector<Batch> found = machine.recovered;
  REQUIRE(history.Allows(found));
  // What Open reports is durable: a power failure right afterwards takes nothing of it.
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  REQUIRE(machine.Start() == absl::OkStatus());
  REQUIRE(SameBytes(machine.recovered, found));
  const LogPosition end = machine.bounds.end;
  const Batch more = TestBatch(end.end, end.epoch + 1, "life goes on", 3);
  REQUIRE(machine.Append({more}).ok());
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  REQUIRE(machine.Start() == absl::OkStatus());
  std::vector<Batch> expected = found;
  expected.push_back(more);
  REQUIRE(SameBytes(machine.recovered, expected));
  // Nothing half-made is left lying about, but for the segment that is always being prepared.
  machine.Stop();
  const std::vector<std::string> names = *machine.files.List(kPath);
  for (const std::string& name : names) CHECK_FALSE(absl::EndsWith(name, ".log.tmp"));
}

TEST_CASE("a crash at any call of a workload loses nothing that was acknowledged (F-P01, F-P02, F-P03)") {
  uint64_t crashes = 0;
  for (const CrashCase& crash : CrashCases(/*random_seeds=*/6)) {
    for (uint64_t n = 1;; ++n) {
      Machine machine(crash.seed * 1000 + n);
      REQUIRE(machine.Format().ok());
      LogHistory history;
      machine.files.CrashAtCall(n, crash.moment);
      Workload(&machine, &history).Run();
      if (!machine.files.crashed()) break;
      ++crashes;
      machine.Stop();
      machine.files.Restart(crash.survival);
      INFO("crash at call " << n << ", survival " << static_cast<int>(crash.survival) << ", seed " << crash.seed);
      CheckRecovers(machine, history);
    }
  }
  CHECK(crashes > 1000);
}

TEST_CASE("a crash at any call of a recovery, and of the next, changes nothing (F-P04)") {
  uint64_t crashes = 0;
  // The first crash at every fifth call or so; the second and third at every call of the recoveries.
  for (uint64_t first = 3; first < 1000; first += 5) {
    Machine origin(first);
    REQUIRE(origin.Format().ok());
    LogHistory history;
    origin.files.CrashAtCall(first, CrashMoment::kAfter);
    Workload(&origin, &history).Run();
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
      machine.files.CrashAtCall(1 + n / 2, CrashMoment::kAfter);
      (void)machine.Start();
      machine.files.Crash();
      machine.Stop();
      machine.files.Restart(Survival::kRandom);
      INFO("crash at call " << first << ", then at call " << n << " of the recovery");
      CheckRecovers(machine, history);
    }
  }
  CHECK(crashes > 300);
}

TEST_CASE("a crash at any call of format leaves a directory that is formatted or can be (F-D15, M-39)") {
  uint64_t crashes = 0;
  DirectoryIdentity identity = TestIdentity();
  identity.initial_voters = {Voter{ReplicaKey{NodeId(1), kDirectory}, {Endpoint{"CONTROLLER", "host", 9093}}, 0, 1}};
  for (const CrashCase& crash : CrashCases(/*random_seeds=*/20)) {
    for (uint64_t n = 1;; ++n) {
      Machine machine(crash.seed * 1000 + n);
      machine.files.CrashAtCall(n, crash.moment);
      const absl::Status formatted = FormatDirectory(&machine.files, kPath, identity);
      if (!machine.files.crashed()) {
        REQUIRE(formatted.ok());
        break;
      }
      ++crashes;
      REQUIRE_FALSE(formatted.ok());
      machine.files.Restart(crash.survival);
      INFO("crash at call " << n << ", survival " << static_cast<int>(crash.survival) << ", seed " << crash.seed);
      absl::StatusOr<std::optional<DirectoryIdentity>> found = ReadDirectoryIdentity(&machine.files, kPath);
      REQUIRE(found.status() == absl::OkStatus());
      if (!found->has_value()) {
        CHECK(ReasonOf(machine.Start()) == Reason::kNotFormatted);
        REQUIRE(FormatDirectory(&machine.files, kPath, identity) == absl::OkStatus());
        machine.files.Crash();
        machine.files.Restart(Survival::kNone);
      }
      found = ReadDirectoryIdentity(&machine.files, kPath);
      REQUIRE(found.ok());
      REQUIRE(*found == identity);
      CheckRecovers(machine, LogHistory());
    }
  }
  CHECK(crashes > 100);
}

ElectionState Vote(int epoch) {
  return ElectionState{Epoch(epoch), ReplicaKey{NodeId(epoch % 3), kDirectory}, NodeId(epoch % 2)};
}

TEST_CASE("a crash at any call of the election state store forgets no vote (M-01, F-D04)") {
  uint64_t crashes = 0;
  for (const CrashCase& crash : CrashCases(/*random_seeds=*/30)) {
    for (uint64_t n = 1;; ++n) {
      Machine machine(crash.seed * 1000 + n);
      REQUIRE(machine.Format().ok());
      int submitted = 0;
      int acknowledged = 0;
      machine.files.CrashAtCall(n, crash.moment);
      for (int life = 0; life < 2; ++life) {
        if (!machine.OpenDirectory().ok() || !machine.LoadElection().ok()) break;
        for (int i = 0; i < 4; ++i) {
          ++submitted;
          if (!machine.StoreElection(Vote(submitted)).ok()) break;
          acknowledged = submitted;
          if (i % 2 == 0) machine.executor.RunFor(absl::Seconds(1));  // the mirror timer
        }
        machine.Stop();
      }
      if (!machine.files.crashed()) break;
      ++crashes;
      machine.Stop();
      machine.files.Restart(crash.survival);
      INFO("crash at call " << n << ", survival " << static_cast<int>(crash.survival) << ", seed " << crash.seed);
      REQUIRE(machine.OpenDirectory() == absl::OkStatus());
      absl::StatusOr<std::optional<ElectionState>> state = machine.LoadElection();
      REQUIRE(state.status() == absl::OkStatus());
      const int found = state->has_value() ? (*state)->epoch.value() : 0;
      REQUIRE(found >= acknowledged);
      REQUIRE(found <= submitted);
      if (found > 0) CHECK(**state == Vote(found));
      // And what was loaded stays.
      machine.files.Crash();
      machine.Stop();
      machine.files.Restart(Survival::kNone);
      REQUIRE(machine.OpenDirectory() == absl::OkStatus());
      CHECK(*machine.LoadElection() == *state);
    }
  }
  CHECK(crashes > 500);
}

}  // namespace
}  // namespace quorate::storage
