#include "quorate/testing/storage_conformance.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/status.h"
#include "testing/conformance_support.h"

namespace quorate::testing {
namespace {

// The text of a batch's only record tells which batch it is.
Batch MakeBatch(const LogStoreFixture& fixture, Offset base, Epoch epoch, std::string text, int records = 1) {
  Batch::Header header;
  header.base_offset = base;
  header.epoch = epoch;
  header.cluster_hash = fixture.cluster_hash();
  const std::vector<absl::string_view> views(records, text);
  return Batch::Make(header, views).value();
}

bool SameBytes(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Batch& x, const Batch& y) { return x.bytes().view() == y.bytes().view(); });
}

std::string Describe(const std::vector<Batch>& batches) {
  std::string out = absl::StrCat(batches.size(), " batches:");
  for (const Batch& batch : batches) {
    absl::StrAppend(&out, " [", batch.base_offset().value(), ",", batch.end_offset().value(), ")@",
                    batch.epoch().value());
  }
  return out;
}

absl::StatusOr<Offset> Append(LogStoreFixture& fixture, LogStore& log, std::vector<Batch> batches) {
  Waiter<absl::StatusOr<Offset>> waiter;
  log.Append(std::move(batches), waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

absl::Status Truncate(LogStoreFixture& fixture, LogStore& log, Offset end) {
  Waiter<absl::Status> waiter;
  log.TruncateSuffix(end, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

absl::StatusOr<std::vector<Batch>> Read(LogStoreFixture& fixture, LogStore& log, Offset from, size_t max_bytes) {
  Waiter<absl::StatusOr<std::vector<Batch>>> waiter;
  log.Read(from, max_bytes, waiter.Done());
  fixture.RunUntil([&] { return waiter.done(); });
  return waiter.result();
}

// Opens the log and checks that it holds exactly `expected`.
absl::Status OpenExpecting(LogStore& log, const std::vector<Batch>& expected) {
  std::vector<Batch> visited;
  absl::StatusOr<LogBounds> bounds = log.Open([&](const Batch& batch) {
    visited.push_back(batch);
    return absl::OkStatus();
  });
  QUORATE_EXPECT_OK(bounds.status());
  QUORATE_EXPECT(SameBytes(visited, expected), "Open visited ", Describe(visited), " instead of ", Describe(expected));
  QUORATE_EXPECT(bounds->start == LogPosition(), bounds->start.end.value());
  const LogPosition end =
      expected.empty() ? LogPosition{} : LogPosition{expected.back().epoch(), expected.back().end_offset()};
  QUORATE_EXPECT(bounds->end == end, "it ends at ", bounds->end.end.value(), " in epoch ", bounds->end.epoch.value());
  return absl::OkStatus();
}

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
  QUORATE_EXPECT(std::is_sorted(order.begin(), order.end()), "callbacks run in the order of the calls");
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
    QUORATE_EXPECT(std::is_sorted(order.begin(), order.end()), "callbacks run in the order of the calls");
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

// Random calls against a vector, with restarts. The seed is fixed: the same calls for every adapter.
class ModelRun {
 public:
  explicit ModelRun(LogStoreFixture& fixture, uint64_t seed) : fixture_(fixture), random_(seed) {}

  absl::Status Run() {
    log_ = fixture_.Make();
    QUORATE_EXPECT_OK(OpenExpecting(*log_, {}));
    for (int step = 0; step < 200; ++step) {
      const uint64_t dice = random_.Below(100);
      absl::Status status = dice < 60 ? AppendSome() : dice < 70 ? TruncateSome() : dice < 95 ? ReadSome() : Restart();
      QUORATE_EXPECT(status.ok(), "step ", step, ": ", status.ToString());
    }
    return Restart();
  }

 private:
  LogPosition End() const {
    return model_.empty() ? LogPosition{} : LogPosition{model_.back().epoch(), model_.back().end_offset()};
  }

  absl::Status AppendSome() {
    std::vector<Batch> batches;
    for (uint64_t i = random_.Below(5); i > 0; --i) {
      const Epoch epoch = End().epoch + static_cast<int32_t>(random_.Below(10) == 0);
      std::string text(random_.Below(random_.Below(4) == 0 ? 5000 : 50), static_cast<char>('a' + random_.Below(26)));
      model_.push_back(MakeBatch(fixture_, End().end, epoch, std::move(text), 1 + static_cast<int>(random_.Below(3))));
      batches.push_back(model_.back());
    }
    absl::StatusOr<Offset> end = Append(fixture_, *log_, std::move(batches));
    QUORATE_EXPECT(end.ok() && *end == End().end, end.status().ToString());
    return absl::OkStatus();
  }

  absl::Status TruncateSome() {
    const size_t keep = model_.size() - std::min<size_t>(model_.size(), random_.Below(random_.Below(8) == 0 ? 100 : 6));
    model_.resize(keep);
    return Truncate(fixture_, *log_, End().end);
  }

  absl::Status ReadSome() {
    if (model_.empty()) return absl::OkStatus();
    const size_t from = random_.Below(model_.size());
    const size_t max_bytes = random_.Below(20'000);
    std::vector<Batch> expected;
    size_t bytes = 0;
    for (size_t i = from; i < model_.size(); ++i) {
      bytes += model_[i].size();
      if (!expected.empty() && bytes > max_bytes) break;
      expected.push_back(model_[i]);
    }
    absl::StatusOr<std::vector<Batch>> got = Read(fixture_, *log_, model_[from].base_offset(), max_bytes);
    QUORATE_EXPECT_OK(got.status());
    QUORATE_EXPECT(SameBytes(*got, expected), "read ", Describe(*got), " instead of ", Describe(expected));
    return absl::OkStatus();
  }

  absl::Status Restart() {
    if (!fixture_.survives_restart()) return absl::OkStatus();
    log_.reset();
    log_ = fixture_.Make();
    return OpenExpecting(*log_, model_);
  }

  LogStoreFixture& fixture_;
  Xoshiro random_;
  std::unique_ptr<LogStore> log_;
  std::vector<Batch> model_;
};

}  // namespace

std::vector<ConformanceCase<LogStoreFixture>> LogStoreConformance() {
  std::vector<ConformanceCase<LogStoreFixture>> cases = {
      {"an empty log", EmptyLog},
      {"what is appended is read back, byte for byte", AppendAndRead},
      {"reads return at least one batch and no more than fit", ReadBounds},
      {"an append that doesn't continue the log is refused as a whole", RefusesWhatDoesNotContinue},
      {"callbacks run in the order of the calls", CallbacksInOrder},
      {"callbacks never run inside the call", NeverInsideTheCall},
      {"a truncated log is continued from there", TruncateAndContinue},
      {"a batch near the size limit", LargestBatch},
      {"an error of the visitor ends Open", VisitErrorEndsOpen},
      {"destruction completes every call exactly once", DestructionCompletesEverything},
  };
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    cases.push_back({absl::StrCat("random calls against a model, seed ", seed),
                     [seed](LogStoreFixture& fixture) { return ModelRun(fixture, seed).Run(); }});
  }
  return cases;
}

}  // namespace quorate::testing
