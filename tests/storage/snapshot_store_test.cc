// Snapshots on a disk that is full, or fails, at any call (F-D09, F-D11); the order of things on disk (R-02, F-P02);
// names.

#include <string>
#include <vector>

#include "storage/file_snapshot_store.h"
#include "storage/fixtures.h"
#include "storage/snapshot_names.h"
#include "storage/snapshot_support.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;
using testing::FileCallInfo;
using testing::Survival;

constexpr uint64_t kStep = 4096;

std::vector<std::string> Names(Machine& machine) { return *machine.files.List(kPath); }

TEST_CASE("a full disk at any call of an own snapshot: the file goes, the old one and the log stay (F-D11)") {
  const absl::Status full = MakeError(Reason::kStorage, Outcome::kUnknown, "write: No space left on device");
  uint64_t failures = 0;
  for (uint64_t n = 1;; ++n) {
    Machine machine(n);
    REQUIRE(machine.Format().ok());
    REQUIRE(machine.Start().ok());
    REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "log")}).ok());
    std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
    REQUIRE(store->Open().ok());
    std::unique_ptr<SnapshotWriter> writer = store->Create(kFirst).value();
    REQUIRE(writer->Append("old").ok());
    REQUIRE(writer->Finish().ok());
    writer.reset();
    const std::vector<std::string> before = Names(machine);

    uint64_t calls = 0;
    machine.files.SetHook([&](const FileCallInfo& info) {
      if (info.call == FileCall::kRemove) return absl::OkStatus();  // a full disk doesn't mind
      return ++calls == n ? full : absl::OkStatus();
    });
    absl::Status status = [&] {
      absl::StatusOr<std::unique_ptr<SnapshotWriter>> own = store->Create(kSecond);
      if (!own.ok()) return own.status();
      for (int i = 0; i < 8; ++i) {
        if (absl::Status appended = (*own)->Append(Text(1, 3000)); !appended.ok()) {
          CHECK((*own)->Append("more") == appended);  // it stays so
          CHECK((*own)->Finish() == appended);
          return appended;
        }
      }
      return (*own)->Finish();
    }();
    machine.files.SetHook(nullptr);
    INFO("call " << n);
    if (calls < n) {
      CHECK(status.ok());
      break;
    }
    ++failures;
    CHECK(status == full);
    CHECK(Names(machine) == before);
    CHECK(Contents(*store, kFirst) == "old");
    CHECK(absl::IsNotFound(store->OpenReader(kSecond).status()));
    CHECK(machine.Append({TestBatch(Offset(1), Epoch(1), "the log goes on")}).ok());
    // The next attempt succeeds.
    writer = store->Create(kSecond).value();
    REQUIRE(writer->Append("new").ok());
    REQUIRE(writer->Finish().ok());
    CHECK(Contents(*store, kSecond) == "new");
  }
  CHECK(failures > 10);
}

TEST_CASE(
    "an error at any call of a received snapshot keeps what is certain, and it is completed later (F-D11, F-D09)") {
  const absl::Status broken = MakeError(Reason::kStorage, Outcome::kUnknown, "the disk said no");
  const std::string bytes = Text(9, 21'000);
  const SnapshotInfo info = InfoOf(kThird, bytes);
  for (const bool crash_afterwards : {false, true}) {
    uint64_t failures = 0;
    for (uint64_t n = 1;; ++n) {
      Machine machine(n);
      REQUIRE(machine.Format().ok());
      REQUIRE(machine.OpenDirectory().ok());
      std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
      REQUIRE(store->Open().ok());
      machine.files.FailCall(n);
      const uint64_t calls = machine.files.calls();
      absl::Status status;
      uint64_t appended = 0;
      {
        absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(info);
        status = writer.status();
        while (status.ok() && (*writer)->size() < bytes.size()) {
          appended = (*writer)->size();
          status = (*writer)->Append(absl::string_view(bytes).substr(appended, 1500));
        }
        if (status.ok()) status = (*writer)->Finish();
      }
      INFO("call " << n);
      if (machine.files.calls() < calls + n) {
        CHECK(status.ok());
        break;
      }
      ++failures;
      if (status.ok()) continue;  // of a call whose failure doesn't matter
      if (crash_afterwards) {
        store.reset();
        machine.files.Crash();
        machine.Stop();
        machine.files.Restart(Survival::kRandom);
        REQUIRE(machine.OpenDirectory().ok());
        store = machine.directory->MakeSnapshotStore();
        REQUIRE(store->Open().ok());
      }
      std::unique_ptr<SnapshotWriter> writer = store->Receive(info).value();
      CHECK(writer->size() <= bytes.size());
      REQUIRE(writer->Append(absl::string_view(bytes).substr(writer->size())) == absl::OkStatus());
      REQUIRE(writer->Finish() == absl::OkStatus());
      // Really: also after the power fails.
      writer.reset();
      store.reset();
      machine.files.Crash();
      machine.Stop();
      machine.files.Restart(Survival::kNone);
      REQUIRE(machine.OpenDirectory().ok());
      store = machine.directory->MakeSnapshotStore();
      REQUIRE(store->Open().ok());
      const bool whole = Contents(*store, kThird) == bytes;
      REQUIRE(whole);
    }
    CHECK(failures > 15);
  }
}

TEST_CASE("what of a partial file is certain follows from its size (F-P02)") {
  CHECK(CertainBytes(0, kStep) == 0);
  CHECK(CertainBytes(1, kStep) == 0);
  CHECK(CertainBytes(kStep, kStep) == 0);  // nothing was written behind it: perhaps it isn't synced
  CHECK(CertainBytes(kStep + 1, kStep) == kStep);
  CHECK(CertainBytes(3 * kStep, kStep) == 2 * kStep);
  // No byte is written behind a step before the step is synced.
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
  REQUIRE(store->Open().ok());
  uint64_t synced = 0;
  uint64_t written = 0;
  machine.files.SetHook([&](const FileCallInfo& info) {
    if (!absl::EndsWith(info.path, kPartialSuffix)) return absl::OkStatus();
    if (info.call == FileCall::kWrite) {
      CHECK(info.offset == written);
      written = info.offset + info.length;
      CHECK(written <= synced / kStep * kStep + kStep);
    }
    if (info.call == FileCall::kSync) synced = written;
    return absl::OkStatus();
  });
  const std::string bytes = Text(1, 100'000);
  std::unique_ptr<SnapshotWriter> writer = store->Receive(InfoOf(kFirst, bytes)).value();
  for (size_t length : {1, 4095, 1, 50'000, 4096, 10'000}) {
    REQUIRE(writer->Append(absl::string_view(bytes).substr(writer->size(), length)).ok());
  }
  writer = store->Receive(InfoOf(kFirst, bytes)).value();  // the same rule when it goes on
  REQUIRE(writer->Append(absl::string_view(bytes).substr(writer->size())).ok());
  CHECK(writer->Finish().ok());
}

TEST_CASE("an own snapshot reaches the disk before its name does (R-02)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
  REQUIRE(store->Open().ok());
  std::vector<std::string> order;
  machine.files.SetHook([&](const FileCallInfo& info) {
    if (info.call != FileCall::kExists) order.emplace_back(ToString(info.call));
    return absl::OkStatus();
  });
  std::unique_ptr<SnapshotWriter> writer = store->Create(kFirst).value();
  REQUIRE(writer->Append("bytes").ok());
  REQUIRE(writer->Finish().ok());
  CHECK(order == std::vector<std::string>{"open", "write", "sync", "rename", "sync_directory"});
}

TEST_CASE("names of snapshots have one form") {
  const SnapshotInfo info{LogPosition{Epoch(7), Offset(1000)}, 229, 0xd82352b41119bcd5};
  CHECK(SnapshotName(info.id) == "00000000000000001000-0000000007.checkpoint");
  CHECK(ParseSnapshotName(SnapshotName(info.id)) == info.id);
  CHECK(PartialSnapshotName(info) == "00000000000000001000-0000000007-00000000000000e5-d82352b41119bcd5.part");
  CHECK(ParsePartialSnapshotName(PartialSnapshotName(info)) == info);
  const LogPosition largest{Epoch(INT32_MAX), Offset(INT64_MAX)};
  CHECK(ParseSnapshotName(SnapshotName(largest)) == largest);
  for (absl::string_view wrong :
       {"", "bootstrap.checkpoint", "checkpoint", "00000000000000001000.log", "1000-7.checkpoint",
        "00000000000000001000-0000000007.checkpoint.tmp", "00000000000000001000-0000000007.1.checkpoint.tmp",
        "0000000000000000100x-0000000007.checkpoint", "-0000000000000000100-0000000007.checkpoint",
        "99999999999999999999-0000000007.checkpoint", "00000000000000001000-9999999999.checkpoint",
        "00000000000000001000-0000000007-0000000007.checkpoint", "+0000000000000001000-0000000007.checkpoint"}) {
    INFO(wrong);
    CHECK_FALSE(ParseSnapshotName(wrong).has_value());
  }
  for (absl::string_view wrong : {"", "x.part", "00000000000000001000-0000000007.part",
                                  "00000000000000001000-0000000007-00000000000000e5-0000000000000000.part",
                                  "00000000000000001000-0000000007-ffffffffffffffff-d82352b41119bcd5.part",
                                  "00000000000000001000-0000000007-00000000000000E5-d82352b41119bcd5.part",
                                  "00000000000000001000-0000000007-00000000000000e5-d82352b41119bcd5.part.tmp"}) {
    INFO(wrong);
    CHECK_FALSE(ParsePartialSnapshotName(wrong).has_value());
  }
}

TEST_CASE("log and snapshots leave each other's files alone") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
  REQUIRE(store->Open().ok());
  std::unique_ptr<SnapshotWriter> own = store->Create(kFirst).value();
  std::unique_ptr<SnapshotWriter> received = store->Receive(InfoOf(kThird, "abc")).value();
  REQUIRE(own->Append("own").ok());
  REQUIRE(received->Append("abc").ok());
  // The log is opened, which removes what a crash left of it.
  machine.log = machine.directory->MakeLogStore();
  REQUIRE(machine.log->Open([](const Batch&) { return absl::OkStatus(); }).ok());
  CHECK(own->Finish() == absl::OkStatus());
  CHECK(received->Finish() == absl::OkStatus());
  CHECK(store->NameOf(kFirst) == JoinPath(kPath, SnapshotName(kFirst)));
}

TEST_CASE("a partial file longer than it should be is begun again") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  const std::string bytes = Text(1, 9000);
  const SnapshotInfo info = InfoOf(kThird, bytes);
  std::unique_ptr<SnapshotStore> store = machine.directory->MakeSnapshotStore();
  REQUIRE(store->Open().ok());
  REQUIRE(store->Receive(info).ok());
  machine.files.SetContents(JoinPath(kPath, PartialSnapshotName(info)), std::string(10'000, 'x'));
  store = machine.directory->MakeSnapshotStore();
  CHECK(store->Open()->partial_bytes == 0);
  std::unique_ptr<SnapshotWriter> writer = store->Receive(info).value();
  CHECK(writer->size() == 0);
  REQUIRE(writer->Append(bytes).ok());
  CHECK(writer->Finish() == absl::OkStatus());
}

}  // namespace
}  // namespace quorate::storage
