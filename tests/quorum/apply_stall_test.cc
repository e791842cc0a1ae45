// A host's state machine that doesn't come back (F-H02), on whole nodes: who leads, what callers hear, what is said.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

constexpr absl::Duration kStall = absl::Seconds(3);

struct Stalling : QuorumCluster {
  explicit Stalling(int voters) : QuorumCluster(voters) {
    adjust = [](QuorumOptions& options) { options.timeouts.apply_stall = kStall; };
    StartAll();
    REQUIRE(AwaitLeader() != 0);
    executor().RunFor(absl::Milliseconds(100));
  }
  ~Stalling() {
    for (int id = 1; id <= size(); ++id) At(id).threads.LetGo();
  }
  absl::Time Now() { return executor().clock()->WallNow(); }
  QuorumDescription Describe(int id) { return At(id).node->Describe(); }
  // The member that its own core takes for the leader, whatever its state machine was told. 0: none.
  int CoreLeader() {
    int leader = 0;
    for (int id = 1; id <= size(); ++id) {
      if (At(id).node != nullptr && Describe(id).role == ReplicaRole::kLeader) leader = id;
    }
    return leader;
  }
};

TEST_CASE("F-H02: a leader that can't apply leads no more, and says so", "[quorum][node]") {
  Stalling cluster(3);
  const int stuck = cluster.Leader();
  CHECK(cluster.Describe(stuck).apply_age == absl::ZeroDuration());
  cluster.At(stuck).threads.Keep("quorate-apply");
  std::optional<absl::StatusOr<Proposed>> answer;
  cluster.At(stuck).node->Propose({{"1"}, {}, absl::Seconds(1)}, [&](auto r) { answer = std::move(r); });
  cluster.executor().RunFor(kStall - absl::Milliseconds(100));
  CHECK_FALSE(answer.has_value());  // its thread is kept, and that isn't yet too long
  CHECK(cluster.CoreLeader() == stuck);
  CHECK(cluster.Describe(stuck).apply_age > absl::Seconds(2));
  CHECK_FALSE(cluster.Describe(stuck).apply_stalled);

  cluster.executor().RunFor(absl::Milliseconds(200));
  CHECK(cluster.Describe(stuck).apply_stalled);
  REQUIRE(answer.has_value());  // on another thread
  CHECK(ReasonOf(answer->status()) == Reason::kDeadlineExceeded);
  CHECK(OutcomeOf(answer->status()) == Outcome::kUnknown);
  CHECK(absl::StrContains(answer->status().message(), "is committed"));
  REQUIRE(cluster.Await([&] { return cluster.CoreLeader() != 0 && cluster.CoreLeader() != stuck; }, absl::Seconds(5)));
  const int leader = cluster.CoreLeader();
  REQUIRE(cluster.Await([&] { return cluster.Leader() == leader; }));
  CHECK(cluster.Propose(leader, {"1"}).ok());
  // What was committed under the old leader is there once.
  CHECK(cluster.At(leader).machine->sum == 2);

  // It is a follower like any other, but never the leader; until it comes back.
  const absl::Status refused = cluster.Transfer(leader, NodeId(stuck));
  CHECK(ReasonOf(refused) == Reason::kInvalidArgument);
  CHECK(absl::StrContains(refused.message(), "its state machine is stuck"));
  cluster.At(stuck).threads.LetGo();
  REQUIRE(cluster.Await([&] { return cluster.At(stuck).machine->sum == 2; }));
  CHECK_FALSE(cluster.Describe(stuck).apply_stalled);
  CHECK(cluster.Describe(stuck).apply_age == absl::ZeroDuration());
  cluster.executor().RunFor(absl::Milliseconds(500));
  CHECK(cluster.Transfer(leader, NodeId(stuck)).ok());
}

TEST_CASE("F-H02: calls on a node whose apply thread is kept end, and those that come later by their deadline",
          "[quorum][node]") {
  Stalling cluster(1);
  cluster.At(1).threads.Keep("quorate-apply");
  std::vector<absl::StatusCode> ends;
  const auto end = [&](const absl::Status& status) { ends.push_back(status.code()); };
  cluster.At(1).node->Propose({{"1"}, {}, absl::Seconds(1)}, [&](auto r) { end(r.status()); });
  cluster.executor().RunFor(absl::Milliseconds(50));
  cluster.At(1).node->ReadBarrier(absl::Seconds(1), [&](auto r) { end(r.status()); });
  cluster.executor().RunFor(absl::Seconds(2));
  CHECK(ends.empty());
  cluster.executor().RunFor(absl::Seconds(2));
  CHECK(ends == std::vector<absl::StatusCode>(2, absl::StatusCode::kDeadlineExceeded));
  ends.clear();
  // From now on nothing waits for the kept thread any more.
  cluster.At(1).node->Propose({{"2"}, {}, absl::Milliseconds(500)}, [&](auto r) { end(r.status()); });
  cluster.At(1).node->ReadBarrier(absl::Milliseconds(500), [&](auto r) { end(r.status()); });
  cluster.executor().RunFor(absl::Milliseconds(600));
  CHECK(ends == std::vector<absl::StatusCode>(2, absl::StatusCode::kDeadlineExceeded));
  CHECK(cluster.Describe(1).role == ReplicaRole::kLeader);  // there is nobody else
  cluster.At(1).threads.LetGo();
  REQUIRE(cluster.Await([&] { return cluster.At(1).machine->sum == 3; }));
  CHECK(cluster.Propose(1, {"3"}).ok());
}

TEST_CASE("F-H02: with apply_stall 0 a state machine may take as long as it likes", "[quorum][node]") {
  QuorumCluster cluster(3);
  cluster.adjust = [](QuorumOptions& options) { options.timeouts.apply_stall = absl::ZeroDuration(); };
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  REQUIRE(leader != 0);
  cluster.At(leader).threads.Keep("quorate-apply");
  bool answered = false;
  cluster.At(leader).node->Propose({{"1"}, {}, absl::Seconds(1)}, [&](const auto&) { answered = true; });
  cluster.executor().RunFor(absl::Minutes(10));
  CHECK_FALSE(answered);
  CHECK(cluster.At(leader).node->Describe().role == ReplicaRole::kLeader);
  CHECK_FALSE(cluster.At(leader).node->Describe().apply_stalled);
  cluster.At(leader).threads.LetGo();
  cluster.executor().RunFor(absl::Milliseconds(1));
  CHECK(answered);
}

// One that stays in Apply until the test opens it.
class Latched final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord>) override {
    std::unique_lock<std::mutex> lock(mutex_);
    inside = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return absl::OkStatus();
  }
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitInside() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return inside; });
  }
  bool inside = false;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST_CASE("F-H02: with real threads, a caller hears of its deadline while Apply is stuck", "[quorum][threads]") {
  const std::unique_ptr<Executor> disk = ThreadExecutorFactory()->MakeSerial("disk");
  const std::unique_ptr<InProcessNetwork> network = InProcessNetwork::Create(disk.get(), SystemClock());
  Latched machine;
  const Voter self{{NodeId(1), DirectoryId(Uuid(5, 1))}, {{"CONTROLLER", "node-1", 9093}}, 0, 1};
  QuorumOptions options;
  options.cluster_id = ClusterId(Uuid(1, 2));
  options.self = self.key;
  options.initial_voters = {self};
  options.timeouts.apply_stall = absl::Milliseconds(100);
  QuorumDependencies dependencies;
  dependencies.log = NewMemoryLogStore(disk.get());
  dependencies.election_state = NewMemoryElectionStateStore(disk.get());
  dependencies.transport = network->MakeTransport(self.endpoints.front());
  dependencies.state_machine = &machine;
  auto node = QuorumNode::Create(std::move(options), std::move(dependencies));
  REQUIRE(node.ok());
  REQUIRE((*node)->Start().ok());

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<absl::Status> ends;
  const auto end = [&](absl::Status status) {
    std::lock_guard<std::mutex> lock(mutex);
    ends.push_back(std::move(status));
    changed.notify_all();
  };
  const auto await = [&](size_t count) {
    std::unique_lock<std::mutex> lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::minutes(1), [&] { return ends.size() >= count; }));
  };
  // Until it leads.
  for (size_t tries = 1;; ++tries) {
    (*node)->Propose({{"x"}, {}, absl::Milliseconds(300)}, [&](auto r) { end(r.status()); });
    await(tries);
    if (OutcomeOf(ends.back()) == Outcome::kUnknown) break;
  }
  machine.AwaitInside();
  CHECK(ReasonOf(ends.back()) == Reason::kDeadlineExceeded);
  const size_t before = ends.size();
  (*node)->ReadBarrier(absl::Milliseconds(50), [&](auto r) { end(r.status()); });
  await(before + 1);
  CHECK(ReasonOf(ends.back()) == Reason::kDeadlineExceeded);
  CHECK((*node)->Describe().apply_stalled);
  machine.Open();
  CHECK((*node)->Shutdown(absl::Seconds(10)).ok());
}

}  // namespace
}  // namespace quorate::quorum
