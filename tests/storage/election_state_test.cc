// Epoch and vote on disk (rules M-01, R-02; faults F-D04, F-D05, F-D09, F-D10).
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "storage/fixtures.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;
using testing::FileCallInfo;
using testing::SimDisk;
using testing::Survival;

const std::string& Path() {
  static const std::string path = JoinPath(kPath, kElectionStateName);
  return path;
}

ElectionState Vote(int epoch) { return ElectionState{Epoch(epoch), ReplicaKey{NodeId(3), kDirectory}, NodeId(2)}; }

// A disk with two votes on it, the second in both slots if `mirrored`, as a killed process left it.
SimDisk DiskWithVotes(bool mirrored) {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  REQUIRE(machine.LoadElection().ok());
  REQUIRE(machine.StoreElection(Vote(1)).ok());
  REQUIRE(machine.StoreElection(Vote(2)).ok());
  if (mirrored) machine.executor.RunFor(absl::Seconds(1));
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  return machine.files.SaveDisk();
}

absl::StatusOr<std::optional<ElectionState>> LoadFrom(Machine& machine) {
  if (absl::Status status = machine.OpenDirectory(); !status.ok()) return status;
  return machine.LoadElection();
}

TEST_CASE("any damage to one slot is repaired from the other, and the vote is kept (F-D04, R-02)") {
  const SimDisk disk = DiskWithVotes(/*mirrored=*/true);
  for (uint64_t slot : {0u, 1u}) {
    for (uint64_t bit = 0; bit < SimDisk::kSectorBytes * 8; bit += 3) {
      Machine machine;
      machine.files.LoadDisk(disk);
      machine.files.FlipBit(Path(), slot * kBlockBytes * 8 + bit);
      absl::StatusOr<std::optional<ElectionState>> state = LoadFrom(machine);
      INFO("slot " << slot << ", bit " << bit);
      REQUIRE(state.status() == absl::OkStatus());
      REQUIRE(*state == Vote(2));
      REQUIRE(absl::StrContains(machine.sink->text(), "event=slot_repaired"));
      // Repaired: the other slot may go now.
      machine.Stop();
      machine.files.FlipBit(Path(), (1 - slot) * kBlockBytes * 8 + bit);
      state = LoadFrom(machine);
      REQUIRE(state.status() == absl::OkStatus());
      REQUIRE(*state == Vote(2));
    }
  }
}

TEST_CASE("damage to both slots is an error and never an empty state (F-D04)") {
  const std::vector<std::function<void(Machine&)>> damages = {
      [](Machine& machine) {
        machine.files.FlipBit(Path(), 50 * 8);
        machine.files.FlipBit(Path(), (kBlockBytes + 50) * 8);
      },
      [](Machine& machine) { machine.files.SetContents(Path(), std::string(2 * kBlockBytes, '\0')); },
      [](Machine& machine) { machine.files.SetContents(Path(), ""); },
      [](Machine& machine) {  // half of each slot
        std::string bytes = machine.files.Contents(Path());
        bytes.replace(256, 256, 256, '\0');
        bytes.replace(kBlockBytes + 256, 256, 256, '\0');
        machine.files.SetContents(Path(), bytes);
      }};
  for (size_t i = 0; i < damages.size() * 2; ++i) {
    INFO("damage " << i / 2);
    Machine machine;
    machine.files.LoadDisk(DiskWithVotes(/*mirrored=*/i % 2 == 0));
    damages[i / 2](machine);
    const std::string before = machine.files.Contents(Path());
    const absl::Status status = LoadFrom(machine).status();
    INFO(status.ToString());
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), Path()));
    CHECK(absl::StrContains(status.message(), "Remedy"));
    // And it stays one: nothing can be stored over it.
    CHECK_FALSE(machine.StoreElection(Vote(9)).ok());
    const bool untouched = machine.files.Contents(Path()) == before;
    CHECK(untouched);
  }
}

TEST_CASE("a missing file is an error and never an empty state (F-D04, F-D15)") {
  Machine machine;
  machine.files.LoadDisk(DiskWithVotes(true));
  REQUIRE(machine.files.Remove(Path()).ok());
  const absl::Status status = machine.OpenDirectory();
  CHECK(ReasonOf(status) == Reason::kCorruption);
  CHECK(absl::StrContains(status.message(), Path()));
}

TEST_CASE("the state of another directory is refused (F-D05)") {
  Machine machine;
  machine.files.LoadDisk(DiskWithVotes(true));
  Machine other;
  DirectoryIdentity identity = TestIdentity();
  identity.directory_id = DirectoryId(Uuid(42, 42));
  REQUIRE(FormatDirectory(&other.files, kPath, identity).ok());
  machine.files.SetContents(Path(), other.files.Contents(Path()));
  const absl::Status status = LoadFrom(machine).status();
  CHECK(ReasonOf(status) == Reason::kCorruption);
  CHECK(absl::StrContains(status.message(), identity.directory_id.ToString()));
}

TEST_CASE("a store costs one write and one sync, in place (R-02)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  REQUIRE(machine.LoadElection().ok());
  const uint64_t size = machine.files.Contents(Path()).size();
  const uint64_t calls = machine.files.calls();
  REQUIRE(machine.StoreElection(Vote(1)).ok());
  CHECK(machine.files.calls() == calls + 2);
  CHECK(machine.files.CountOf(FileCall::kRename) == 1);  // format's
  // The copy follows when it is quiet.
  machine.executor.RunFor(absl::Seconds(1));
  CHECK(machine.files.calls() == calls + 4);
  machine.executor.RunFor(absl::Seconds(100));
  CHECK(machine.files.calls() == calls + 4);
  CHECK(machine.files.Contents(Path()).size() == size);
}

TEST_CASE("stores that queue up are written once and all acknowledged in order") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  REQUIRE(machine.LoadElection().ok());
  const uint64_t syncs = machine.files.CountOf(FileCall::kSync);
  std::vector<int> order;
  for (int i = 1; i <= 20; ++i) {
    machine.elections->Store(Vote(i), [&order, i](const absl::Status& status) {
      if (status.ok()) order.push_back(i);
    });
  }
  machine.executor.RunUntilIdle();
  CHECK(machine.files.CountOf(FileCall::kSync) == syncs + 1);
  CHECK(order.size() == 20);
  CHECK(std::is_sorted(order.begin(), order.end()));
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kNone);
  CHECK(*LoadFrom(machine) == Vote(20));
}

TEST_CASE("a vote can be stored on a full disk (F-D10)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  machine.files.SetQuotaBytes(0);
  REQUIRE(machine.LoadElection().ok());
  CHECK(machine.StoreElection(Vote(1)).ok());
  machine.executor.RunFor(absl::Seconds(1));
  CHECK(machine.StoreElection(Vote(2)).ok());
}

TEST_CASE("after the first error nothing is retried and nothing acknowledged (F-D08, F-D09)") {
  for (FileCall failing : {FileCall::kWrite, FileCall::kSync}) {
    for (bool in_mirror : {false, true}) {
      Machine machine;
      REQUIRE(machine.Format().ok());
      REQUIRE(machine.OpenDirectory().ok());
      REQUIRE(machine.LoadElection().ok());
      if (in_mirror) REQUIRE(machine.StoreElection(Vote(1)).ok());
      machine.files.SetHook([failing](const FileCallInfo& info) {
        return info.call == failing ? MakeError(Reason::kStorage, Outcome::kUnknown, "EIO once") : absl::OkStatus();
      });
      absl::Status first;
      if (in_mirror) {
        machine.executor.RunFor(absl::Seconds(1));
      } else {
        first = machine.StoreElection(Vote(1));
        CHECK(absl::StrContains(first.message(), "EIO once"));
      }
      machine.files.SetHook(nullptr);
      const uint64_t calls = machine.files.calls();
      const absl::Status second = machine.StoreElection(Vote(2));
      CHECK(absl::StrContains(second.message(), "EIO once"));
      machine.executor.RunFor(absl::Seconds(1));
      machine.elections.reset();
      CHECK(machine.files.calls() == calls);
    }
  }
}

}  // namespace
}  // namespace quorate::storage
