// The ledger of starts (F-P05): it counts, it advises, and it is never in the way.

#include "storage/start_ledger.h"

#include <string>

#include "storage/fixtures.h"
#include "support/catch.h"

namespace quorate::storage {
namespace {

using testing::FileCallInfo;
using testing::Survival;

const std::string kLedger = JoinPath(kPath, kStartsName);

// A process that dies.
void Kill(Machine& machine) {
  machine.files.Crash();
  machine.Stop();
  machine.files.Restart(Survival::kAll);
}

TEST_CASE("a crash loop is noticed, backed off from, and forgotten after an orderly end (F-P05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  std::vector<int64_t> seconds;
  for (int start = 0; start < 15; ++start) {
    REQUIRE(machine.Start() == absl::OkStatus());
    seconds.push_back(absl::ToInt64Seconds(machine.directory->start_backoff()));
    machine.clock.Advance(machine.directory->start_backoff() + absl::Seconds(2));
    Kill(machine);
  }
  CHECK(seconds == std::vector<int64_t>{0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60});
  CHECK(absl::StrContains(machine.sink->text(), "event=unclean_start"));
  CHECK(absl::StrContains(machine.sink->text(), "in_a_row=14 backoff=1m"));
  REQUIRE(machine.Start().ok());
  CHECK(machine.directory->unclean_starts() == 15);
  CHECK(machine.directory->start_backoff() == absl::Minutes(1));
  REQUIRE(machine.Append({TestBatch(Offset(0), Epoch(1), "nothing is deleted")}).ok());
  machine.Stop();
  REQUIRE(machine.Start().ok());
  CHECK(machine.directory->start_backoff() == absl::ZeroDuration());
  CHECK(machine.recovered.size() == 1);
}

TEST_CASE("deaths that are far apart are no crash loop (F-P05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  for (int start = 0; start < 10; ++start) {
    REQUIRE(machine.Start().ok());
    CHECK(machine.directory->start_backoff() == absl::ZeroDuration());
    machine.clock.Advance(StartLedger::kWindow + absl::Seconds(1));
    Kill(machine);
  }
}

TEST_CASE("who has run for a minute is out of the loop, however it ends (F-P05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  for (int start = 0; start < 8; ++start) {
    REQUIRE(machine.Start().ok());
    CHECK(machine.directory->unclean_starts() == start);
    machine.executor.RunFor(StartLedger::kStable - absl::Milliseconds(1));
    Kill(machine);
  }
  REQUIRE(machine.Start().ok());
  CHECK(machine.directory->start_backoff() > absl::ZeroDuration());
  machine.executor.RunFor(StartLedger::kStable);
  Kill(machine);
  REQUIRE(machine.Start().ok());
  CHECK(machine.directory->unclean_starts() == 1);
  CHECK(machine.directory->start_backoff() == absl::ZeroDuration());
}

TEST_CASE("a life that never got to its log changes no count, unless it is killed (F-P05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  for (int start = 0; start < 7; ++start) {
    REQUIRE(machine.Start().ok());
    Kill(machine);
  }
  for (int start = 0; start < 3; ++start) {
    REQUIRE(machine.OpenDirectory().ok());
    CHECK(machine.directory->unclean_starts() == 7);
    machine.Stop();  // it was told to stop while it waited
  }
  REQUIRE(machine.OpenDirectory().ok());
  Kill(machine);
  REQUIRE(machine.OpenDirectory().ok());
  CHECK(machine.directory->unclean_starts() == 8);
  machine.Stop();
  REQUIRE(machine.Start().ok());
  machine.Stop();
  REQUIRE(machine.OpenDirectory().ok());
  CHECK(machine.directory->unclean_starts() == 0);
}

TEST_CASE("a start that finds damage, or a store that failed, isn't an orderly end (F-P05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  machine.files.SetContents(SegmentPath(0), "garbage");
  for (int start = 0; start < 8; ++start) {
    CHECK_FALSE(machine.Start().ok());
    CHECK((machine.directory->start_backoff() > absl::ZeroDuration()) == (start > StartLedger::kFreeStarts));
    machine.Stop();
  }
  Machine other;
  REQUIRE(other.Format().ok());
  for (int start = 0; start < 8; ++start) {
    REQUIRE(other.Start().ok());
    CHECK((other.directory->start_backoff() > absl::ZeroDuration()) == (start > StartLedger::kFreeStarts));
    other.files.FailCall(1);
    CHECK_FALSE(other.Append({TestBatch(other.bounds.end.end, Epoch(1), "x")}).ok());
    other.Stop();
  }
}

TEST_CASE("whatever is in the ledger, and whatever its disk says, the directory opens (F-P05)") {
  Machine machine;
  REQUIRE(machine.Format().ok());
  REQUIRE(machine.Start().ok());
  Kill(machine);
  const std::string good = machine.files.Contents(kLedger);
  REQUIRE(ParseStartRecord(good).has_value());
  for (const std::string& bad : {std::string(), std::string("x"), std::string(5000, '\xff'), good + good,
                                 good.substr(1), good.substr(0, good.size() - 1)}) {
    machine.files.SetContents(kLedger, bad);
    REQUIRE(machine.Start() == absl::OkStatus());
    CHECK(machine.directory->start_backoff() == absl::ZeroDuration());
    Kill(machine);
    CHECK(machine.files.Contents(kLedger).size() == good.size());
  }
  machine.files.SetHook([&](const FileCallInfo& info) {
    return info.path == kLedger ? MakeError(Reason::kStorage, Outcome::kUnknown, "no") : absl::OkStatus();
  });
  REQUIRE(machine.Start() == absl::OkStatus());
  machine.Stop();
  CHECK(absl::StrContains(machine.sink->text(), "event=start_ledger_failed"));
}

TEST_CASE("a line of the ledger has one form") {
  const StartRecord record{StartRecord::Phase::kRunning, 2, 1'577'836'800'000};
  const std::string line = EncodeStartRecord(record);
  CHECK(absl::StartsWith(line, "version=1 phase=running  unclean=000002 since=00000001577836800000 crc="));
  CHECK(ParseStartRecord(line) == record);
  for (size_t bit = 0; bit < line.size() * 8; ++bit) {
    std::string flipped = line;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    CHECK_FALSE(ParseStartRecord(flipped).has_value());
  }
  for (StartRecord::Phase phase :
       {StartRecord::Phase::kRecovering, StartRecord::Phase::kRunning, StartRecord::Phase::kClosed}) {
    const StartRecord other{phase, 999'999, -5};
    CHECK(ParseStartRecord(EncodeStartRecord(other)) == other);
    CHECK(EncodeStartRecord(other).size() == line.size());
  }
}

}  // namespace
}  // namespace quorate::storage
