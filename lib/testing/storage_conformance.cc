#include "quorate/testing/storage_conformance.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "testing/conformance_support.h"
#include "testing/storage_conformance_support.h"

namespace quorate::testing {
namespace {

absl::Status EmptyLog(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, Offset(0), 1000).status()), "");
  QUORATE_EXPECT_OK(Truncate(fixture, *log, Offset(0)));
  absl::StatusOr<Offset> nothing = Append(fixture, *log, {});
  QUORATE_EXPECT(nothing.ok() && *nothing == Offset(0), nothing.status().ToString());
  return absl::OkStatus();
}

absl::Status AppendAndRead(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  const std::vector<Batch> batches = {MakeBatch(fixture, Offset(0), Epoch(1), "a", 3),
                                      MakeBatch(fixture, Offset(3), Epoch(1), ""),
                                      MakeBatch(fixture, Offset(4), Epoch(4), std::string(10'000, 'c'), 2)};
  absl::StatusOr<Offset> end = Append(fixture, *log, {batches[0], batches[1]});
  QUORATE_EXPECT(end.ok() && *end == Offset(4), end.status().ToString());
  end = Append(fixture, *log, {batches[2]});
  QUORATE_EXPECT(end.ok() && *end == Offset(6), end.status().ToString());
  absl::StatusOr<std::vector<Batch>> all = Read(fixture, *log, Offset(0), 1u << 20);
  QUORATE_EXPECT_OK(all.status());
  QUORATE_EXPECT(SameBytes(*all, batches), Describe(*all));
  QUORATE_EXPECT((*all)[0].Records().size() == 3 && (*all)[0].Records()[2] == "a", "");
  return absl::OkStatus();
}

absl::Status ReadBounds(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  std::vector<Batch> batches;
  for (int64_t i = 0; i < 20; ++i)
    batches.push_back(MakeBatch(fixture, Offset(2 * i), Epoch(1), std::string(1000, 'x'), 2));
  QUORATE_EXPECT_OK(Append(fixture, *log, batches).status());
  const size_t size = batches[0].size();
  for (const auto& [max_bytes, count] : std::vector<std::pair<size_t, size_t>>{
           {0, 1}, {1, 1}, {size, 1}, {2 * size - 1, 1}, {2 * size, 2}, {5 * size + 1, 5}, {1000 * size, 17}}) {
    absl::StatusOr<std::vector<Batch>> some = Read(fixture, *log, Offset(6), max_bytes);
    QUORATE_EXPECT_OK(some.status());
    QUORATE_EXPECT(SameBytes(*some, std::vector<Batch>(batches.begin() + 3, batches.begin() + 3 + count)), "of ",
                   max_bytes, " bytes: ", Describe(*some));
  }
  QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, Offset(40), 10).status()), "");
  QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, Offset(-1), 10).status()), "");
  QUORATE_EXPECT(!Read(fixture, *log, Offset(7), 10).ok(), "offset 7 is inside a batch");
  return absl::OkStatus();
}

absl::Status RefusesWhatDoesNotContinue(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  const Batch first = MakeBatch(fixture, Offset(0), Epoch(5), "first");
  QUORATE_EXPECT_OK(Append(fixture, *log, {first}).status());
  for (const Batch& wrong :
       {MakeBatch(fixture, Offset(2), Epoch(5), "gap"), MakeBatch(fixture, Offset(0), Epoch(5), "again"),
        MakeBatch(fixture, Offset(1), Epoch(4), "older epoch")}) {
    const absl::Status status = Append(fixture, *log, {wrong}).status();
    QUORATE_EXPECT(ReasonOf(status) == Reason::kInvalidArgument, status.ToString());
    QUORATE_EXPECT(OutcomeOf(status) == Outcome::kNotApplied, status.ToString());
  }
  const Batch second = MakeBatch(fixture, Offset(1), Epoch(5), "second");
  const Batch gap = MakeBatch(fixture, Offset(3), Epoch(5), "gap");
  QUORATE_EXPECT(!Append(fixture, *log, {second, gap}).ok(), "a call is taken as a whole or not at all");
  absl::StatusOr<Offset> end = Append(fixture, *log, {second});
  QUORATE_EXPECT(end.ok() && *end == Offset(2), end.status().ToString());
  absl::StatusOr<std::vector<Batch>> all = Read(fixture, *log, Offset(0), 1u << 20);
  QUORATE_EXPECT(all.ok() && SameBytes(*all, {first, second}), all.status().ToString());
  return absl::OkStatus();
}

absl::Status CallbacksInOrder(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::string> problems;
  std::atomic<int> count{0};
  const auto note = [&](int number, const absl::Status& status) {
    std::lock_guard<std::mutex> lock(mutex);
    order.push_back(number);
    if (!status.ok()) problems.push_back(absl::StrCat(number, ": ", status.ToString()));
    ++count;
  };
  constexpr int kRounds = 50;
  Offset end(0);
  for (int round = 0; round < kRounds; ++round) {
    const Batch keep = MakeBatch(fixture, end, Epoch(1), absl::StrCat("keep ", round), 2);
    const Batch drop = MakeBatch(fixture, end + 2, Epoch(1), absl::StrCat("drop ", round));
    const Offset kept_end = end + 2;
    log->Append({keep}, [&note, round, kept_end](absl::StatusOr<Offset> result) {
      note(4 * round, result.ok() && *result < kept_end ? absl::InternalError("not covered") : result.status());
    });
    // Not yet durable, perhaps, but to be read.
    log->Read(end, 1, [&note, round, keep](absl::StatusOr<std::vector<Batch>> result) {
      const bool same = result.ok() && SameBytes(*result, {keep});
      note(4 * round + 1, same ? absl::OkStatus() : absl::InternalError(result.status().ToString()));
    });
    log->Append({drop}, [&note, round](absl::StatusOr<Offset> result) { note(4 * round + 2, result.status()); });
    log->TruncateSuffix(kept_end, [&note, round](absl::Status status) { note(4 * round + 3, status); });
    end = kept_end;
  }
  QUORATE_EXPECT(fixture.RunUntil([&] { return count == 4 * kRounds; }), count.load(), " callbacks of ", 4 * kRounds);
  std::lock_guard<std::mutex> lock(mutex);
  QUORATE_EXPECT(problems.empty(), problems.front());
  QUORATE_EXPECT(std::is_sorted(order.begin(), order.end()), "callbacks run in the order of the calls (F-D13)");
  return absl::OkStatus();
}

absl::Status NeverInsideTheCall(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  // A callback that takes the caller's lock would hang (or find it taken) if it ran inside the call.
  std::mutex callers;
  std::atomic<int> count{0};
  const auto callback = [&](const auto&) {
    std::lock_guard<std::mutex> lock(callers);
    ++count;
  };
  {
    std::lock_guard<std::mutex> lock(callers);
    log->Append({MakeBatch(fixture, Offset(0), Epoch(0), "a")}, callback);
    log->Append({MakeBatch(fixture, Offset(9), Epoch(0), "refused")}, callback);
    log->Read(Offset(0), 1, callback);
    log->Read(Offset(100), 1, callback);
    log->TruncateSuffix(Offset(1), callback);
    log->TruncateSuffix(Offset(100), callback);
    QUORATE_EXPECT(count == 0, "");
  }
  QUORATE_EXPECT(fixture.RunUntil([&] { return count == 6; }), count.load(), " callbacks of 6");
  return absl::OkStatus();
}

absl::Status TruncateAndContinue(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  std::vector<Batch> batches;
  for (int64_t i = 0; i < 10; ++i)
    batches.push_back(MakeBatch(fixture, Offset(3 * i), Epoch(1), absl::StrCat("old ", i), 3));
  QUORATE_EXPECT_OK(Append(fixture, *log, batches).status());
  QUORATE_EXPECT(!Truncate(fixture, *log, Offset(13)).ok(), "13 is inside a batch");
  QUORATE_EXPECT(!Truncate(fixture, *log, Offset(31)).ok(), "31 is behind the end");
  QUORATE_EXPECT_OK(Truncate(fixture, *log, Offset(30)));
  QUORATE_EXPECT_OK(Truncate(fixture, *log, Offset(12)));
  QUORATE_EXPECT(absl::IsOutOfRange(Read(fixture, *log, Offset(12), 1).status()), "");
  batches.resize(4);
  batches.push_back(MakeBatch(fixture, Offset(12), Epoch(2), "new"));
  absl::StatusOr<Offset> end = Append(fixture, *log, {batches.back()});
  QUORATE_EXPECT(end.ok() && *end == Offset(13), end.status().ToString());
  absl::StatusOr<std::vector<Batch>> all = Read(fixture, *log, Offset(0), 1u << 20);
  QUORATE_EXPECT(all.ok() && SameBytes(*all, batches), all.ok() ? Describe(*all) : all.status().ToString());
  if (fixture.survives_restart()) {
    log.reset();
    log = fixture.Make();
    QUORATE_EXPECT_OK(OpenExpecting(*log, batches));
  }
  QUORATE_EXPECT_OK(Truncate(fixture, *log, Offset(0)));
  const Batch again = MakeBatch(fixture, Offset(0), Epoch(1), "from the start, in an epoch as low as it likes");
  QUORATE_EXPECT_OK(Append(fixture, *log, {again}).status());
  if (!fixture.survives_restart()) return absl::OkStatus();
  log.reset();
  log = fixture.Make();
  return OpenExpecting(*log, {again});
}

absl::Status LargestBatch(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  const std::vector<Batch> batches = {MakeBatch(fixture, Offset(0), Epoch(1), "small"),
                                      MakeBatch(fixture, Offset(1), Epoch(1), std::string(8'000'000, 'L')),
                                      MakeBatch(fixture, Offset(2), Epoch(1), "small")};
  QUORATE_EXPECT_OK(Append(fixture, *log, batches).status());
  absl::StatusOr<std::vector<Batch>> one = Read(fixture, *log, Offset(1), 1);
  QUORATE_EXPECT(one.ok() && SameBytes(*one, {batches[1]}), one.status().ToString());
  if (!fixture.survives_restart()) return absl::OkStatus();
  log.reset();
  log = fixture.Make();
  return OpenExpecting(*log, batches);
}

absl::Status VisitErrorEndsOpen(LogStoreFixture& fixture) {
  if (!fixture.survives_restart()) return absl::OkStatus();
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  const Batch batch = MakeBatch(fixture, Offset(0), Epoch(1), "a");
  QUORATE_EXPECT_OK(Append(fixture, *log, {batch}).status());
  log.reset();
  log = fixture.Make();
  const absl::Status no = absl::ResourceExhaustedError("no more");
  QUORATE_EXPECT(log->Open([&](const Batch&) { return no; }).status() == no, "");
  log.reset();
  log = fixture.Make();
  return OpenExpecting(*log, {batch});
}

absl::Status DestructionCompletesEverything(LogStoreFixture& fixture) {
  std::unique_ptr<LogStore> log = fixture.Make();
  QUORATE_EXPECT_OK(OpenExpecting(*log, {}));
  constexpr int kCalls = 30;
  std::mutex mutex;
  std::vector<int> order;
  std::string problem;
  int acknowledged = 0;
  const auto note = [&](int number, const absl::Status& status) {
    std::lock_guard<std::mutex> lock(mutex);
    order.push_back(number);
    if (status.ok() && number % 3 == 0) acknowledged = number / 3 + 1;
    if (!status.ok() && ReasonOf(status) != Reason::kShuttingDown) problem = status.ToString();
  };
  std::vector<Batch> batches;
  for (int i = 0; i < kCalls; ++i) {
    batches.push_back(MakeBatch(fixture, Offset(i), Epoch(1), absl::StrCat(i)));
    log->Append({batches.back()}, [&note, i](absl::StatusOr<Offset> end) { note(3 * i, end.status()); });
    log->Read(Offset(i), 1, [&note, i](const auto& result) { note(3 * i + 1, result.status()); });
    log->TruncateSuffix(Offset(i + 1), [&note, i](const absl::Status& status) { note(3 * i + 2, status); });
  }
  log.reset();
  {
    std::lock_guard<std::mutex> lock(mutex);
    QUORATE_EXPECT(order.size() == 3 * kCalls, order.size(), " callbacks of ", 3 * kCalls, " had run");
    QUORATE_EXPECT(std::is_sorted(order.begin(), order.end()), "callbacks run in the order of the calls (F-D13)");
    QUORATE_EXPECT(problem.empty(), problem);
  }
  if (!fixture.survives_restart()) return absl::OkStatus();
  // What was acknowledged is there; what was not may be.
  log = fixture.Make();
  std::vector<Batch> visited;
  QUORATE_EXPECT_OK(log->Open([&](const Batch& batch) {
                         visited.push_back(batch);
                         return absl::OkStatus();
                       })
                        .status());
  QUORATE_EXPECT(visited.size() >= static_cast<size_t>(acknowledged), visited.size(), " of ", acknowledged);
  batches.resize(visited.size());
  QUORATE_EXPECT(SameBytes(visited, batches), Describe(visited));
  return absl::OkStatus();
}

}  // namespace

std::vector<ConformanceCase<LogStoreFixture>> LogStoreConformance() {
  std::vector<ConformanceCase<LogStoreFixture>> cases = {
      {"an empty log", EmptyLog},
      {"what is appended is read back, byte for byte", AppendAndRead},
      {"reads return at least one batch and no more than fit", ReadBounds},
      {"an append that doesn't continue the log is refused as a whole", RefusesWhatDoesNotContinue},
      {"callbacks run in the order of the calls (F-D13)", CallbacksInOrder},
      {"callbacks never run inside the call", NeverInsideTheCall},
      {"a truncated log is continued from there", TruncateAndContinue},
      {"a batch near the size limit", LargestBatch},
      {"an error of the visitor ends Open", VisitErrorEndsOpen},
      {"destruction completes every call exactly once", DestructionCompletesEverything},
  };
  for (auto* part : {&LogTrimConformance, &LogModelConformance}) {
    for (auto& test : part()) cases.push_back(std::move(test));
  }
  return cases;
}

}  // namespace quorate::testing
