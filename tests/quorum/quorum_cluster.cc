#include "quorum/quorum_cluster.h"

#include <cstdlib>
#include <stdexcept>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

// What a node logs, with virtual time, when the environment has QUORATE_TEST_LOG: for reading a seed that fails.
class TestLog final : public LogSink {
 public:
  TestLog(int id, Clock* clock) : id_(id), clock_(clock) {}
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel, absl::string_view component, absl::string_view line) override {
    absl::FPrintF(stderr, "%12.6f node %d %s %s\n", absl::ToDoubleSeconds(clock_->Now() - Instant()), id_, component,
                  line);
  }

 private:
  const int id_;
  Clock* const clock_;
};

}  // namespace

absl::Status Adder::Apply(absl::Span<const CommittedRecord> records) {
  for (const CommittedRecord& record : records) {
    if (fails_at.has_value() && record.data == *fails_at) return absl::InternalError("asked to fail");
    if (throws_at.has_value() && record.data == *throws_at) throw std::runtime_error("asked to throw");
    int64_t number = 0;
    if (!absl::SimpleAtoi(record.data, &number)) return absl::InvalidArgumentError("not a number");
    sum += number;
    applied.emplace_back(record.data);
    if (record.result != nullptr) *record.result = absl::StrCat(sum);
  }
  return absl::OkStatus();
}

namespace {

// Counts down; true while there is something to count.
bool TakeOne(int& count) { return count > 0 && count-- > 0; }

// One record of the snapshot for each that was applied, as they were at the capture.
class AdderSource final : public SnapshotSource {
 public:
  AdderSource(std::vector<std::string> applied, bool fails, bool throws)
      : applied_(std::move(applied)), fails_(fails), throws_(throws) {}
  absl::StatusOr<std::optional<std::string>> Next() override {
    if (next_ * 2 >= applied_.size()) {
      if (fails_) return absl::InternalError("asked to fail");
      if (throws_) throw std::runtime_error("asked to throw");
    }
    if (next_ == applied_.size()) return std::nullopt;
    return applied_[next_++];
  }

 private:
  const std::vector<std::string> applied_;
  const bool fails_;
  const bool throws_;
  size_t next_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SnapshotSource>> Adder::CaptureSnapshot() {
  if (!takes_snapshots) return std::unique_ptr<SnapshotSource>();
  ++captures;
  if (TakeOne(captures_fail)) return absl::InternalError("asked to fail");
  if (TakeOne(captures_throw)) throw std::runtime_error("asked to throw");
  return std::make_unique<AdderSource>(applied, TakeOne(sources_fail), TakeOne(sources_throw));
}

absl::Status Adder::LoadSnapshot(SnapshotRecords& records, LogPosition position) {
  if (load_fails) return absl::InternalError("asked to fail");
  if (load_throws) throw std::runtime_error("asked to throw");
  loads.push_back(position);
  sum = 0;
  applied.clear();
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> record = records.Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) return absl::OkStatus();
    int64_t number = 0;
    if (!absl::SimpleAtoi(**record, &number)) return absl::InvalidArgumentError("not a number");
    sum += number;
    applied.emplace_back(**record);
  }
}

// ---- Threads -----------------------------------------------------------------------------------------

class ThreadGate::Thread final : public Executor {
 public:
  Thread(std::unique_ptr<Executor> inner, absl::string_view name, ThreadGate* gate)
      : name_(name), gate_(gate), inner_(std::move(inner)) {}
  void Post(Task task) override {
    inner_->Post([this, task = std::move(task)]() mutable { Run(std::move(task)); });
  }
  TimerId PostAt(Instant when, Task task) override {
    return inner_->PostAt(when, [this, task = std::move(task)]() mutable { Run(std::move(task)); });
  }
  bool Cancel(TimerId id) override { return inner_->Cancel(id); }

 private:
  void Run(Task task) {
    if (gate_->kept_.count(name_) == 0) return std::move(task)();
    gate_->waiting_.push_back([this, task = std::move(task)]() mutable { Post(std::move(task)); });
  }
  const std::string name_;
  ThreadGate* const gate_;
  const std::unique_ptr<Executor> inner_;  // last: its end runs what was posted
};

std::unique_ptr<Executor> ThreadGate::MakeSerial(absl::string_view name) {
  return std::make_unique<Thread>(factory_->MakeSerial(name), name, this);
}

void ThreadGate::LetGo() {
  kept_.clear();
  for (Task& task : std::exchange(waiting_, {})) std::move(task)();
}

// ---- The cluster -------------------------------------------------------------------------------------

QuorumCluster::QuorumCluster(int voters, uint64_t seed) : random_(seed), seed_(seed) {
  network_ = InProcessNetwork::Create(&executor_, &clock_);
  for (int id = 1; id <= voters; ++id) {
    Member& member = NewMember();
    voters_.push_back({member.key, {member.endpoint}, 0, 1});
  }
  for (auto& member : members_) {
    member->initial_voters = voters_;
    Format(*member);
  }
}

QuorumCluster::Member& QuorumCluster::NewMember() {
  const int id = size() + 1;
  members_.push_back(std::make_unique<Member>(seed_ * 100 + static_cast<uint64_t>(id), &executors_));
  Member& member = *members_.back();
  member.key = {NodeId(id), DirectoryId(Uuid(5, 1000 + static_cast<uint64_t>(id)))};
  member.endpoint = {"CONTROLLER", absl::StrCat("node-", id), 9093};
  return member;
}

void QuorumCluster::Format(Member& member) {
  DirectoryIdentity identity;
  identity.cluster_id = cluster_id_;
  identity.node_id = member.key.id;
  identity.directory_id = member.key.directory;
  if (!member.initial_voters.empty()) identity.initial_voters = member.initial_voters;
  const absl::Status formatted = FormatDirectory(&member.files, "/data", identity);
  INFO(formatted);
  REQUIRE(formatted.ok());
}

int QuorumCluster::AddMember() {
  Format(NewMember());
  return size();
}

void QuorumCluster::ReplaceDisk(int id) {
  Member& member = At(id);
  REQUIRE(member.node == nullptr);
  member.files.LoadDisk(testing::SimDisk());
  member.key.directory = DirectoryId(Uuid(6, random_.Next()));
  member.initial_voters.clear();
  Format(member);
}

QuorumCluster::~QuorumCluster() {
  for (auto& member : members_) member->node.reset();
  executor_.RunUntilIdle();
}

absl::Status QuorumCluster::Start(int id) {
  Member& member = At(id);
  FileStorageOptions storage;
  storage.path = "/data";
  storage.segment_bytes = segment_bytes;
  storage.files = &member.files;
  storage.executors = &member.threads;
  storage.clock = &clock_;
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return directory.status();
  member.directory = *std::move(directory);
  member.machine = std::make_unique<Adder>();
  member.fault = absl::OkStatus();

  QuorumOptions options;
  options.cluster_id = cluster_id_;
  options.self = member.key;
  options.initial_voters = member.initial_voters;
  options.advertised_endpoints = {member.endpoint};
  for (const auto& other : members_) {
    if (other.get() != &member) options.bootstrap_servers.push_back(other->endpoint);
  }
  if (adjust) adjust(options);
  QuorumDependencies dependencies;
  dependencies.log = member.directory->MakeLogStore();
  dependencies.election_state = member.directory->MakeElectionStateStore();
  dependencies.snapshots = member.directory->MakeSnapshotStore();
  dependencies.transport = network_->MakeTransport(member.endpoint);
  dependencies.state_machine = member.machine.get();
  dependencies.clock = &clock_;
  dependencies.random = &random_;
  dependencies.executors = &member.threads;
  if (getenv("QUORATE_TEST_LOG") != nullptr) dependencies.log_sink = std::make_shared<TestLog>(id, &clock_);
  dependencies.on_fault = [&member](absl::Status cause) { member.fault = std::move(cause); };
  absl::StatusOr<std::unique_ptr<QuorumNode>> node = QuorumNode::Create(std::move(options), std::move(dependencies));
  if (!node.ok()) return node.status();
  member.node = *std::move(node);
  return member.node->Start();
}

void QuorumCluster::StartAll() {
  for (size_t id = 1; id <= members_.size(); ++id) {
    const absl::Status started = Start(static_cast<int>(id));
    INFO(started);
    REQUIRE(started.ok());
  }
}

void QuorumCluster::Crash(int id) {
  Member& member = At(id);
  member.files.Crash();
  member.node.reset();
  member.directory.reset();
  member.files.Restart(testing::Survival::kRandom);
}

void QuorumCluster::CrashAll() {
  for (auto& member : members_) member->files.Crash();
  for (size_t id = 1; id <= members_.size(); ++id) Crash(static_cast<int>(id));
}

void QuorumCluster::Isolate(int id, bool isolated) {
  const std::string own = At(id).endpoint.Address();
  for (auto& member : members_) {
    if (member->endpoint.Address() == own) continue;
    network_->SetLink(own, member->endpoint.Address(), !isolated);
    network_->SetLink(member->endpoint.Address(), own, !isolated);
  }
}

bool QuorumCluster::Await(absl::FunctionRef<bool()> condition, absl::Duration limit) {
  return executor_.RunUntilTrue(condition, limit);
}

int QuorumCluster::Leader() {
  int leader = 0;
  Epoch newest{-1};
  for (size_t i = 0; i < members_.size(); ++i) {
    Member& member = *members_[i];
    if (member.node == nullptr || member.machine->leaderships.empty()) continue;
    const Leadership& last = member.machine->leaderships.back();
    if (last.is_self && last.epoch > newest) {
      leader = static_cast<int>(i) + 1;
      newest = last.epoch;
    }
  }
  return leader;
}

int QuorumCluster::AwaitLeader() {
  Await([this] { return Leader() != 0; });
  return Leader();
}

absl::StatusOr<Proposed> QuorumCluster::Propose(int id, std::vector<std::string> records, absl::Duration timeout) {
  std::optional<absl::StatusOr<Proposed>> result;
  Proposal proposal;
  proposal.records = std::move(records);
  proposal.timeout = timeout;
  At(id).node->Propose(std::move(proposal), [&](absl::StatusOr<Proposed> r) { result = std::move(r); });
  REQUIRE(Await([&] { return result.has_value(); }, timeout + absl::Seconds(1)));
  return *std::move(result);
}

absl::StatusOr<Offset> QuorumCluster::Read(int id, absl::Duration timeout) {
  std::optional<absl::StatusOr<Offset>> result;
  At(id).node->ReadBarrier(timeout, [&](absl::StatusOr<Offset> r) { result = std::move(r); });
  REQUIRE(Await([&] { return result.has_value(); }, timeout + absl::Seconds(1)));
  return *std::move(result);
}

absl::StatusOr<LogPosition> QuorumCluster::TakeSnapshot(int id) {
  std::optional<absl::StatusOr<LogPosition>> result;
  At(id).node->TakeSnapshot([&](absl::StatusOr<LogPosition> r) { result = std::move(r); });
  REQUIRE(Await([&] { return result.has_value(); }));
  return *std::move(result);
}

absl::Status QuorumCluster::AwaitStatus(absl::Duration timeout,
                                        absl::FunctionRef<void(absl::AnyInvocable<void(absl::Status) &&>)> call) {
  std::optional<absl::Status> result;
  call([&](absl::Status r) {
    REQUIRE_FALSE(result.has_value());
    result = std::move(r);
  });
  REQUIRE(Await([&] { return result.has_value(); }, timeout + absl::Seconds(1)));
  return *result;
}

absl::Status QuorumCluster::AddVoter(int at, int id, VoterChangeOptions options) {
  const Voter voter{At(id).key, {At(id).endpoint}, 0, 1};
  return AwaitStatus(options.timeout, [&](auto done) { At(at).node->AddVoter(voter, options, std::move(done)); });
}

absl::Status QuorumCluster::RemoveVoter(int at, ReplicaKey key, VoterChangeOptions options) {
  return AwaitStatus(options.timeout, [&](auto done) { At(at).node->RemoveVoter(key, options, std::move(done)); });
}

absl::Status QuorumCluster::Transfer(int at, std::optional<NodeId> to, absl::Duration timeout) {
  return AwaitStatus(timeout, [&](auto done) { At(at).node->TransferLeadership(to, timeout, std::move(done)); });
}

}  // namespace quorate::quorum
