#include "member.h"

#include <unistd.h>

#include <cstdio>
#include <mutex>

#include "absl/strings/str_format.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace quorate::bench {
namespace {

void Say(const std::string& line) {
  // One write per line: lines of several threads don't mix, and nothing waits in a buffer.
  const std::string text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(1);
}

long long NowNanos() { return SystemClock()->Now().nanos(); }

// Every line with the time that the parent's figures are on: to see where the milliseconds of a trial went.
class StderrSink final : public LogSink {
 public:
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel, absl::string_view component, absl::string_view line) override {
    absl::FPrintF(stderr, "%d %d %s %s\n", NowNanos(), getpid(), component, line);
  }
};

class Nothing final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord>) override { return absl::OkStatus(); }
};

int Fail(const absl::Status& status) {
  absl::FPrintF(stderr, "election member: %s\n", status.message());
  return 1;
}

void SayWhenReady(QuorumNode* node) {
  node->ReadBarrier(absl::Seconds(30), [node](absl::StatusOr<Offset> read) {
    if (read.ok()) {
      Say(absl::StrFormat("ready %d", NowNanos()));
    } else {
      SayWhenReady(node);
    }
  });
}

void OnLeadership(QuorumNode* node, const Leadership& leadership) {
  if (leadership.leader == kNoNode) return;
  Say(absl::StrFormat("leader %d %d %d", leadership.epoch.value(), leadership.leader.value(), NowNanos()));
  if (!leadership.is_self) return;
  Proposal first;
  first.records = {"first write of this leader"};
  first.expected_epoch = leadership.epoch;
  node->Propose(std::move(first), [epoch = leadership.epoch](absl::StatusOr<Proposed> result) {
    if (result.ok()) Say(absl::StrFormat("acked %d %d", epoch.value(), NowNanos()));
  });
}

}  // namespace

int RunMember(const MemberOptions& options) {
  FileStorageOptions storage;
  storage.path = options.directory;
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return Fail(directory.status());

  GrpcListenerOptions listening;
  for (const Voter& voter : options.voters) {
    if (voter.key == options.self) listening.bind = voter.endpoints.front();
  }
  absl::StatusOr<std::unique_ptr<GrpcListener>> listener = GrpcListener::Create(std::move(listening));
  if (!listener.ok()) return Fail(listener.status());

  std::shared_ptr<LogSink> log_sink;
  if (options.log) log_sink = std::make_shared<StderrSink>();
  Nothing state_machine;
  QuorumOptions quorum;
  quorum.cluster_id = options.cluster_id;
  quorum.self = options.self;
  quorum.initial_voters = options.voters;
  QuorumDependencies dependencies;
  dependencies.log = (*directory)->MakeLogStore();
  dependencies.election_state = (*directory)->MakeElectionStateStore();
  GrpcTransportOptions transport;
  transport.listener = listener->get();
  transport.log_sink = log_sink;
  dependencies.transport = NewGrpcTransport(std::move(transport));
  dependencies.log_sink = log_sink;
  dependencies.state_machine = &state_machine;
  dependencies.on_fault = [](const absl::Status& cause) { Fail(cause); };
  absl::StatusOr<std::unique_ptr<QuorumNode>> node = QuorumNode::Create(std::move(quorum), std::move(dependencies));
  if (!node.ok()) return Fail(node.status());

  if (absl::Status started = (*listener)->Start(); !started.ok()) return Fail(started);
  (*node)->WatchLeadership([raw = node->get()](const Leadership& leadership) { OnLeadership(raw, leadership); });
  if (absl::Status started = (*node)->Start(); !started.ok()) return Fail(started);
  SayWhenReady(node->get());

  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  (void)(*node)->Shutdown(absl::Seconds(2));
  (*listener)->Stop(absl::Seconds(1));
  return 0;
}

}  // namespace quorate::bench
