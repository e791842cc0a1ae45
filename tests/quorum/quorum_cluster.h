// Whole quorum nodes on one thread, under virtual time: production engine, core, file storage and in-process
// transport, over a simulated disk each. Nodes can be killed (with the disk keeping what it must) and restarted.
#ifndef QUORATE_TESTS_QUORUM_QUORUM_CLUSTER_H_
#define QUORATE_TESTS_QUORUM_QUORUM_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/transport_adapters.h"
#include "testing/sim_file_system.h"

namespace quorate::quorum {

// Sums up numbers; the answer to each is the sum so far.
class Adder final : public StateMachine {
 public:
  absl::Status Apply(absl::Span<const CommittedRecord> records) override;
  void OnLeadership(const Leadership& leadership) override { leaderships.push_back(leadership); }
  absl::StatusOr<std::unique_ptr<SnapshotSource>> CaptureSnapshot() override;
  absl::Status LoadSnapshot(SnapshotRecords& records, LogPosition position) override;

  int64_t sum = 0;
  std::vector<std::string> applied;
  std::vector<Leadership> leaderships;
  std::optional<std::string> fails_at;   // returns an error at this record
  std::optional<std::string> throws_at;  // throws at this record

  bool takes_snapshots = true;
  // What its snapshots do wrong: while positive, each capture, read or load counts it down.
  int captures_fail = 0;
  int captures_throw = 0;
  int sources_fail = 0;   // in the middle of the records
  int sources_throw = 0;  // likewise
  bool load_fails = false;
  bool load_throws = false;
  int captures = 0;
  std::vector<LogPosition> loads;
};

// The threads of one node, of which any can be kept: what is to run there waits until they are let go. A disk that
// stalls, a state machine that doesn't come back.
class ThreadGate final : public ExecutorFactory {
 public:
  explicit ThreadGate(ExecutorFactory* factory) : factory_(factory) {}
  std::unique_ptr<Executor> MakeSerial(absl::string_view name) override;
  void Keep(const std::string& name) { kept_.insert(name); }
  void LetGo();

 private:
  class Thread;
  ExecutorFactory* const factory_;
  std::set<std::string> kept_;
  std::vector<Task> waiting_;
};

class QuorumCluster {
 public:
  struct Member {
    ReplicaKey key;
    Endpoint endpoint;
    testing::SimFileSystem files;
    ThreadGate threads;  // let them go before the node ends
    std::unique_ptr<Adder> machine;
    std::unique_ptr<DataDirectory> directory;
    std::unique_ptr<QuorumNode> node;
    std::vector<Voter> initial_voters;  // empty: it joins later
    absl::Status fault;

    Member(uint64_t seed, ExecutorFactory* executors) : files(seed), threads(executors) {}
  };

  explicit QuorumCluster(int voters, uint64_t seed = 1);
  ~QuorumCluster();

  // Changes the options of nodes that are started from now on.
  std::function<void(QuorumOptions&)> adjust;
  uint64_t segment_bytes = 1u << 20;

  // A node with a directory of its own that belongs to no quorum yet. Returns its id; not started.
  int AddMember();
  // The disk of a node that is down is replaced by an empty, formatted one: another replica with the same id.
  void ReplaceDisk(int id);

  absl::Status Start(int id);
  void StartAll();
  // Ends the node as a power failure would: connections break, unsynced bytes may go.
  void Crash(int id);
  void CrashAll();
  // A cut network, both ways, between one member and the rest.
  void Isolate(int id, bool isolated);

  // Runs virtual time until it holds; false after `limit`.
  bool Await(absl::FunctionRef<bool()> condition, absl::Duration limit = absl::Seconds(30));
  // The member that says it leads; 0 after 30 virtual seconds without one.
  int AwaitLeader();
  // The member that leads now as far as it knows, 0 for none.
  int Leader();

  // Proposes at `id` and runs until the answer is there.
  absl::StatusOr<Proposed> Propose(int id, std::vector<std::string> records, absl::Duration timeout = absl::Seconds(5));
  absl::StatusOr<Offset> Read(int id, absl::Duration timeout = absl::Seconds(5));
  absl::StatusOr<LogPosition> TakeSnapshot(int id);
  absl::Status AddVoter(int at, int id, VoterChangeOptions options = {});
  absl::Status RemoveVoter(int at, ReplicaKey key, VoterChangeOptions options = {});
  absl::Status Transfer(int at, std::optional<NodeId> to, absl::Duration timeout = absl::Seconds(5));

  Member& At(int id) { return *members_[static_cast<size_t>(id) - 1]; }
  testing::ManualExecutor& executor() { return executor_; }
  [[nodiscard]] int size() const { return static_cast<int>(members_.size()); }

 private:
  absl::Status AwaitStatus(absl::Duration timeout, absl::FunctionRef<void(absl::AnyInvocable<void(absl::Status) &&>)>);
  Member& NewMember();
  void Format(Member& member);

  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
  testing::ManualExecutorFactory executors_{&executor_};
  Xoshiro random_;
  const uint64_t seed_;
  ClusterId cluster_id_{Uuid(11, 12)};
  std::unique_ptr<InProcessNetwork> network_;
  std::vector<Voter> voters_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace quorate::quorum

#endif  // QUORATE_TESTS_QUORUM_QUORUM_CLUSTER_H_
