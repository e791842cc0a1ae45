// The log while it runs: groups, segments, errors (rules; faults F-D02, F-D08, F-D09, F-D10).
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "storage/file_log_store.h"
#include "storage/fixtures.h"
#include "storage/segment_format.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCall;
using testing::FileCallInfo;
using testing::Survival;

struct Running : Machine {
  explicit Running(uint64_t segment_bytes = kSmallSegment) : Machine(1, segment_bytes) {
    REQUIRE(Format().ok());
    REQUIRE(Start().ok());
  }
};

std::vector<Batch> Batches(int count, size_t bytes, Offset base = Offset(0)) {
  std::vector<Batch> out;
  for (int i = 0; i < count; ++i) out.push_back(TestBatch(base + i, Epoch(1), std::string(bytes, 'x')));
  return out;
}

TEST_CASE("what is queued shares one write and one sync, whoever appended it") {
  Running machine(1u << 20);
  const uint64_t calls = machine.files.calls();
  const uint64_t syncs = machine.files.CountOf(FileCall::kSync);
  const uint64_t writes = machine.files.CountOf(FileCall::kWrite);
  int acknowledged = 0;
  for (const Batch& batch : Batches(100, 200)) {
    machine.log->Append({batch}, [&](absl::StatusOr<Offset> end) {
      CHECK(end.ok());
      CHECK(*end == Offset(100));
      ++acknowledged;
    });
  }
  machine.executor.RunUntilIdle();
  CHECK(acknowledged == 100);
  CHECK(machine.files.CountOf(FileCall::kWrite) == writes + 1);
  CHECK(machine.files.CountOf(FileCall::kSync) == syncs + 1);
  CHECK(machine.files.calls() == calls + 2);
}

TEST_CASE("an append in a prepared segment never grows the file") {
  Running machine(1u << 20);
  const std::string prepared = JoinPath(kPath, kPreparedSegmentName);
  REQUIRE(machine.Append(Batches(50, 5000)).ok());
  CHECK(machine.files.Contents(SegmentPath(0)).size() == 1u << 20);
  CHECK_FALSE(*machine.files.Exists(prepared));
  REQUIRE(machine.Append(Batches(100, 5000, Offset(50))).ok());  // more than half
  REQUIRE(*machine.files.Exists(prepared));
  const bool all_zero = machine.files.Contents(prepared) == std::string(1u << 20, '\0');
  CHECK(all_zero);
  // Rolls into the next, which was prepared to its full size.
  REQUIRE(machine.Append(Batches(100, 5000, Offset(150))).ok());
  const std::vector<std::string> names = *machine.files.List(kPath);
  int segments = 0;
  for (const std::string& name : names) {
    if (!ParseSegmentName(name).has_value()) continue;
    ++segments;
    CHECK(machine.files.Contents(JoinPath(kPath, name)).size() == 1u << 20);
  }
  CHECK(segments == 2);
}

TEST_CASE("a new segment is whole and named durably before it is used (R-01)") {
  Running machine;
  REQUIRE(machine.Append(Batches(2, 5000)).ok());  // more than half full: the next is prepared
  std::vector<std::string> order;
  machine.files.SetHook([&](const FileCallInfo& info) {
    const bool prepared = absl::EndsWith(info.path, ".tmp");
    if (prepared && info.call == FileCall::kWrite) order.push_back("header");
    if (prepared && info.call == FileCall::kSync) order.push_back("sync");
    if (info.call == FileCall::kRename) order.push_back("rename");
    if (info.call == FileCall::kSyncDirectory) order.push_back("sync directory");
    if (info.path == SegmentPath(0) && info.call == FileCall::kSync) order.push_back("old segment durable");
    if (info.path == SegmentPath(3) && info.call == FileCall::kWrite) order.push_back("used");
    return absl::OkStatus();
  });
  bool acknowledged = false;
  const std::vector<Batch> small = Batches(1, 100, Offset(2));
  const std::vector<Batch> large = Batches(1, 5000, Offset(3));
  machine.log->Append({small[0], large[0]}, [&](const absl::StatusOr<Offset>& end) { acknowledged = end.ok(); });
  REQUIRE(machine.executor.RunOne());  // the log's turn
  CHECK(acknowledged);
  CHECK(order == std::vector<std::string>{"old segment durable", "header", "sync", "rename", "sync directory", "used"});
}

TEST_CASE("the log rolls also when no segment is prepared") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  bool acknowledged = false;
  machine.files.SetHook([](const FileCallInfo& info) {
    return absl::EndsWith(info.path, kPreparedSegmentName) ? MakeError(Reason::kStorage, Outcome::kUnknown, "no")
                                                           : absl::OkStatus();
  });
  const std::vector<Batch> batches = Batches(20, 3000);
  machine.log->Append(batches, [&](const absl::StatusOr<Offset>& end) { acknowledged = end.ok(); });
  machine.executor.RunUntilIdle();
  CHECK(acknowledged);
  CHECK(absl::StrContains(machine.sink->text(), "event=segment_preparation_failed"));
  machine.files.SetHook(nullptr);
  machine.Stop();
  REQUIRE(machine.Start().ok());
  CHECK(SameBytes(machine.recovered, batches));
}

TEST_CASE("a log rolls into its prepared segment without a new descriptor (F-P09)") {
  Running machine;
  const std::vector<Batch> batches = Batches(3, 5000);
  REQUIRE(machine.Append({batches[0], batches[1]}).ok());
  machine.files.SetHook([](const FileCallInfo& info) {
    return info.call == FileCall::kOpen ? MakeError(Reason::kStorage, Outcome::kUnknown, "Too many open files")
                                        : absl::OkStatus();
  });
  CHECK(machine.Append({batches[2]}).ok());  // rolls
  machine.files.SetHook(nullptr);
  machine.Stop();
  REQUIRE(machine.Start().ok());
  CHECK(SameBytes(machine.recovered, batches));
}

TEST_CASE("after the first write or sync error the log is dead (F-D08, F-D09)") {
  for (FileCall failing : {FileCall::kWrite, FileCall::kSync}) {
    Running machine;
    REQUIRE(machine.Append(Batches(2, 100)).ok());
    bool failed = false;
    machine.files.SetHook([&](const FileCallInfo& info) {
      if (info.call != failing || failed) return absl::OkStatus();
      failed = true;  // once: the next one would succeed
      return MakeError(Reason::kStorage, Outcome::kUnknown, "the disk said no");
    });
    std::vector<absl::Status> results;
    const auto note = [&results](absl::Status status) { results.push_back(std::move(status)); };
    machine.log->Append(Batches(1, 100, Offset(2)), [&](const absl::StatusOr<Offset>& end) { note(end.status()); });
    machine.log->Append(Batches(1, 100, Offset(3)), [&](const absl::StatusOr<Offset>& end) { note(end.status()); });
    machine.executor.RunUntilIdle();
    REQUIRE(results.size() == 2);
    const uint64_t calls = machine.files.calls();
    machine.log->Append(Batches(1, 100, Offset(2)), [&](const absl::StatusOr<Offset>& end) { note(end.status()); });
    machine.log->Read(Offset(0), 100, [&](const auto& batches) { note(batches.status()); });
    machine.log->TruncateSuffix(Offset(1), note);
    machine.executor.RunFor(absl::Seconds(5));
    machine.log->Append(Batches(1, 100, Offset(2)), [&](const absl::StatusOr<Offset>& end) { note(end.status()); });
    machine.log.reset();
    CHECK(results.size() == 6);
    for (const absl::Status& status : results) {
      CHECK(ReasonOf(status) == Reason::kStorage);
      CHECK(absl::StrContains(status.message(), "the disk said no"));
    }
    CHECK(machine.files.calls() == calls);
    CHECK(absl::StrContains(machine.sink->text(), "event=log_failed"));
  }
}

TEST_CASE("an error of any call loses nothing that was acknowledged (F-D08, F-D09)") {
  uint64_t failures = 0;
  for (uint64_t n = 1;; ++n) {
    Running machine;
    machine.files.FailCall(n);
    std::vector<Batch> acknowledged;
    std::vector<Batch> submitted;
    absl::Status status;
    for (int i = 0; i < 12 && status.ok(); ++i) {
      const Offset end = submitted.empty() ? Offset(0) : submitted.back().end_offset();
      std::vector<Batch> group = Batches(1 + i % 3, 2500, end);
      submitted.insert(submitted.end(), group.begin(), group.end());
      status = machine.Append(group).status();
      if (status.ok()) acknowledged = submitted;
    }
    const bool reached = machine.files.calls() >= n;
    machine.files.Crash();
    machine.Stop();
    machine.files.Restart(Survival::kRandom);
    INFO("call " << n);
    REQUIRE(machine.Start() == absl::OkStatus());
    const size_t found = machine.recovered.size();
    REQUIRE(found >= acknowledged.size());
    REQUIRE(found <= submitted.size());
    submitted.resize(found);
    CHECK(SameBytes(machine.recovered, submitted));
    if (!reached) break;
    if (!status.ok()) ++failures;
  }
  CHECK(failures > 20);
}

TEST_CASE("a full disk acknowledges nothing and the log is there afterwards (F-D10)") {
  Running machine;
  REQUIRE(machine.Append(Batches(3, 4000)).ok());
  machine.files.SetQuotaBytes(0);
  absl::Status status;
  int more = 0;
  for (; more < 100 && status.ok(); ++more) {
    status = machine.Append(Batches(1, 4000, Offset(3 + more))).status();
  }
  CHECK(ReasonOf(status) == Reason::kStorage);
  CHECK(absl::StrContains(status.message(), "No space left"));
  machine.Stop();
  machine.files.SetQuotaBytes(UINT64_MAX);
  REQUIRE(machine.Start() == absl::OkStatus());
  CHECK(machine.recovered.size() >= static_cast<size_t>(3 + more - 1));
}

TEST_CASE("damaged bytes are never handed out (F-D02, R-09)") {
  Running machine;
  REQUIRE(machine.Append(Batches(4, 1000)).ok());
  const uint64_t second = SegmentHeader::kBytes + FrameBytes(Batches(1, 1000)[0].size());
  for (uint64_t at : {second, second + 20, second + FrameHeader::kBytes + 70, second + FrameHeader::kBytes + 900}) {
    machine.files.FlipBit(SegmentPath(0), at * 8);
    CHECK(machine.Read(Offset(0), 1)->size() == 1);  // what is before it
    const absl::Status status = machine.Read(Offset(1), 1).status();
    CHECK(ReasonOf(status) == Reason::kCorruption);
    CHECK(absl::StrContains(status.message(), SegmentPath(0)));
    CHECK(absl::StrContains(status.message(), absl::StrCat("at byte ", second)));
    machine.files.FlipBit(SegmentPath(0), at * 8);
    CHECK(machine.Read(Offset(1), 1).ok());
  }
}

TEST_CASE("reads find their batch in a long segment, across segments, and behind a large batch") {
  Running machine(256u << 10);
  std::vector<Batch> batches;
  Offset end(0);
  for (int i = 0; i < 600; ++i) {
    const size_t bytes = i % 50 == 0 ? 40'000 : static_cast<size_t>(i * 37 % 900);
    batches.push_back(TestBatch(end, Epoch(1), std::string(bytes, 'r'), 1 + i % 2));
    end = batches.back().end_offset();
  }
  for (size_t i = 0; i < batches.size(); i += 20) {
    REQUIRE(
        machine.Append({batches.begin() + static_cast<ptrdiff_t>(i), batches.begin() + static_cast<ptrdiff_t>(i + 20)})
            .ok());
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    absl::StatusOr<std::vector<Batch>> some = machine.Read(batches[i].base_offset(), 3000);
    REQUIRE(some.ok());
    REQUIRE(SameBytes(*some, {batches.begin() + static_cast<ptrdiff_t>(i),
                              batches.begin() + static_cast<ptrdiff_t>(i + some->size())}));
  }
  CHECK(machine.Read(Offset(0), 100u << 20)->size() == batches.size());
}

TEST_CASE("a batch of another cluster is refused") {
  Running machine;
  Batch::Header header;
  header.cluster_hash = 1;
  const absl::Status status = machine.Append({Batch::Make(header, {"x"}).value()}).status();
  CHECK(ReasonOf(status) == Reason::kWrongCluster);
  CHECK(machine.Append(Batches(1, 10)).ok());
}

TEST_CASE("calls before Open and after a failed Open complete with its error") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.OpenDirectory().ok());
  machine.log = machine.directory->MakeLogStore();
  CHECK(ReasonOf(machine.Append(Batches(1, 1)).status()) == Reason::kInvalidArgument);
  machine.files.SetContents(SegmentPath(0), "garbage");
  CHECK(ReasonOf(machine.log->Open([](const Batch&) { return absl::OkStatus(); }).status()) == Reason::kCorruption);
  CHECK(ReasonOf(machine.Append(Batches(1, 1)).status()) == Reason::kCorruption);
}

// Forgets what it was given and didn't run, as Executor allows.
class ForgetfulFactory final : public ExecutorFactory {
 public:
  std::unique_ptr<Executor> MakeSerial(absl::string_view) override {
    class Forgetful final : public Executor {
      void Post(Task) override {}
      TimerId PostAt(Instant, Task) override { return 1; }
      bool Cancel(TimerId) override { return true; }
    };
    return std::make_unique<Forgetful>();
  }
};

TEST_CASE("calls that never came to run complete when the stores are destroyed, also those made then") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  ForgetfulFactory forgetful;
  FileStorageOptions options;
  options.path = kPath;
  options.segment_bytes = kSmallSegment;
  options.files = &machine.files;
  options.executors = &forgetful;
  options.clock = &machine.clock;
  std::unique_ptr<DataDirectory> directory = DataDirectory::Open(options).value();
  std::unique_ptr<LogStore> log = directory->MakeLogStore();
  REQUIRE(log->Open([](const Batch&) { return absl::OkStatus(); }).ok());
  std::unique_ptr<ElectionStateStore> elections = directory->MakeElectionStateStore();
  REQUIRE(elections->Load().ok());
  std::vector<std::string> order;
  const auto note = [&order](const char* name, const absl::Status& status) {
    CHECK(ReasonOf(status) == Reason::kShuttingDown);
    order.emplace_back(name);
  };
  LogStore* const raw = log.get();
  log->Append(Batches(1, 10), [&](const absl::StatusOr<Offset>& end) {
    note("append", end.status());
    raw->TruncateSuffix(Offset(0), [&](const absl::Status& status) { note("from inside", status); });
  });
  log->Read(Offset(0), 1, [&](const auto& batches) { note("read", batches.status()); });
  log->TruncateSuffix(Offset(0), [&](const absl::Status& status) { note("truncate", status); });
  CHECK(order.empty());
  log.reset();
  elections->Store(ElectionState(), [&](const absl::Status& status) { note("vote", status); });
  elections.reset();
  CHECK(order == std::vector<std::string>{"append", "read", "truncate", "from inside", "vote"});
}

TEST_CASE("a callback may make the next call") {
  Running machine;
  int appended = 0;
  std::function<void()> append = [&] {
    machine.log->Append(Batches(1, 10, Offset(appended)), [&](const absl::StatusOr<Offset>& end) {
      REQUIRE(end.ok());
      if (++appended < 10) append();
    });
  };
  append();
  machine.executor.RunUntilIdle();
  CHECK(appended == 10);
}

}  // namespace
}  // namespace quorate::storage
