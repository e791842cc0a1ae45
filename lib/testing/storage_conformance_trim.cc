// The beginning of a log moves: TrimPrefix and ResetTo (rules R-03, M-22).

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "testing/storage_conformance_support.h"

namespace quorate::testing {
namespace {

// Batches of three records each, in epochs 1, 1, 2, 2, 3, 3 and so on.
std::vector<Batch> Threes(const LogStoreFixture& fixture, int64_t count, size_t bytes = 20) {
  std::vector<Batch> out;
  for (int64_t i = 0; i < count; ++i) {
    const Epoch epoch(static_cast<int32_t>(1 + i / 2));
    out.push_back(MakeBatch(fixture, Offset(3 * i), epoch, std::string(bytes, static_cast<char>('a' + i % 26)), 3));
  }
  return out;
}

LogPosition EndOf(const Batch& batch) { return LogPosition{batch.epoch(), batch.end_offset()}; }

std::vector<Batch> From(const std::vector<Batch>& batches, size_t first) {
  return std::vector<Batch>(batches.begin() + static_cast<ptrdiff_t>(first), batches.end());
}

absl::Status TrimForgets(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  // Large enough for many segments of small size, and small enough for few of large size.
  const std::vector<Batch> batches = Threes(fixture, 60, 2000);
  QUORATE_EXPECT_OK(Append(fixture, *log, batches).status());
  for (size_t kept : {1, 2, 7, 30, 31, 59}) {
    const LogPosition start = EndOf(batches[kept - 1]);
    QUORATE_EXPECT_OK(Trim(fixture, *log, start));
    QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, start.end - 3, 1).status()), "below ", start.end.value());
    absl::StatusOr<std::vector<Batch>> rest = Read(fixture, *log, start.end, 1u << 30);
    QUORATE_EXPECT(rest.ok() && SameBytes(*rest, From(batches, kept)), rest.status().ToString());
    if (!fixture.survives_restart()) continue;
    log.reset();
    log = fixture.Make();
    QUORATE_EXPECT_OK(OpenExpecting(*log, From(batches, kept), start));
  }
  const Batch more = MakeBatch(fixture, batches.back().end_offset(), batches.back().epoch(), "goes on");
  absl::StatusOr<Offset> end = Append(fixture, *log, {more});
  QUORATE_EXPECT(end.ok() && *end == more.end_offset(), end.status().ToString());
  return absl::OkStatus();
}

absl::Status TrimOfAll(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  const std::vector<Batch> batches = Threes(fixture, 4);
  QUORATE_EXPECT_OK(Append(fixture, *log, batches).status());
  const LogPosition start = EndOf(batches.back());
  QUORATE_EXPECT_OK(Trim(fixture, *log, start));
  QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, start.end, 1).status()), "the log is empty");
  if (fixture.survives_restart()) {
    log.reset();
    log = fixture.Make();
    QUORATE_EXPECT_OK(OpenExpecting(*log, {}, start));
  }
  // It still knows where it is, and in which epoch.
  QUORATE_EXPECT_OK(Truncate(fixture, *log, start.end));
  QUORATE_EXPECT(!Append(fixture, *log, {MakeBatch(fixture, Offset(0), start.epoch, "from the start")}).ok(), "");
  QUORATE_EXPECT(!Append(fixture, *log, {MakeBatch(fixture, start.end, Epoch(1), "older epoch")}).ok(), "");
  const Batch next = MakeBatch(fixture, start.end, start.epoch, "next");
  QUORATE_EXPECT_OK(Append(fixture, *log, {next}).status());
  if (!fixture.survives_restart()) return absl::OkStatus();
  log.reset();
  log = fixture.Make();
  return OpenExpecting(*log, {next}, start);
}

absl::Status TrimRefusals(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  const std::vector<Batch> batches = Threes(fixture, 6);
  QUORATE_EXPECT_OK(Append(fixture, *log, batches).status());
  const LogPosition start = EndOf(batches[2]);
  QUORATE_EXPECT_OK(Trim(fixture, *log, start));
  for (LogPosition wrong : {LogPosition{Epoch(2), Offset(11)},  // inside a batch
                            LogPosition{Epoch(3), Offset(21)},  // behind the end
                            LogPosition{Epoch(7), Offset(12)},  // another epoch than the record before it
                            LogPosition{Epoch(1), Offset(15)}}) {
    const absl::Status status = Trim(fixture, *log, wrong);
    QUORATE_EXPECT(ReasonOf(status) == Reason::kInvalidArgument, wrong.end.value(), ": ", status.ToString());
  }
  // At or below the start nothing changes, whatever it is.
  for (int64_t below : {0, 3, 5, 9}) QUORATE_EXPECT_OK(Trim(fixture, *log, LogPosition{Epoch(9), Offset(below)}));
  QUORATE_EXPECT(!Truncate(fixture, *log, Offset(6)).ok(), "6 is below the start");
  absl::StatusOr<std::vector<Batch>> rest = Read(fixture, *log, start.end, 1u << 20);
  QUORATE_EXPECT(rest.ok() && SameBytes(*rest, From(batches, 3)), rest.status().ToString());
  QUORATE_EXPECT_OK(Truncate(fixture, *log, start.end));
  if (!fixture.survives_restart()) return absl::OkStatus();
  log.reset();
  log = fixture.Make();
  return OpenExpecting(*log, {}, start);
}

absl::Status ResetReplaces(LogStoreFixture& fixture) {
  // Ahead of the log; at its end; into its middle, at a boundary and not at one; at its start.
  for (int64_t at : {1000, 120, 60, 61, 0}) {
    std::unique_ptr<LogStore> log = fixture.Make();
    QUORATE_EXPECT_OK(log->Open([](const Batch&) { return absl::OkStatus(); }).status());
    QUORATE_EXPECT_OK(Reset(fixture, *log, LogPosition{Epoch(0), Offset(0)}));
    QUORATE_EXPECT_OK(Append(fixture, *log, Threes(fixture, 40, 1000)).status());
    const LogPosition start{Epoch(50), Offset(at)};
    QUORATE_EXPECT_OK(Reset(fixture, *log, start));
    QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, start.end, 1).status()), "the log is empty");
    QUORATE_EXPECT(!Append(fixture, *log, {MakeBatch(fixture, start.end, Epoch(49), "older")}).ok(), "");
    const std::vector<Batch> next = {MakeBatch(fixture, start.end, Epoch(50), "a", 2),
                                     MakeBatch(fixture, start.end + 2, Epoch(51), "b")};
    if (fixture.survives_restart()) {
      log.reset();
      log = fixture.Make();
      QUORATE_EXPECT_OK(OpenExpecting(*log, {}, start));
    }
    QUORATE_EXPECT_OK(Append(fixture, *log, next).status());
    absl::StatusOr<std::vector<Batch>> all = Read(fixture, *log, start.end, 1u << 20);
    QUORATE_EXPECT(all.ok() && SameBytes(*all, next), all.status().ToString());
    QUORATE_EXPECT(at == 0 || absl::IsOutOfRange(Read(fixture, *log, Offset(0), 1).status()), "nothing of the old log");
    if (!fixture.survives_restart()) continue;
    log.reset();
    log = fixture.Make();
    QUORATE_EXPECT_OK(OpenExpecting(*log, next, start));
  }
  return absl::OkStatus();
}

absl::Status OrderedWithAppends(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  std::mutex mutex;
  std::vector<std::string> problems;
  std::atomic<int> count{0};
  const auto note = [&](const char* what, const absl::Status& status) {
    std::lock_guard<std::mutex> lock(mutex);
    if (!status.ok()) problems.push_back(absl::StrCat(what, ": ", status.ToString()));
    ++count;
  };
  // All at once: each finds the log as the calls before it have left it.
  const std::vector<Batch> batches = Threes(fixture, 6);
  log->Append(batches, [&](const absl::StatusOr<Offset>& end) { note("append", end.status()); });
  log->TrimPrefix(EndOf(batches[3]), [&](const absl::Status& status) { note("trim", status); });
  log->Read(Offset(12), 1, [&](const auto& read) { note("read", read.status()); });
  log->ResetTo(LogPosition{Epoch(4), Offset(100)}, [&](const absl::Status& status) { note("reset", status); });
  const Batch last = MakeBatch(fixture, Offset(100), Epoch(4), "last");
  log->Append({last}, [&](const absl::StatusOr<Offset>& end) { note("append behind", end.status()); });
  log->TrimPrefix(EndOf(last), [&](const absl::Status& status) { note("trim behind", status); });
  QUORATE_EXPECT(fixture.RunUntil([&] { return count == 6; }), count.load(), " callbacks of 6");
  std::lock_guard<std::mutex> lock(mutex);
  QUORATE_EXPECT(problems.empty(), problems.front());
  return absl::OkStatus();
}

absl::Status DestructionCompletesThem(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  std::atomic<int> count{0};
  const auto callback = [&](const absl::Status&) { ++count; };
  for (int i = 0; i < 10; ++i) {
    log->ResetTo(LogPosition{Epoch(1), Offset(i)}, callback);
    log->TrimPrefix(LogPosition{Epoch(1), Offset(i)}, callback);
  }
  log.reset();
  QUORATE_EXPECT(count == 20, count.load(), " callbacks of 20");
  return absl::OkStatus();
}

}  // namespace

std::vector<ConformanceCase<LogStoreFixture>> LogTrimConformance() {
  return {
      {"a trimmed log forgets its beginning and nothing else (R-03)", TrimForgets},
      {"a log can be trimmed to nothing", TrimOfAll},
      {"a trim that doesn't fit the log is refused", TrimRefusals},
      {"a reset log is empty, and begins where it was told (M-22)", ResetReplaces},
      {"trims and resets are ordered with appends and reads", OrderedWithAppends},
      {"destruction completes trims and resets too", DestructionCompletesThem},
  };
}

}  // namespace quorate::testing
