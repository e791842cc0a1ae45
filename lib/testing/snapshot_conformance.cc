// The contract of SnapshotStore (rules M-23, R-02; faults F-D11, F-N16).

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc64.h"
#include "base/xoshiro.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/testing/storage_conformance.h"
#include "testing/conformance_support.h"

namespace quorate::testing {
namespace {

LogPosition At(int64_t end, int32_t epoch = 1) { return LogPosition{Epoch(epoch), Offset(end)}; }

std::string Text(uint64_t seed, size_t size) {
  Xoshiro random(seed);
  std::string out(size, '\0');
  for (char& byte : out) byte = static_cast<char>(random.Next());
  return out;
}

SnapshotInfo InfoOf(LogPosition id, absl::string_view bytes) {
  const uint64_t crc = Crc64(bytes);
  return SnapshotInfo{id, bytes.size(), crc == 0 ? 1 : crc};
}

absl::Status CheckHolds(SnapshotStore& store, LogPosition id, absl::string_view expected) {
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = store.OpenReader(id);
  QUORATE_EXPECT_OK(reader.status());
  QUORATE_EXPECT((*reader)->size() == expected.size(), (*reader)->size(), " bytes of ", expected.size());
  std::string all;
  QUORATE_EXPECT_OK((*reader)->ReadAt(0, expected.size(), &all));
  QUORATE_EXPECT(all == expected, "other bytes than were written");
  return absl::OkStatus();
}

absl::Status CheckNone(SnapshotStore& store, LogPosition id) {
  const absl::Status status = store.OpenReader(id).status();
  QUORATE_EXPECT(absl::IsNotFound(status), status.ToString());
  return absl::OkStatus();
}

absl::Status Put(SnapshotStore& store, LogPosition id, absl::string_view bytes) {
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store.Create(id);
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT_OK((*writer)->Append(bytes));
  return (*writer)->Finish();
}

absl::Status Empty(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  absl::StatusOr<SnapshotStore::Contents> contents = store->Open();
  QUORATE_EXPECT_OK(contents.status());
  QUORATE_EXPECT(contents->snapshots.empty() && !contents->partial.has_value(), "");
  QUORATE_EXPECT_OK(CheckNone(*store, At(1)));
  QUORATE_EXPECT_OK(store->Remove(At(1)));
  QUORATE_EXPECT_OK(store->RemovePartial());
  QUORATE_EXPECT(!store->NameOf(At(1)).empty(), "");
  return absl::OkStatus();
}

absl::Status WrittenAndRead(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  const std::string bytes = Text(1, 300'000);
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Create(At(10, 3));
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT((*writer)->size() == 0, "");
  uint64_t size = 0;
  for (size_t piece : {1, 0, 4095, 4096, 100'000, 191'808}) {
    QUORATE_EXPECT_OK((*writer)->Append(absl::string_view(bytes).substr(size, piece)));
    size += piece;
    QUORATE_EXPECT((*writer)->size() == size, (*writer)->size());
    QUORATE_EXPECT_OK(CheckNone(*store, At(10, 3)));  // not before it is finished
  }
  QUORATE_EXPECT_OK((*writer)->Finish());
  QUORATE_EXPECT(!(*writer)->Append("more").ok(), "nothing follows");
  QUORATE_EXPECT(!(*writer)->Finish().ok(), "once");
  writer->reset();
  QUORATE_EXPECT_OK(CheckHolds(*store, At(10, 3), bytes));
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = store->OpenReader(At(10, 3));
  QUORATE_EXPECT_OK(reader.status());
  for (const auto& [position, length] : std::vector<std::pair<uint64_t, size_t>>{
           {0, 0}, {0, 1}, {4095, 2}, {299'999, 1}, {299'999, 100}, {300'000, 10}, {400'000, 10}, {1, 299'999}}) {
    std::string out = "old";
    QUORATE_EXPECT_OK((*reader)->ReadAt(position, length, &out));
    const std::string expected = position < bytes.size() ? bytes.substr(position, length) : "";
    QUORATE_EXPECT(out == expected, length, " bytes at ", position);
  }
  QUORATE_EXPECT_OK(CheckNone(*store, At(10, 4)));
  return absl::OkStatus();
}

absl::Status UnfinishedLeavesNothing(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  for (int i = 0; i < 3; ++i) {
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Create(At(5));
    QUORATE_EXPECT_OK(writer.status());
    QUORATE_EXPECT_OK((*writer)->Append(Text(2, 10'000)));
    writer->reset();
    QUORATE_EXPECT_OK(CheckNone(*store, At(5)));
  }
  QUORATE_EXPECT_OK(Put(*store, At(5), "whole"));
  // A second attempt at a snapshot that is there already, given up half-way, takes nothing away.
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Create(At(5));
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT_OK((*writer)->Append("other"));
  writer->reset();
  return CheckHolds(*store, At(5), "whole");
}

absl::Status ReplacedAndRemoved(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  QUORATE_EXPECT_OK(Put(*store, At(5), "first"));
  absl::StatusOr<std::unique_ptr<SnapshotReader>> first = store->OpenReader(At(5));
  QUORATE_EXPECT_OK(first.status());
  QUORATE_EXPECT_OK(Put(*store, At(5), "and second"));
  QUORATE_EXPECT_OK(CheckHolds(*store, At(5), "and second"));
  absl::StatusOr<std::unique_ptr<SnapshotReader>> second = store->OpenReader(At(5));
  QUORATE_EXPECT_OK(second.status());
  QUORATE_EXPECT_OK(store->Remove(At(5)));
  QUORATE_EXPECT_OK(CheckNone(*store, At(5)));
  // Readers outlast it.
  std::string out;
  QUORATE_EXPECT_OK((*first)->ReadAt(0, 100, &out));
  QUORATE_EXPECT(out == "first" && (*first)->size() == 5, out);
  QUORATE_EXPECT_OK((*second)->ReadAt(4, 100, &out));
  QUORATE_EXPECT(out == "second", out);
  return store->Remove(At(5));
}

absl::Status ReceivedAndResumed(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  const std::string bytes = Text(3, 200'000);
  const SnapshotInfo info = InfoOf(At(70, 2), bytes);
  uint64_t here = 0;
  for (int piece = 0; here < bytes.size(); ++piece) {
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(info);
    QUORATE_EXPECT_OK(writer.status());
    QUORATE_EXPECT((*writer)->size() == here, "it has ", (*writer)->size(), " bytes of ", here);
    QUORATE_EXPECT(!(*writer)->Finish().ok(), "only ", here, " bytes are there");
    // Twice for each writer.
    for (size_t length : {10'000, 7001}) {
      const absl::string_view part = absl::string_view(bytes).substr(here, length);
      QUORATE_EXPECT_OK((*writer)->Append(part));
      here += part.size();
    }
    QUORATE_EXPECT_OK(CheckNone(*store, info.id));
    QUORATE_EXPECT(!(*writer)->Append(Text(4, 200'001)).ok(), "more than the snapshot has");
    QUORATE_EXPECT((*writer)->size() == here, (*writer)->size());
    if (here == bytes.size()) QUORATE_EXPECT_OK((*writer)->Finish());
  }
  QUORATE_EXPECT_OK(CheckHolds(*store, info.id, bytes));
  // The same once more is no trouble, and begins from nothing.
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> again = store->Receive(info);
  QUORATE_EXPECT_OK(again.status());
  QUORATE_EXPECT((*again)->size() == 0, (*again)->size());
  QUORATE_EXPECT_OK((*again)->Append(bytes));
  QUORATE_EXPECT_OK((*again)->Finish());
  QUORATE_EXPECT(!(*again)->Append("").ok() && !(*again)->Finish().ok(), "nothing follows");
  return CheckHolds(*store, info.id, bytes);
}

absl::Status WrongDigest(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  const std::string bytes = Text(5, 50'000);
  const SnapshotInfo info = InfoOf(At(70), bytes);
  std::string wrong = bytes;
  wrong[123] = static_cast<char>(wrong[123] ^ 1);
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(info);
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT_OK((*writer)->Append(wrong));
  const absl::Status status = (*writer)->Finish();
  QUORATE_EXPECT(ReasonOf(status) == Reason::kCorruption, status.ToString());
  writer->reset();
  QUORATE_EXPECT_OK(CheckNone(*store, info.id));
  writer = store->Receive(info);
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT((*writer)->size() == 0, "nothing of it is kept");
  QUORATE_EXPECT_OK((*writer)->Append(bytes));
  QUORATE_EXPECT_OK((*writer)->Finish());
  return CheckHolds(*store, info.id, bytes);
}

absl::Status AtMostOnePartial(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  const std::string bytes = Text(6, 30'000);
  const SnapshotInfo info = InfoOf(At(70), bytes);
  std::vector<SnapshotInfo> others(4, info);
  others[0].id.end = Offset(71);
  others[1].id.epoch = Epoch(2);
  others[2].bytes = 30'001;
  others[3].digest ^= 2;
  for (const SnapshotInfo& other : others) {
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(info);
    QUORATE_EXPECT_OK(writer.status());
    QUORATE_EXPECT((*writer)->size() == 0, "the other one took its place");
    QUORATE_EXPECT_OK((*writer)->Append("abc"));
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> next = store->Receive(other);
    QUORATE_EXPECT_OK(next.status());
    QUORATE_EXPECT((*next)->size() == 0, "it isn't the same");
    QUORATE_EXPECT(!(*writer)->Append("def").ok() && !(*writer)->Finish().ok(), "it was superseded");
    QUORATE_EXPECT_OK((*next)->Append("xyz"));
  }
  QUORATE_EXPECT_OK(store->RemovePartial());
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(others[3]);
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT((*writer)->size() == 0, "it was removed");
  // The same, while the writer before is still there: it goes on, for the new one only.
  QUORATE_EXPECT_OK((*writer)->Append("12345"));
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> same = store->Receive(others[3]);
  QUORATE_EXPECT_OK(same.status());
  QUORATE_EXPECT((*same)->size() == 5, (*same)->size());
  QUORATE_EXPECT(!(*writer)->Append("6").ok(), "it was superseded");
  writer->reset();
  return (*same)->Append("6");
}

absl::Status Refusals(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  for (LogPosition wrong : {At(-1), At(1, -1)}) {
    QUORATE_EXPECT(ReasonOf(store->Create(wrong).status()) == Reason::kInvalidArgument, "");
    QUORATE_EXPECT(ReasonOf(store->Receive(SnapshotInfo{wrong, 1, 1}).status()) == Reason::kInvalidArgument, "");
  }
  QUORATE_EXPECT(!store->Receive(SnapshotInfo{At(1), 1, 0}).ok(), "a digest of 0 is none");
  QUORATE_EXPECT(!store->Receive(SnapshotInfo{At(1), limits::kSnapshotBytesMax + 1, 1}).ok(), "too large");
  return absl::OkStatus();
}

absl::Status FoundAgain(SnapshotStoreFixture& fixture) {
  if (!fixture.survives_restart()) return absl::OkStatus();
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  const std::string bytes = Text(7, 100'000);
  const SnapshotInfo info = InfoOf(At(500, 9), bytes);
  for (LogPosition id : {At(20, 2), At(3, 1), At(100, 1), At(100, 4), At(7, 9)}) {
    QUORATE_EXPECT_OK(Put(*store, id, absl::StrCat(id.end.value())));
  }
  QUORATE_EXPECT_OK(store->Remove(At(7, 9)));
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> own = store->Create(At(900));
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(info);
  QUORATE_EXPECT(own.ok() && writer.ok(), "");
  QUORATE_EXPECT_OK((*own)->Append("unfinished"));
  QUORATE_EXPECT_OK((*writer)->Append(absl::string_view(bytes).substr(0, 60'000)));
  own->reset();
  writer->reset();
  for (int restart = 0; restart < 2; ++restart) {
    store.reset();
    store = fixture.Make();
    absl::StatusOr<SnapshotStore::Contents> contents = store->Open();
    QUORATE_EXPECT_OK(contents.status());
    QUORATE_EXPECT((contents->snapshots == std::vector<LogPosition>{At(3, 1), At(20, 2), At(100, 1), At(100, 4)}),
                   contents->snapshots.size(), " snapshots");
    QUORATE_EXPECT_OK(CheckHolds(*store, At(20, 2), "20"));
    QUORATE_EXPECT(contents->partial == info, "the partial one, or what it should be, was forgotten");
    QUORATE_EXPECT(contents->partial_bytes <= 60'000, contents->partial_bytes);
    writer = store->Receive(info);
    QUORATE_EXPECT_OK(writer.status());
    QUORATE_EXPECT((*writer)->size() == contents->partial_bytes, (*writer)->size());
    if (restart == 1) {
      QUORATE_EXPECT_OK((*writer)->Append(absl::string_view(bytes).substr((*writer)->size())));
      QUORATE_EXPECT_OK((*writer)->Finish());
    }
    writer->reset();
  }
  store.reset();
  store = fixture.Make();
  absl::StatusOr<SnapshotStore::Contents> contents = store->Open();
  QUORATE_EXPECT_OK(contents.status());
  QUORATE_EXPECT(!contents->partial.has_value() && contents->snapshots.back() == info.id, "it is finished");
  return CheckHolds(*store, info.id, bytes);
}

absl::Status NoBytesAtAll(SnapshotStoreFixture& fixture) {
  std::unique_ptr<SnapshotStore> store = fixture.Make();
  QUORATE_EXPECT_OK(store->Open().status());
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store->Receive(InfoOf(At(0, 0), ""));
  QUORATE_EXPECT_OK(writer.status());
  QUORATE_EXPECT_OK((*writer)->Finish());
  return CheckHolds(*store, At(0, 0), "");
}

}  // namespace

std::vector<ConformanceCase<SnapshotStoreFixture>> SnapshotStoreConformance() {
  return {
      {"an empty store", Empty},
      {"what is written is read back, in any pieces", WrittenAndRead},
      {"an unfinished snapshot leaves nothing (F-D11)", UnfinishedLeavesNothing},
      {"a reader outlasts the replacement and the removal of its snapshot", ReplacedAndRemoved},
      {"a received snapshot is resumed where it stopped (M-23)", ReceivedAndResumed},
      {"a received snapshot with another digest is dropped (M-23)", WrongDigest},
      {"at most one snapshot is being received", AtMostOnePartial},
      {"what can't be a snapshot is refused", Refusals},
      {"snapshots and what was received are found again", FoundAgain},
      {"a snapshot of no bytes", NoBytesAtAll},
  };
}

}  // namespace quorate::testing
