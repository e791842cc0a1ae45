// Parts of the simulator by themselves.
#include <set>
#include <string>
#include <vector>

#include "quorate/storage_adapters.h"
#include "simulator/sections.h"
#include "support/catch.h"
#include "testing/simulator/cluster.h"
#include "testing/simulator/disk_rot.h"
#include "testing/simulator/history.h"
#include "testing/simulator/lost_files.h"
#include "testing/simulator/machine.h"
#include "testing/simulator/message_digest.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"
#include "testing/simulator/scheduler.h"
#include "testing/simulator/shrink.h"

namespace quorate::testing::simulator {
namespace {

// Of the plans of the first seeds.
constexpr uint64_t kPlansHash = 8826099793724051949;

TEST_CASE("plans are drawn alike from one seed, and survive being printed", "[simulator]") {
  std::set<std::string> kinds;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const SimulationPlan plan = DrawPlan(seed);
    CHECK(plan == DrawPlan(seed));
    absl::StatusOr<SimulationPlan> read = ParsePlan(PrintPlan(plan));
    REQUIRE(read.ok());
    CHECK(*read == plan);
    CHECK(plan.config.voters >= 1);
    CHECK(plan.config.voters <= 7);
    for (const FaultAction& fault : plan.faults) kinds.insert(std::string(ToString(fault.kind)));
  }
  CHECK(kinds.size() == static_cast<size_t>(kFaultKinds));
}

// A seed's plan is a matter of integers, and so the same on every machine and with every compiler. What the runs
// themselves come to isn't written down: it changes with each change of the library, and nobody reviews a number
// (docs/testing.md). tests/simulator/two_compilers.sh compares those of two builds.
TEST_CASE("a seed draws the same plan everywhere", "[simulator]") {
  TraceHash hash;
  for (uint64_t seed = 1; seed <= 500; ++seed) hash.Mix(BytesDigest(PrintPlan(DrawPlan(seed))));
  INFO("When the swarm was changed on purpose, the new number is " << hash.value());
  CHECK(hash.value() == kPlansHash);
}

TEST_CASE("a plan that says nonsense is refused, with the line", "[simulator]") {
  for (const char* text : {"voters\n", "voters=x\n", "colour=3\n", "at x kill node=1 a=1 b=1\n", "at 5 kill node=1\n",
                           "at 5 burn node=1 a=1 b=1\n", "at 5 kill node=nobody a=1 b=1\n"}) {
    INFO(text);
    const absl::StatusOr<SimulationPlan> plan = ParsePlan(text);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.status().message().find(std::string(text).substr(0, 4)) != std::string::npos);
  }
  CHECK(ParsePlan("# a comment\n\nseed=4\n")->seed == 4);
}

TEST_CASE("a generated section of a page is replaced, and what people wrote stays", "[simulator]") {
  const std::string page = WithSection("# Page\n", "run", "old\n");
  CHECK(page == "# Page\n\n<!-- generated: run -->\nold\n<!-- end: run -->\n");
  const std::string both = WithSection(page + "\nBy hand.\n", "seeded bugs", "table\n");
  const std::string next = WithSection(both, "run", "new\n");
  CHECK(next ==
        "# Page\n\n<!-- generated: run -->\nnew\n<!-- end: run -->\n\nBy hand.\n\n"
        "<!-- generated: seeded bugs -->\ntable\n<!-- end: seeded bugs -->\n");
  CHECK(WithSection("", "run", "x\n") == "<!-- generated: run -->\nx\n<!-- end: run -->\n");
}

TEST_CASE("a directory that lost files is refused, and whole again afterwards (F-D15, M-39)", "[simulator]") {
  DirectoryIdentity identity;
  identity.cluster_id = ClusterId(Uuid(1, 1'001));
  identity.node_id = NodeId(1);
  identity.directory_id = DirectoryId(Uuid(1, 1'002));
  for (uint64_t lot = 0; lot < 4; ++lot) {
    SimFileSystem files;
    REQUIRE(FormatDirectory(&files, "/data", identity).ok());
    const auto opens = [&files]() -> absl::Status {
      Scheduler scheduler(1);
      Machine machine(&scheduler, 0, 1, Latencies());
      SimulatedStorage storage;
      storage.files = &files;
      storage.path = "/data";
      storage.segment_bytes = 1 << 20;
      storage.executors = machine.executors();
      storage.clock = machine.clock();
      absl::StatusOr<Stores> stores = FileStorageAdapter().open(storage);
      if (!stores.ok()) return stores.status();
      absl::Status opened = stores->log->Open([](const Batch&) { return absl::OkStatus(); }).status();
      if (opened.ok()) opened = stores->election_state->Load().status();
      stores->log.reset();
      stores->election_state.reset();
      stores->snapshots.reset();
      return opened;
    };
    REQUIRE(opens().ok());
    const std::optional<LostFiles> lost = LoseFiles(&files, "/data", lot);
    REQUIRE(lost.has_value());
    INFO(lost->what);
    const absl::Status refused = opens();
    CHECK_FALSE(refused.ok());
    CHECK(refused.message().find("/data") != std::string::npos);
    files.LoadDisk(lost->before);
    CHECK(opens().ok());
  }
}

TEST_CASE("events come in the order of their time, ties in an order of their own", "[simulator]") {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Scheduler scheduler(seed);
    std::string order;
    for (char name : {'a', 'b', 'c'}) {
      scheduler.After(absl::Seconds(1), EventKind::kTask, 0, [&order, name] { order += name; });
    }
    scheduler.After(absl::Seconds(2), EventKind::kTask, 0, [&order] { order += '!'; });
    const Scheduler::EventId never =
        scheduler.After(absl::Milliseconds(1), EventKind::kTask, 0, [&order] { order += '?'; });
    CHECK(scheduler.Cancel(never));
    CHECK_FALSE(scheduler.Cancel(never));
    while (scheduler.RunNext(Instant::FromNanos(9'000'000'000))) {
    }
    CHECK(scheduler.now() == Instant::FromNanos(9'000'000'000));
    CHECK(scheduler.pending() == 0);
    REQUIRE(order.size() == 4);
    CHECK(order.back() == '!');
    orders.insert(order);
  }
  CHECK(orders.size() > 3);
}

TEST_CASE("a machine's timers follow its clock, and wait while it is paused (F-P06, F-P07)", "[simulator]") {
  Scheduler scheduler(1);
  Machine machine(&scheduler, 0, 1, Latencies());
  const auto run_until = [&](int64_t seconds) {
    while (scheduler.RunNext(Instant::FromNanos(seconds * 1'000'000'000))) {
    }
  };
  std::unique_ptr<Executor> lane = machine.executors()->MakeSerial("quorate-timer");
  run_until(10);
  const Instant start = machine.clock()->Now();
  int fired = 0;
  lane->PostAt(start + absl::Seconds(4), [&] { ++fired; });
  machine.SetClockRate(500);  // it shows two seconds after four
  run_until(17);
  CHECK(fired == 0);
  run_until(19);
  CHECK(fired == 1);
  CHECK(machine.clock()->Now() - start >= absl::Seconds(4));

  lane->PostAt(machine.clock()->Now() + absl::Seconds(1), [&] { ++fired; });
  machine.Pause();
  run_until(60);
  CHECK(fired == 1);
  machine.Resume();
  run_until(61);
  CHECK(fired == 2);

  const absl::Time wall = machine.clock()->WallNow();
  machine.JumpWall(-absl::Hours(24 * 365));
  CHECK(machine.clock()->WallNow() < wall);
  CHECK(machine.clock()->Now() >= start);
}

TEST_CASE("executors of a machine are serial, and run what is left when they go", "[simulator]") {
  Scheduler scheduler(1);
  Machine machine(&scheduler, 0, 1, Latencies());
  std::unique_ptr<Executor> lane = machine.executors()->MakeSerial("quorate-log");
  std::string order;
  Executor* const raw = lane.get();
  for (char name : {'a', 'b', 'c'}) {
    lane->Post([&order, name, raw] {
      order += name;
      if (name == 'a') raw->Post([&order] { order += 'z'; });
    });
  }
  const Executor::TimerId timer = lane->PostAt(Instant::FromNanos(5'000'000'000), [&] { order += '!'; });
  CHECK(lane->Cancel(timer));
  CHECK_FALSE(lane->Cancel(timer));
  lane->PostAt(Instant::FromNanos(5'000'000'000), [&] { order += '!'; });
  lane.reset();
  CHECK(order == "abcz");
  while (scheduler.RunNext(Instant::FromNanos(9'000'000'000))) {
  }
  CHECK(order == "abcz");
}

Batch Make(int64_t base, int epoch, const std::string& text) {
  const absl::string_view view = text;
  return *Batch::Make({Offset(base), Epoch(epoch), BatchKind::kData, 1, 0}, absl::MakeConstSpan(&view, 1));
}

TEST_CASE("logs are told apart at the first difference (I-05, I-07)", "[simulator]") {
  History history;
  ShadowLog a;
  ShadowLog b;
  CHECK_FALSE(history.Note(Make(0, 1, "x"), a.Append(Make(0, 1, "x"))).has_value());
  CHECK_FALSE(history.Note(Make(0, 1, "x"), b.Append(Make(0, 1, "x"))).has_value());
  CHECK_FALSE(history.Note(Make(1, 2, "y"), a.Append(Make(1, 2, "y"))).has_value());
  CHECK_FALSE(history.Note(Make(1, 3, "z"), b.Append(Make(1, 3, "z"))).has_value());
  // Equal bytes behind different pasts.
  CHECK_FALSE(history.Note(Make(2, 4, "w"), a.Append(Make(2, 4, "w"))).has_value());
  CHECK(history.Note(Make(2, 4, "w"), b.Append(Make(2, 4, "w"))).has_value());
  CHECK(history.IsGenuine(Make(2, 4, "w")));
  CHECK_FALSE(history.IsGenuine(Make(2, 4, "v")));

  CHECK_FALSE(history.Commit(a.entries()[0], Epoch(2)).has_value());
  CHECK_FALSE(history.Commit(a.entries()[1], Epoch(2)).has_value());
  CHECK(history.Commit(b.entries()[1], Epoch(3)).has_value());
  CHECK(history.committed_end() == Offset(2));
  CHECK(history.CommittedBy(a.entries()[1]) == Epoch(2));
  CHECK(history.LastCommittedBefore(Epoch(2)) == nullptr);

  std::vector<LogEntry> cut;
  a.Truncate(Offset(1), &cut);
  CHECK(cut.size() == 2);
  CHECK(a.end() == Offset(1));
  CHECK(a.ChainAt(Offset(1)) == history.ChainAt(Offset(1)));
  CHECK_FALSE(a.ChainAt(Offset(2)).has_value());
}

TEST_CASE("bits rot only where that can be noticed (F-D02, F-D04)", "[simulator]") {
  SimFileSystem files(1);
  DirectoryIdentity identity;
  identity.cluster_id = ClusterId(Uuid(1, 2));
  identity.node_id = NodeId(1);
  identity.directory_id = DirectoryId(Uuid(3, 4));
  REQUIRE(FormatDirectory(&files, "/data", identity).ok());
  Xoshiro random(5);
  int refused = 0;
  for (int i = 0; i < 40; ++i) {
    const std::optional<Rot> rot = RotABit(&files, "/data", &random);
    REQUIRE(rot.has_value());
    // Either the file is refused, or there was a second copy.
    refused += ReadDirectoryIdentity(&files, "/data").ok() ? 0 : 1;
    rot->UndoOn(&files);
    REQUIRE(ReadDirectoryIdentity(&files, "/data").ok());
  }
  CHECK(refused > 0);
  CHECK(RotASlot(&files, "/data", &random).has_value());
  CHECK_FALSE(RotASlot(&files, "/data", &random).has_value());  // the other one is needed now
}

// A "library" that fails when there is a pause of node 2 and a kill, and more than one client.
RunResult Pretend(const SimulationPlan& plan) {
  RunResult result;
  bool pause = false;
  bool kill = false;
  for (const FaultAction& fault : plan.faults) {
    pause = pause || (fault.kind == FaultKind::kPause && fault.node == 2);
    kill = kill || fault.kind == FaultKind::kKill;
  }
  if (pause && kill && plan.config.clients > 1 && plan.config.voters > 2) {
    result.violation = Violation{"I-99", "pretended", Instant::FromNanos(4'000'000'000)};
  } else if (pause) {
    result.violation = Violation{"I-98", "another one", Instant::FromNanos(4'000'000'000)};
  }
  return result;
}

TEST_CASE("a failing plan is shrunk to what it needs", "[simulator]") {
  SimulationPlan plan = DrawPlan(17);
  plan.config.voters = 5;
  plan.config.clients = 8;
  for (int i = 0; i < 30; ++i) {
    plan.faults.push_back({i * 100, FaultKind::kPause, i % 5, 10, 0});
    plan.faults.push_back({i * 100, FaultKind::kKill, i % 5, 10, 0});
    plan.faults.push_back({i * 100, FaultKind::kClog, i % 5, 10, 0});
  }
  const RunResult failed = Pretend(plan);
  REQUIRE(failed.violation->invariant == "I-99");
  const Shrunk shrunk = Shrink(plan, failed, Pretend);
  CHECK(shrunk.result.violation->invariant == "I-99");
  CHECK(shrunk.plan.faults.size() == 2);
  CHECK(shrunk.plan.config.voters == 3);
  CHECK(shrunk.plan.config.observers == 0);
  CHECK(shrunk.plan.config.loss_permille == 0);
  CHECK(shrunk.plan.config.clients < 8);
  CHECK(shrunk.runs <= 400);
}

}  // namespace
}  // namespace quorate::testing::simulator
