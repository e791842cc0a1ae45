// The engine without a host around it: what its strand-side callers, the controller above all, can bring about.

#include "quorum/engine.h"

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/transport_adapters.h"
#include "quorum/options.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

// A sole voter that applies on the strand, with a log that is done when the test says so.
class SoleVoter final : private CommitSink {
 public:
  explicit SoleVoter(size_t pending_bytes_max) {
    network_ = InProcessNetwork::Create(&executor_, &clock_);
    QuorumOptions options;
    options.cluster_id = ClusterId(Uuid(1, 2));
    options.self = {NodeId(1), DirectoryId(Uuid(5, 1))};
    options.initial_voters = {{options.self, {{"CONTROLLER", "node-1", 9093}}, 0, 1}};
    options.batch_bytes_max = 1024;
    options.pending_bytes_max = pending_bytes_max;
    QuorumDependencies dependencies;
    dependencies.log = NewMemoryLogStore(&disk_);
    dependencies.election_state = NewMemoryElectionStateStore(&executor_);
    dependencies.snapshots = NewMemorySnapshotStore();
    dependencies.transport = network_->MakeTransport({"CONTROLLER", "node-1", 9093});
    dependencies.clock = &clock_;
    dependencies.random = &random_;
    dependencies.executors = &executors_;
    FillDefaults(&dependencies);
    engine_ = std::make_unique<Engine>(std::move(options), std::move(dependencies), static_cast<CommitSink*>(this));
    REQUIRE(engine_->Start().ok());
    executor_.RunUntilIdle();
    Sync();
    REQUIRE(engine_->IsActiveLeader());
  }
  ~SoleVoter() override {
    engine_.reset();
    disk_.RunUntilIdle();
    executor_.RunUntilIdle();
  }

  Engine& engine() { return *engine_; }
  // Completes what the log was asked for, and runs what follows.
  void Sync() {
    while (disk_.RunUntilIdle() + executor_.RunUntilIdle() > 0) {
    }
  }
  void Wait(absl::Duration span) { executor_.RunFor(span); }

 private:
  void Commit(CommittedChunk chunk) override {
    for (const auto& waiter : chunk.proposals) waiter->Complete(Proposed{waiter->base_offset, waiter->epoch, {}});
    engine_->Applied(chunk.end());
  }
  void LeadershipChanged(const Leadership&) override {}
  void Halted(const absl::Status&) override {}

  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
  testing::ManualExecutor disk_{&clock_};
  testing::ManualExecutorFactory executors_{&executor_};
  Xoshiro random_{1};
  std::unique_ptr<InProcessNetwork> network_;
  std::unique_ptr<Engine> engine_;
};

TEST_CASE("a proposal that lost its promised place gives back its room in the queue (I-25)", "[quorum][engine]") {
  SoleVoter node(/*pending_bytes_max=*/4096);
  for (int round = 0; round < 20; ++round) {
    INFO("round " << round);
    std::optional<absl::StatusOr<Proposed>> written, expired, promised;
    const auto into = [](auto& result) {
      return [&result](absl::StatusOr<Proposed> r) {
        CHECK_FALSE(result.has_value());
        result = std::move(r);
      };
    };
    node.engine().Propose({{"a"}, std::nullopt, absl::Seconds(5)}, into(written));  // keeps the log busy
    node.engine().Propose({{"b"}, std::nullopt, absl::Milliseconds(1)}, into(expired));
    node.engine().RunOnStrandAndWait([&] {
      const auto offset = node.engine().ProposeOnStrand({std::string(1000, 'c')}, absl::Seconds(5), into(promised));
      REQUIRE(offset.ok());
      CHECK(*offset == node.engine().NextOffset() - 1);
    });
    node.Wait(absl::Milliseconds(2));  // the one before it leaves the queue, and the offsets move up
    REQUIRE(expired.has_value());
    CHECK(ReasonOf(expired->status()) == Reason::kDeadlineExceeded);
    node.Sync();
    REQUIRE(written.has_value());
    CHECK(written->ok());
    REQUIRE(promised.has_value());
    CHECK(OutcomeOf(promised->status()) == Outcome::kNotApplied);
  }
}

TEST_CASE("what a sink leaves to the snapshot thread when that is gone is dropped (F-H05)", "[quorum][engine]") {
  SoleVoter node(/*pending_bytes_max=*/4096);
  node.engine().Close();
  // A load that was on its way to the strand when the node was closed, and has an old image to get rid of.
  auto image = std::make_shared<int>(1);
  bool ran = false;
  node.engine().RunOnStrandAndWait([&] { node.engine().RunOnSnapshotThread([image, &ran] { ran = true; }); });
  node.Sync();
  CHECK_FALSE(ran);
  CHECK(image.use_count() == 1);
}

}  // namespace
}  // namespace quorate::quorum
