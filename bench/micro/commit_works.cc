// The whole way of a commit, on one thread: three QuorumNodes over the in-process transport and memory stores, with
// the production engine, strand and core, and an executor that runs when told to.
//
// An operation ends when nothing is left to do on any node, so the followers' share is in it: their appends, their
// acknowledgements, what they apply. The clock stands still meanwhile, so no timer is.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/transport_adapters.h"
#include "work.h"

namespace quorate::bench {
namespace {

class Counter final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord> records) override {
    applied += static_cast<int64_t>(records.size());
    return absl::OkStatus();
  }
  void OnLeadership(const Leadership& leadership) override { leads = leadership.is_self; }

  int64_t applied = 0;
  bool leads = false;
};

class CommitWork final : public Work {
 public:
  static absl::StatusOr<std::unique_ptr<Work>> Make(int64_t together) {
    std::unique_ptr<CommitWork> work(new CommitWork(together));
    if (absl::Status status = work->StartAll(); !status.ok()) return status;
    if (!work->executor_.RunUntilTrue([&] { return work->Leader() != nullptr; }, absl::Seconds(60))) {
      return absl::InternalError("three nodes in one process elected nobody within a minute of virtual time");
    }
    work->executor_.RunFor(absl::Seconds(1));
    work->leader_ = work->Leader();
    if (work->leader_ == nullptr) return absl::InternalError("the leader was lost though nothing was wrong");
    return std::unique_ptr<Work>(std::move(work));
  }

  ~CommitWork() override {
    for (Member& member : members_) member.node.reset();
    executor_.RunUntilIdle();
  }

  absl::Status Run(int64_t operations) override {
    const int64_t before = AppliedEverywhere();
    absl::Status failure;
    int64_t answered = 0;
    for (int64_t done = 0; done < operations; done += together_) {
      for (int64_t i = 0; i < together_; ++i) {
        Proposal proposal;
        proposal.records.push_back(record_);
        leader_->node->Propose(std::move(proposal), [&](absl::StatusOr<Proposed> proposed) {
          ++answered;
          if (!proposed.ok()) failure = proposed.status();
        });
      }
      executor_.RunUntilIdle();
    }
    if (!failure.ok()) return failure;
    // The followers hear of the last commit without a batch, a little later.
    executor_.RunUntilTrue([&] { return AppliedEverywhere() - before >= operations * kNodes; }, absl::Seconds(1));
    const int64_t applied = AppliedEverywhere() - before;
    if (answered == operations && applied == operations * kNodes) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("of ", operations, " proposals ", answered, " were answered, and ", applied,
                                            " instead of ", operations * kNodes, " records applied"));
  }

 private:
  static constexpr int kNodes = 3;

  struct Member {
    Endpoint endpoint;
    Counter machine;
    std::unique_ptr<QuorumNode> node;
  };

  explicit CommitWork(int64_t together) : together_(together), members_(kNodes) {}

  absl::Status StartAll() {
    std::vector<Voter> voters;
    for (int i = 0; i < kNodes; ++i) {
      Member& member = members_[static_cast<size_t>(i)];
      member.endpoint = {"CONTROLLER", absl::StrCat("node-", i + 1), 9093};
      voters.push_back(
          {{NodeId(i + 1), DirectoryId(Uuid(7, 1000 + static_cast<uint64_t>(i)))}, {member.endpoint}, 0, 1});
    }
    for (int i = 0; i < kNodes; ++i) {
      Member& member = members_[static_cast<size_t>(i)];
      QuorumOptions options;
      options.cluster_id = ClusterId(Uuid(1, 0xC1A5));
      options.self = voters[static_cast<size_t>(i)].key;
      options.initial_voters = voters;
      options.tail_cache_bytes = 1u << 20;
      QuorumDependencies dependencies;
      dependencies.log = NewMemoryLogStore(&executor_);
      dependencies.election_state = NewMemoryElectionStateStore(&executor_);
      dependencies.transport = network_->MakeTransport(member.endpoint);
      dependencies.state_machine = &member.machine;
      dependencies.clock = &clock_;
      dependencies.random = &random_;
      dependencies.executors = &executors_;
      absl::StatusOr<std::unique_ptr<QuorumNode>> node =
          QuorumNode::Create(std::move(options), std::move(dependencies));
      if (!node.ok()) return node.status();
      member.node = *std::move(node);
      if (absl::Status status = member.node->Start(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  Member* Leader() {
    for (Member& member : members_) {
      if (member.machine.leads) return &member;
    }
    return nullptr;
  }

  [[nodiscard]] int64_t AppliedEverywhere() const {
    int64_t sum = 0;
    for (const Member& member : members_) sum += member.machine.applied;
    return sum;
  }

  const int64_t together_;
  const std::string record_ = std::string(100, 'c');
  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
  testing::ManualExecutorFactory executors_{&executor_};
  Xoshiro random_{11};
  std::unique_ptr<InProcessNetwork> network_ = InProcessNetwork::Create(&executor_, &clock_);
  std::vector<Member> members_;
  Member* leader_ = nullptr;
};

}  // namespace

void AddCommitWorks(std::vector<WorkSpec>& works) {
  works.push_back({"commit", "three nodes in one thread commit and apply one record of 100 B, one caller", 300, 1,
                   [](const std::string&) { return CommitWork::Make(1); }});
  works.push_back({"commit_64", "the same, for one of 64 callers", 64 * 50, 64,
                   [](const std::string&) { return CommitWork::Make(64); }});
}

std::vector<WorkSpec> AllWorks() {
  std::vector<WorkSpec> works;
  AddCommitWorks(works);
  AddCoreWorks(works);
  AddCodecWorks(works);
  AddLogWorks(works);
  AddImageWorks(works);
  return works;
}

}  // namespace quorate::bench
