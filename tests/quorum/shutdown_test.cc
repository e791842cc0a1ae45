// Shutting down, called from more than one place.

#include <atomic>
#include <thread>

#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

struct Gate {
  std::atomic<bool> entered{false};
  std::atomic<bool> open{false};
  std::atomic<bool> done{false};
};

// Takes its time to stop, as one does whose handlers still run.
class SlowToStop final : public Transport {
 public:
  explicit SlowToStop(Gate* gate) : gate_(gate) {}
  absl::Status Start(const TransportIdentity&, PeerHandler*) override { return absl::OkStatus(); }
  void SetPeer(NodeId, const Endpoint&) override {}
  void ForgetPeer(NodeId) override {}
  void Send(Message) override {}
  void Stop() override {
    gate_->entered = true;
    while (!gate_->open) std::this_thread::yield();
    gate_->done = true;
  }

 private:
  Gate* const gate_;
};

bool AwaitTrue(const std::atomic<bool>& flag, absl::Duration patience) {
  const Instant end = SystemClock()->Now() + patience;
  while (!flag && SystemClock()->Now() < end) std::this_thread::yield();
  return flag;
}

TEST_CASE("whoever shuts a node down returns when it is closed, not when somebody else began to", "[quorum][threads]") {
  Gate gate;
  Adder machine;
  auto disk = ThreadExecutorFactory()->MakeSerial("disk");
  QuorumOptions options;
  options.cluster_id = ClusterId(Uuid(1, 2));
  options.self = {NodeId(1), DirectoryId(Uuid(5, 1))};
  options.initial_voters = {{options.self, {{"CONTROLLER", "host", 9001}}, 0, 1}};
  QuorumDependencies dependencies;
  dependencies.log = NewMemoryLogStore(disk.get());
  dependencies.election_state = NewMemoryElectionStateStore(disk.get());
  dependencies.transport = std::make_unique<SlowToStop>(&gate);
  dependencies.state_machine = &machine;
  auto node = QuorumNode::Create(std::move(options), std::move(dependencies));
  REQUIRE(node.ok());
  REQUIRE((*node)->Start().ok());

  std::thread first([&] { (void)(*node)->Shutdown(absl::Seconds(5)); });
  CHECK(AwaitTrue(gate.entered, absl::Seconds(30)));
  std::atomic<bool> returned{false};
  bool closed_by_then = false;
  std::thread second([&] {
    (void)(*node)->Shutdown(absl::Seconds(5));
    closed_by_then = gate.done;
    returned = true;
  });
  AwaitTrue(returned, absl::Milliseconds(50));  // too early, if it does
  gate.open = true;
  first.join();
  second.join();
  CHECK(closed_by_then);
}

TEST_CASE("a node that goes at any moment completes what was proposed to it, once (I-24, F-H05)", "[quorum]") {
  // Also while a committed record waits for the apply thread: its completion is posted by what the destructor runs.
  for (int moment = 1; moment < 60; ++moment) {
    INFO("after " << moment << " tasks");
    QuorumCluster cluster(1);
    cluster.StartAll();
    REQUIRE(cluster.AwaitLeader() == 1);
    int completed = 0;
    cluster.At(1).node->Propose({{"5"}, {}}, [&](absl::StatusOr<Proposed>) { ++completed; });
    for (int i = 0; i < moment; ++i) cluster.executor().RunOne();
    cluster.At(1).node.reset();
    CHECK(completed == 1);
  }
}

TEST_CASE("a node can be shut down without waiting", "[quorum]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(leader != 0);
  std::optional<absl::Status> done;
  cluster.At(leader).node->ShutdownAsync(absl::Seconds(5), [&](absl::Status status) { done = std::move(status); });
  REQUIRE(cluster.Await([&] { return done.has_value(); }));
  CHECK(done->ok());
  cluster.At(leader).node.reset();
  cluster.At(leader).machine->leaderships.clear();
  CHECK(cluster.AwaitLeader() != 0);
}

}  // namespace
}  // namespace quorate::quorum
