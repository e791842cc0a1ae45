// The simulator as hosts use it: it must find what is planted in a state machine, in a store and on the wire, and
// nothing where nothing is.
#include "quorate/testing/simulator.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "support/catch.h"

namespace quorate::testing {
namespace {

// Counts how often each name was said; with a flaw of choice.
class Tally : public StateMachine {
 public:
  enum class Flaw { kNone, kClock, kRandom, kResultAsked, kForgetsField, kForgetsRecord, kSkips };
  Tally(Flaw flaw, const SimulatedProcess& process) : flaw_(flaw), process_(process) {}

  absl::Status Apply(absl::Span<const CommittedRecord> records) override {
    for (const CommittedRecord& record : records) {
      int step = 1;
      if (flaw_ == Flaw::kClock && process_.clock->Now().nanos() % 1000 < 20) step = 2;
      if (flaw_ == Flaw::kRandom && process_.random->Below(50) == 0) step = 2;
      if (flaw_ == Flaw::kResultAsked && record.result == nullptr) step = 0;
      counts_[std::string(record.data)] += step;
      total_ += 1;
      if (record.result != nullptr) *record.result = absl::StrCat(counts_[std::string(record.data)], " of ", total_);
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() override {
    auto source = std::make_unique<Source>();
    if (flaw_ != Flaw::kForgetsField) source->records.push_back(absl::StrCat("=", total_));
    for (const auto& [name, count] : counts_) {
      if (flaw_ == Flaw::kForgetsRecord && name == "c") continue;
      source->records.push_back(absl::StrCat(name, " ", count));
    }
    return source;
  }
  absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition) override {
    counts_.clear();
    total_ = 0;
    while (true) {
      auto next = records.Next();
      if (!next.ok()) return next.status();
      if (!next->has_value()) return absl::OkStatus();
      const std::string record(**next);
      if (record[0] == '=') {
        total_ = std::stoi(record.substr(1));
      } else {
        const size_t space = record.find(' ');
        counts_[record.substr(0, space)] = std::stoi(record.substr(space + 1));
      }
    }
  }
  std::string Count(const std::string& name) const {
    return absl::StrCat(counts_.contains(name) ? counts_.at(name) : 0);
  }

 private:
  struct Source : SnapshotSource {
    absl::StatusOr<std::optional<std::string>> Next() override {
      if (at == records.size()) return std::nullopt;
      return std::optional<std::string>(records[at++]);
    }
    std::vector<std::string> records;
    size_t at = 0;
  };
  const Flaw flaw_;
  const SimulatedProcess process_;
  std::map<std::string, int> counts_;
  int total_ = 0;
};

class Speakers : public Workload {
 public:
  WorkloadCall Next(int, uint64_t, Random* random) override {
    WorkloadCall call;
    call.record = call.query = std::string(1, static_cast<char>('a' + random->Below(4)));
    call.read = random->Below(4) == 0;
    return call;
  }
  std::string Answer(StateMachine* machine, const WorkloadCall& call) override {
    return static_cast<Tally*>(machine)->Count(call.query);
  }
};

SimulationOptions Options(uint64_t seeds) {
  SimulationOptions options;
  options.seeds = seeds;
  options.duration_max = absl::Seconds(10);
  return options;
}

SimulationResult RunTally(Tally::Flaw flaw, const SimulationOptions& options) {
  return RunSimulation(
      options, [flaw](const SimulatedProcess& process) { return std::make_unique<Tally>(flaw, process); },
      [] { return std::make_unique<Speakers>(); });
}

TEST_CASE("a sound state machine holds", "[simulator]") {
  const SimulationResult result = RunTally(Tally::Flaw::kNone, Options(8));
  INFO(result.failure.value_or(SimulationFailure{}).report);
  CHECK(result.ok());
  CHECK(result.seeds == 8);
  CHECK(result.calls > 100);
  CHECK(result.faults > 10);
}

TEST_CASE("a state machine that isn't a function of its records is found (I-17, I-18, I-20)", "[simulator]") {
  const std::map<Tally::Flaw, std::string> flaws = {{Tally::Flaw::kClock, "the clock"},
                                                    {Tally::Flaw::kRandom, "chance"},
                                                    {Tally::Flaw::kResultAsked, "whether somebody waits"},
                                                    {Tally::Flaw::kForgetsField, "a forgotten field"},
                                                    {Tally::Flaw::kForgetsRecord, "a forgotten record"}};
  for (const auto& [flaw, name] : flaws) {
    INFO(name);
    SimulationOptions options = Options(40);
    options.shrink = false;
    const SimulationResult result = RunTally(flaw, options);
    REQUIRE_FALSE(result.ok());
    INFO(result.failure->report);
    CHECK((result.failure->invariant == "I-17" || result.failure->invariant == "I-18" ||
           result.failure->invariant == "I-20"));
    CHECK_FALSE(result.failure->what.empty());
    // What one needs to look at it: seed, invariant, what happened, and how to see it again.
    CHECK(result.failure->report.find(
              absl::StrCat("seed ", result.failure->seed, " breaks ", result.failure->invariant)) == 0);
    CHECK(result.failure->report.find(result.failure->what) != std::string::npos);
    CHECK(result.failure->report.find(result.failure->plan) != std::string::npos);
    CHECK(result.failure->report.find("ReplaySimulation") != std::string::npos);
  }
}

TEST_CASE("a failure is made smaller, and replays from its plan", "[simulator]") {
  const SimulationResult result = RunTally(Tally::Flaw::kForgetsField, Options(40));
  REQUIRE_FALSE(result.ok());
  const auto again = ReplaySimulation(
      Options(1), result.failure->plan,
      [](const SimulatedProcess& process) { return std::make_unique<Tally>(Tally::Flaw::kForgetsField, process); },
      [] { return std::make_unique<Speakers>(); });
  REQUIRE_FALSE(again.ok());
  CHECK(again.failure->invariant == result.failure->invariant);
  CHECK(again.failure->what == result.failure->what);
  const auto wrong = ReplaySimulation(
      Options(1), "voters=three\n",
      [](const SimulatedProcess& process) { return std::make_unique<Tally>(Tally::Flaw::kNone, process); },
      [] { return std::make_unique<Speakers>(); });
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.failure->what.find("voters=three") != std::string::npos);
}

TEST_CASE("a call that makes no sense is refused, and says why", "[simulator]") {
  const StateMachineFactory machine = [](const SimulatedProcess& process) {
    return std::make_unique<Tally>(Tally::Flaw::kNone, process);
  };
  const WorkloadFactory workload = [] { return std::make_unique<Speakers>(); };
  const auto refused = [](const SimulationResult& result, const std::string& why) {
    REQUIRE_FALSE(result.ok());
    CHECK(result.seeds == 0);
    CHECK(result.failure->invariant.empty());
    CHECK(result.failure->what.find(why) != std::string::npos);
    CHECK(result.failure->report == result.failure->what);
  };
  refused(RunSimulation(Options(1), nullptr, workload), "factory of state machines");
  refused(ReplaySimulation(Options(1), "seed=1\n", machine, nullptr), "factory of workloads");
  SimulationOptions options = Options(1);
  options.duration_max = absl::ZeroDuration();
  refused(RunSimulation(options, machine, workload), "duration_max");
  options = Options(1);
  options.storage.emplace();
  refused(RunSimulation(options, machine, workload), "storage adapter");

  // An adapter that opens nothing is found by its first start.
  options.shrink = false;
  options.storage->format = [](const SimulatedStorage&) { return absl::OkStatus(); };
  options.storage->open = [](const SimulatedStorage&) { return absl::StatusOr<Stores>(Stores()); };
  const SimulationResult empty = RunSimulation(options, machine, workload);
  REQUIRE_FALSE(empty.ok());
  CHECK(empty.failure->what.find("no log or no election state") != std::string::npos);
}

// Says who asks, and only what it is told to.
class Roll : public Workload {
 public:
  enum class Kinds { kReads, kProposals };
  Roll(Kinds kinds, std::set<int>* clients) : kinds_(kinds), clients_(clients) {}
  WorkloadCall Next(int client, uint64_t serial, Random*) override {
    clients_->insert(client);
    WorkloadCall call;
    call.read = kinds_ == Kinds::kReads;
    call.record = absl::StrCat("r", serial);
    return call;
  }
  std::string Answer(StateMachine* machine, const WorkloadCall&) override {
    REQUIRE(kinds_ == Kinds::kReads);
    return static_cast<Tally*>(machine)->Count("");
  }

 private:
  const Kinds kinds_;
  std::set<int>* const clients_;
};

TEST_CASE("a workload decides what is called, and knows for whom", "[simulator]") {
  for (const Roll::Kinds kinds : {Roll::Kinds::kReads, Roll::Kinds::kProposals}) {
    std::set<int> clients;
    const SimulationResult result = RunSimulation(
        Options(4),
        [](const SimulatedProcess& process) { return std::make_unique<Tally>(Tally::Flaw::kNone, process); },
        [&] { return std::make_unique<Roll>(kinds, &clients); });
    INFO(result.failure.value_or(SimulationFailure{}).report);
    CHECK(result.ok());
    CHECK(result.calls > 20);
    CHECK(clients.contains(-1));
    CHECK(clients.contains(0));
    CHECK(clients.contains(1));
  }
}

TEST_CASE("a trace shows what happens", "[simulator]") {
  SimulationOptions options = Options(1);
  std::string trace;
  options.trace = [&trace](absl::string_view line) { absl::StrAppend(&trace, line, "\n"); };
  CHECK(RunTally(Tally::Flaw::kNone, options).ok());
  for (const char* word : {"event=leadership", "FetchRequest", "machine 0: starts"}) {
    INFO(word);
    CHECK(trace.find(word) != std::string::npos);
  }
}

TEST_CASE("one seed, one history", "[simulator]") {
  CHECK(RunTally(Tally::Flaw::kNone, Options(4)).trace_hash == RunTally(Tally::Flaw::kNone, Options(4)).trace_hash);
}

// A host's store that answers before the disk has it.
class HastyLog final : public LogStore {
 public:
  explicit HastyLog(std::unique_ptr<LogStore> log) : log_(std::move(log)) {}
  absl::StatusOr<LogBounds> Open(absl::FunctionRef<absl::Status(const Batch&)> visit) override {
    return log_->Open(visit);
  }
  void Append(std::vector<Batch> batches, AppendDone done) override {
    if (batches.empty()) return log_->Append(std::move(batches), std::move(done));
    const Offset end = batches.back().end_offset();
    log_->Append(std::move(batches), [](absl::StatusOr<Offset>) {});
    // The next completion of the store is that of an append which may still be under way.
    log_->Read(Offset(0), 1, [end, done = std::move(done)](absl::StatusOr<std::vector<Batch>>) mutable {
      std::move(done)(end + 1'000);
    });
  }
  void TruncateSuffix(Offset new_end, Done done) override { log_->TruncateSuffix(new_end, std::move(done)); }
  void TrimPrefix(LogPosition start, Done done) override { log_->TrimPrefix(start, std::move(done)); }
  void ResetTo(LogPosition start, Done done) override { log_->ResetTo(start, std::move(done)); }
  void Read(Offset from, size_t max_bytes, ReadDone done) override { log_->Read(from, max_bytes, std::move(done)); }

 private:
  std::unique_ptr<LogStore> log_;
};

// An election state that is kept in memory: a host's adapter that forgets to write.
class ForgetfulVotes final : public ElectionStateStore {
 public:
  explicit ForgetfulVotes(std::unique_ptr<Executor> executor) : executor_(std::move(executor)) {}
  absl::StatusOr<std::optional<ElectionState>> Load() override { return std::optional<ElectionState>(); }
  void Store(const ElectionState&, absl::AnyInvocable<void(absl::Status) &&> done) override {
    executor_->Post([done = std::move(done)]() mutable { std::move(done)(absl::OkStatus()); });
  }

 private:
  const std::unique_ptr<Executor> executor_;
};

StorageAdapter Files() {
  StorageAdapter adapter;
  adapter.format = [](const SimulatedStorage& storage) {
    return FormatDirectory(storage.files, storage.path, storage.identity);
  };
  adapter.open = [](const SimulatedStorage& storage) -> absl::StatusOr<Stores> {
    FileStorageOptions options;
    options.path = storage.path;
    options.segment_bytes = storage.segment_bytes;
    options.files = storage.files;
    options.executors = storage.executors;
    options.clock = storage.clock;
    auto directory = DataDirectory::Open(std::move(options));
    if (!directory.ok()) return directory.status();
    Stores stores;
    stores.log = (*directory)->MakeLogStore();
    stores.election_state = (*directory)->MakeElectionStateStore();
    stores.snapshots = (*directory)->MakeSnapshotStore();
    stores.owner = std::shared_ptr<DataDirectory>(*std::move(directory));
    return stores;
  };
  return adapter;
}

TEST_CASE("a host's own storage runs under the simulator, and one that lies is found (I-03, I-12)", "[simulator]") {
  SimulationOptions options = Options(10);
  options.shrink = false;
  options.storage = Files();
  CHECK(RunTally(Tally::Flaw::kNone, options).ok());

  options.seeds = 60;
  options.storage->open = [](const SimulatedStorage& storage) {
    absl::StatusOr<Stores> stores = Files().open(storage);
    if (stores.ok()) stores->log = std::make_unique<HastyLog>(std::move(stores->log));
    return stores;
  };
  const SimulationResult hasty = RunTally(Tally::Flaw::kNone, options);
  REQUIRE_FALSE(hasty.ok());

  options.storage->open = [](const SimulatedStorage& storage) {
    absl::StatusOr<Stores> stores = Files().open(storage);
    if (!stores.ok()) return stores;
    stores->election_state = std::make_unique<ForgetfulVotes>(storage.executors->MakeSerial("votes"));
    return stores;
  };
  const SimulationResult forgetful = RunTally(Tally::Flaw::kNone, options);
  REQUIRE_FALSE(forgetful.ok());
  INFO(forgetful.failure->report);
  CHECK(forgetful.failure->invariant == "I-03");
}

// A host's wire: every message as it is, but one in a while isn't sent.
class Lossy final : public Transport {
 public:
  explicit Lossy(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}
  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override {
    return transport_->Start(identity, handler);
  }
  void SetPeer(NodeId peer, const Endpoint& endpoint) override { transport_->SetPeer(peer, endpoint); }
  void ForgetPeer(NodeId peer) override { transport_->ForgetPeer(peer); }
  void Send(Message message) override {
    if (++sent_ % 50 != 0) transport_->Send(std::move(message));
  }
  void Stop() override { transport_->Stop(); }

 private:
  std::unique_ptr<Transport> transport_;
  int sent_ = 0;
};

TEST_CASE("a host's own transport runs under the simulator", "[simulator]") {
  SimulationOptions options = Options(3);
  options.transport = [](std::unique_ptr<Transport> simulated) -> std::unique_ptr<Transport> {
    return std::make_unique<Lossy>(std::move(simulated));
  };
  const SimulationResult result = RunTally(Tally::Flaw::kNone, options);
  INFO(result.failure.value_or(SimulationFailure{}).report);
  CHECK(result.ok());
}

}  // namespace
}  // namespace quorate::testing
