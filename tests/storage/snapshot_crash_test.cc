// The lights go out before and after every call of the snapshot path: create, receive, finish, remove, and the start
// that finds what is left (F-P01, F-P02, F-P03, F-P04, F-N16, M-23).

#include <algorithm>
#include <string>
#include <vector>

#include "storage/crash_cases.h"
#include "storage/fixtures.h"
#include "storage/snapshot_names.h"
#include "storage/snapshot_support.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::CrashMoment;
using testing::SimDisk;
using testing::Survival;

// What a node does with its snapshots over a while; stops at the first error. Says what must be there.
class Work {
 public:
  explicit Work(Machine* machine) : machine_(machine) {}

  bool Run() {
    return Start() && Create(kFirst) && Create(kSecond) && Remove(kFirst) && Receive(kThird, 10'000) &&
           Receive(kThird, 30'000) && Create(kFourth) && Restart() && Receive(kThird, 50'000) && Remove(kSecond) &&
           Receive(kFirst, 20'000) && Receive(kSecond, 9000) && RemovePartial() && Create(kFourth);
  }

  // Of what kind each snapshot is: certainly there, certainly not, or either.
  [[nodiscard]] bool Allows(const std::vector<LogPosition>& found) const {
    for (LogPosition id : {kFirst, kSecond, kThird, kFourth}) {
      const bool is_there = std::count(found.begin(), found.end(), id) > 0;
      const bool in_doubt = doubtful_ == id;
      if (!in_doubt && is_there != (std::count(there_.begin(), there_.end(), id) > 0)) return false;
    }
    return true;
  }
  static std::string BytesOf(LogPosition id) {
    return Text(static_cast<uint64_t>(id.end.value()), id == kThird ? 50'000 : 20'000);
  }
  [[nodiscard]] const std::vector<LogPosition>& there() const { return there_; }

 private:
  bool Start() {
    if (!machine_->OpenDirectory().ok()) return false;
    store_ = machine_->directory->MakeSnapshotStore();
    return store_->Open().ok();
  }
  bool Restart() {
    store_.reset();
    machine_->Stop();
    return Start();
  }
  bool Create(LogPosition id) {
    const bool was_there = std::count(there_.begin(), there_.end(), id) > 0;
    if (!was_there) doubtful_ = id;
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store_->Create(id);
    const std::string bytes = BytesOf(id);
    for (size_t at = 0; at < bytes.size() && writer.ok(); at += 3000) {
      if (!(*writer)->Append(absl::string_view(bytes).substr(at, 3000)).ok()) return false;
    }
    if (!writer.ok() || !(*writer)->Finish().ok()) return false;
    return Settle(id, true);
  }
  // Until `end` bytes are there, in small pieces; with all of them, to the finish.
  bool Receive(LogPosition id, size_t end) {
    const std::string bytes = BytesOf(id);
    if (end == bytes.size()) doubtful_ = id;
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store_->Receive(InfoOf(id, bytes));
    if (!writer.ok()) return false;
    while ((*writer)->size() < end) {
      const size_t at = (*writer)->size();
      if (!(*writer)->Append(absl::string_view(bytes).substr(at, std::min<size_t>(1500, end - at))).ok()) return false;
    }
    if (end < bytes.size()) return true;
    return (*writer)->Finish().ok() && Settle(id, true);
  }
  bool Remove(LogPosition id) {
    doubtful_ = id;
    return store_->Remove(id).ok() && Settle(id, false);
  }
  bool RemovePartial() { return store_->RemovePartial().ok(); }
  bool Settle(LogPosition id, bool is_there) {
    doubtful_.reset();
    there_.erase(std::remove(there_.begin(), there_.end(), id), there_.end());
    if (is_there) there_.push_back(id);
    return true;
  }

  Machine* const machine_;
  std::unique_ptr<SnapshotStore> store_;
  std::vector<LogPosition> there_;
  std::optional<LogPosition> doubtful_;
};

// After a crash: what was finished is whole, what is partial can be completed, nothing else is left.
void CheckRecovers(Machine& machine, const Work& work) {
  REQUIRE(machine.OpenDirectory() == absl::OkStatus());
  std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
  absl::StatusOr<SnapshotStore::Contents> contents = store->Open();
  REQUIRE(contents.status() == absl::OkStatus());
  REQUIRE(work.Allows(contents->snapshots));
  for (LogPosition id : contents->snapshots) {
    const bool whole = Contents(*store, id) == Work::BytesOf(id);
    REQUIRE(whole);
  }
  int partials = 0;
  const std::vector<std::string> names = *machine.files.List(kPath);
  for (const std::string& name : names) {
    CHECK_FALSE(absl::EndsWith(name, ".tmp"));
    if (absl::EndsWith(name, kPartialSuffix)) ++partials;
  }
  REQUIRE(partials == static_cast<int>(contents->partial.has_value()));
  if (contents->partial.has_value()) {
    // What is said to be here is right, to the last byte: the digest never has to catch it.
    const std::string bytes = Work::BytesOf(contents->partial->id);
    std::unique_ptr<SnapshotWriter> writer = store->Receive(*contents->partial).value();
    REQUIRE(writer->size() == contents->partial_bytes);
    REQUIRE(writer->Append(absl::string_view(bytes).substr(writer->size())) == absl::OkStatus());
    REQUIRE(writer->Finish() == absl::OkStatus());
  }
  // And it lasts.
  std::vector<LogPosition> expected = contents->snapshots;
  if (contents->partial.has_value()) expected.push_back(contents->partial->id);
  std::sort(expected.begin(), expected.end(), [](auto a, auto b) { return a.end < b.end; });
  store.reset();
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  REQUIRE(machine.OpenDirectory() == absl::OkStatus());
  store = machine.directory->MakeSnapshotStore();
  contents = store->Open();
  REQUIRE(contents.status() == absl::OkStatus());
  CHECK(contents->snapshots == expected);
  for (LogPosition id : contents->snapshots) {
    const bool whole = Contents(*store, id) == Work::BytesOf(id);
    REQUIRE(whole);
  }
}

TEST_CASE("a crash at any call of the snapshot path leaves whole snapshots only (F-P01, F-P02, F-P03, F-N16, M-23)") {
  uint64_t crashes = 0;
  for (const CrashCase& crash : CrashCases(/*random_seeds=*/8)) {
    for (uint64_t n = 1;; ++n) {
      Machine machine(crash.seed * 1000 + n);
      REQUIRE(machine.Format().ok());
      machine.files.CrashAtCall(n, crash.moment);
      auto work = std::make_unique<Work>(&machine);
      const bool finished = work->Run();
      if (!machine.files.crashed()) {
        REQUIRE(finished);
        break;
      }
      ++crashes;
      machine.Stop();
      machine.files.Restart(crash.survival);
      INFO("crash at call " << n << ", survival " << static_cast<int>(crash.survival) << ", seed " << crash.seed);
      CheckRecovers(machine, *work);
    }
  }
  CHECK(crashes > 1000);
}

TEST_CASE("a crash at any call of the start that finds a half-made snapshot changes nothing (F-P04)") {
  uint64_t crashes = 0;
  for (uint64_t first = 5; first < 2000; first += 7) {
    Machine origin(first);
    REQUIRE(origin.Format().ok());
    origin.files.CrashAtCall(first, CrashMoment::kAfter);
    Work work(&origin);
    (void)work.Run();
    if (!origin.files.crashed()) break;
    origin.Stop();
    origin.files.Restart(Survival::kRandom);
    const SimDisk disk = origin.files.SaveDisk();
    for (uint64_t n = 1;; ++n) {
      Machine machine(first * 1000 + n);
      machine.files.LoadDisk(disk);
      machine.files.CrashAtCall(n, n % 2 == 0 ? CrashMoment::kBefore : CrashMoment::kAfter);
      if (machine.OpenDirectory().ok()) (void)machine.directory->MakeSnapshotStore()->Open();
      if (!machine.files.crashed()) break;
      ++crashes;
      machine.Stop();
      machine.files.Restart(Survival::kRandom);
      INFO("crash at call " << first << ", then at call " << n << " of the start");
      CheckRecovers(machine, work);
    }
  }
  CHECK(crashes > 200);
}

}  // namespace
}  // namespace quorate::storage
