#include "member.h"

#include <unistd.h>

#include <iostream>
#include <mutex>

#include "absl/strings/str_format.h"
#include "member_faults.h"
#include "member_trace.h"
#include "quorate/quorum_node.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace quorate::bench {
namespace {

// Every line with the time that the parent's figures are on: to see where the milliseconds of a trial went.
class StderrSink final : public LogSink {
 public:
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel, absl::string_view component, absl::string_view line) override {
    absl::FPrintF(stderr, "%d %d %s %s\n", NowNanos(), getpid(), component, line);
  }
};

// Says when the first record of an epoch arrives.
class FirstOfEpoch final : public StateMachine {
 public:
  explicit FirstOfEpoch(MemberTrace* trace) : trace_(trace) {}
  absl::Status Apply(absl::Span<const CommittedRecord> records) override {
    for (const CommittedRecord& record : records) {
      if (record.epoch == epoch_) continue;
      epoch_ = record.epoch;
      // Who proposed it says "acked" in a moment, and one waking of the parent is enough.
      if (record.result != nullptr) {
        trace_->Note(NowNanos(), "applied", epoch_.value());
      } else {
        trace_->Say(NowNanos(), "applied", epoch_.value());
      }
    }
    return absl::OkStatus();
  }

 private:
  MemberTrace* const trace_;
  Epoch epoch_{-1};
};

int Fail(const absl::Status& status) {
  absl::FPrintF(stderr, "election member: %s\n", status.message());
  return 1;
}

class Member {
 public:
  explicit Member(const MemberOptions& options)
      : options_(options), disk_(PosixFileSystem()), observer_(&trace_), state_machine_(&trace_) {}

  absl::Status Start();
  void Run();
  void Stop();

 private:
  absl::StatusOr<QuorumDependencies> Dependencies();
  void OnLeadership(const Leadership& leadership);
  void Call(Epoch epoch);
  void SayWhenReady();
  void Obey(const std::string& command);

  const MemberOptions options_;
  MemberTrace trace_{STDOUT_FILENO};
  StallingFileSystem disk_;
  RoleObserver observer_;
  FirstOfEpoch state_machine_;
  std::shared_ptr<LogSink> log_sink_;
  CuttableTransport* network_ = nullptr;  // the node's
  std::unique_ptr<DataDirectory> directory_;
  std::unique_ptr<GrpcListener> listener_;
  Epoch wrote_in_{-1};  // apply thread: this node's newest leadership
  std::unique_ptr<QuorumNode> node_;
};

absl::StatusOr<QuorumDependencies> Member::Dependencies() {
  FileStorageOptions storage;
  storage.path = options_.directory;
  storage.files = &disk_;
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);

  GrpcListenerOptions listening;
  for (const Voter& voter : options_.voters) {
    if (voter.key == options_.self) listening.bind = voter.endpoints.front();
  }
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(listening));
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);

  if (options_.log) log_sink_ = std::make_shared<StderrSink>();
  GrpcTransportOptions grpc;
  grpc.listener = listener_.get();
  grpc.log_sink = log_sink_;
  auto network = std::make_unique<CuttableTransport>(NewGrpcTransport(std::move(grpc)));
  network_ = network.get();

  QuorumDependencies dependencies;
  dependencies.log = directory_->MakeLogStore();
  dependencies.election_state = directory_->MakeElectionStateStore();
  dependencies.transport = std::move(network);
  dependencies.log_sink = log_sink_;
  dependencies.state_machine = &state_machine_;
  dependencies.on_fault = [](const absl::Status& cause) {
    Fail(cause);
    _exit(1);  // the parent says which member ended
  };
  dependencies.observer = &observer_;
  return dependencies;
}

absl::Status Member::Start() {
  absl::StatusOr<QuorumDependencies> dependencies = Dependencies();
  if (!dependencies.ok()) return dependencies.status();
  QuorumOptions quorum;
  quorum.cluster_id = options_.cluster_id;
  quorum.self = options_.self;
  quorum.initial_voters = options_.voters;
  quorum.timeouts = options_.timeouts;
  absl::StatusOr<std::unique_ptr<QuorumNode>> node = QuorumNode::Create(std::move(quorum), *std::move(dependencies));
  if (!node.ok()) return node.status();
  node_ = *std::move(node);
  if (absl::Status started = listener_->Start(); !started.ok()) return started;
  node_->WatchLeadership([this](const Leadership& leadership) { OnLeadership(leadership); });
  if (absl::Status started = node_->Start(); !started.ok()) return started;
  SayWhenReady();
  return absl::OkStatus();
}

void Member::OnLeadership(const Leadership& leadership) {
  if (leadership.leader == kNoNode) return;
  trace_.Note(NowNanos(), "leader", leadership.epoch.value(), leadership.leader.value());
  // Proposals are taken from the moment of election on; `is_self` only comes when the first record is committed.
  if (leadership.leader != options_.self.id || leadership.epoch == wrote_in_) return;
  wrote_in_ = leadership.epoch;
  Proposal first;
  first.records = {"first write of this leader"};
  first.expected_epoch = leadership.epoch;
  node_->Propose(std::move(first), [this, epoch = leadership.epoch](absl::StatusOr<Proposed> result) {
    if (result.ok()) trace_.Say(NowNanos(), "acked", epoch.value());
  });
  for (int i = 0; i < options_.load; ++i) Call(leadership.epoch);
}

// One caller: writes again as soon as it was answered, until this node leads no more.
void Member::Call(Epoch epoch) {
  Proposal proposal;
  proposal.records = {std::string(100, 'w')};
  proposal.expected_epoch = epoch;
  node_->Propose(std::move(proposal), [this, epoch](const absl::StatusOr<Proposed>& result) {
    if (result.ok()) Call(epoch);
  });
}

void Member::SayWhenReady() {
  node_->ReadBarrier(absl::Seconds(10), [this](const absl::StatusOr<Offset>& read) {
    if (read.ok()) {
      trace_.Say(NowNanos(), "ready");
    } else if (ReasonOf(read.status()) != Reason::kShuttingDown) {
      SayWhenReady();
    }
  });
}

void Member::Obey(const std::string& command) {
  if (command == "ready") {
    SayWhenReady();
  } else if (command == "status") {
    const QuorumDescription now = node_->Describe();
    trace_.Say(NowNanos(), "status", now.epoch.value(), now.leader.value(),
               absl::ToInt64Nanoseconds(now.silence_timeout));
  } else if (command == "write") {
    Proposal proposal;
    proposal.records = {"a write now and then"};
    node_->Propose(std::move(proposal), [](const absl::StatusOr<Proposed>&) {});
  } else if (command == "cut") {
    trace_.Say(NowNanos(), "did", command);
    network_->Cut();
  } else if (command == "heal") {
    network_->Heal();
  } else if (command == "stall") {
    trace_.Say(NowNanos(), "did", command);
    disk_.Stall(true);
    Obey("write");  // a disk that nobody waits for isn't stalled
  } else if (command == "unstall") {
    disk_.Stall(false);
  } else if (command == "transfer") {
    trace_.Note(NowNanos(), "did", command);
    node_->TransferLeadership(std::nullopt, absl::Seconds(5), [this](const absl::Status& status) {
      trace_.Say(NowNanos(), "ended", "transfer", status.ok() ? "ok" : "failed");
    });
  } else {
    absl::FPrintF(stderr, "election member: there is no command %s\n", command);
  }
}

void Member::Run() {
  std::string command;
  while (std::getline(std::cin, command) && command != "stop") Obey(command);
  if (command == "stop") trace_.Say(NowNanos(), "did", command);
}

void Member::Stop() {
  disk_.Stall(false);
  (void)node_->Shutdown(absl::Seconds(2));
  listener_->Stop(absl::Seconds(1));
}

}  // namespace

absl::StatusOr<QuorumTimeouts> TimeoutsByName(const std::string& name) {
  QuorumTimeouts timeouts;
  if (name == "default") return timeouts;
  if (name != "tuned") {
    return absl::InvalidArgumentError(absl::StrCat("there are no timeouts ", name, "; there are default and tuned"));
  }
  timeouts.election = absl::Milliseconds(100);
  timeouts.fetch = absl::Milliseconds(200);
  timeouts.election_backoff_max = absl::Milliseconds(100);
  timeouts.request = absl::Milliseconds(200);
  timeouts.silence_min = absl::Milliseconds(50);
  timeouts.disk_stall = absl::Milliseconds(200);
  return timeouts;
}

int RunMember(const MemberOptions& options) {
  Member member(options);
  if (absl::Status started = member.Start(); !started.ok()) return Fail(started);
  member.Run();
  member.Stop();
  return 0;
}

}  // namespace quorate::bench
