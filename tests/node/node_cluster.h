// Whole nodes on one thread, under virtual time: production controller, broker, engine and file storage, over a
// simulated disk each and an in-process network. Nodes can be killed, restarted, cut off and shut down in order.
#ifndef QUORATE_TESTS_NODE_NODE_CLUSTER_H_
#define QUORATE_TESTS_NODE_NODE_CLUSTER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/xoshiro.h"
#include "quorate/node.h"
#include "quorate/testing/manual_executor.h"
#include "quorate/transport_adapters.h"
#include "testing/sim_file_system.h"

namespace quorate::node {

using Results = std::vector<TopicResult>;

class NodeCluster {
 public:
  struct Member {
    explicit Member(uint64_t seed) : files(seed) {}
    NodeOptions options;
    DirectoryIdentity identity;
    std::string path = "/data";
    testing::SimFileSystem files;
    std::unique_ptr<Node> node;
    absl::Status fault;
  };

  // Nodes 1 to `voters` are controllers and brokers, those after them brokers only.
  // `static_voters`: the quorum is in the configuration, by id, and not in the directories.
  explicit NodeCluster(int voters, int brokers_only = 0, uint64_t seed = 1, bool static_voters = false);
  ~NodeCluster();

  // One more controller and broker, formatted without voters; the id that it got. It doesn't run yet.
  int AddJoiner();
  // Before a start: what a member's configuration says besides.
  void Configure(absl::FunctionRef<void(NodeOptions&)> change);
  // Its disk is lost: the member gets an empty one, formatted anew under a new directory id. It must not run.
  void ReplaceDisk(int id);

  absl::Status Start(int id);
  void StartAll();
  // As a power failure: connections break, unsynced bytes may go.
  void Crash(int id);
  // The broker's part of an orderly end; the node runs on.
  absl::Status ControlledShutdown(int id, absl::Duration timeout);
  void Isolate(int id, bool isolated);

  bool Await(absl::FunctionRef<bool()> condition, absl::Duration limit = absl::Seconds(30));
  // The active controller, 0 for none; and after waiting for one.
  int Controller();
  int AwaitController();
  bool AllBrokersRunning();

  absl::StatusOr<Results> Create(int at, const std::string& name, int32_t partitions, int16_t replication,
                                 absl::Duration timeout = absl::Seconds(10));
  absl::StatusOr<Results> Delete(int at, const std::string& name);
  // Changes of the quorum, asked of node `at`. The optional is filled when the answer comes.
  using Answer = std::shared_ptr<std::optional<absl::Status>>;
  Answer BeginAdd(int at, int id, VoterChangeOptions options = {});
  Answer BeginRemove(int at, ReplicaKey key, VoterChangeOptions options = {});
  absl::Status Await(const Answer& answer);
  absl::Status Transfer(int at, std::optional<NodeId> to, absl::Duration timeout = absl::Seconds(10));
  absl::StatusOr<LogPosition> TakeSnapshot(int id);
  // One RPC to a listener of a node, from outside.
  absl::StatusOr<std::string> Call(const Endpoint& to, const char* method, std::string payload);

  [[nodiscard]] ReplicaKey KeyOf(int id) { return {NodeId(id), At(id).identity.directory_id}; }
  [[nodiscard]] Voter VoterOf(int id) { return {KeyOf(id), {Controllers(id)}, 0, 1}; }
  // The ids of the voters in force, as node `at` sees them, ascending.
  std::vector<int> Voters(int at);

  Member& At(int id) { return *members_[static_cast<size_t>(id) - 1]; }
  MetadataImagePtr Image(int id) { return At(id).node->image(); }
  std::optional<PartitionInfo> Partition(int at, const std::string& topic, int32_t index);
  testing::ManualExecutor& executor() { return executor_; }
  testing::ManualClock& clock() { return clock_; }

  Endpoint Controllers(int id) const;
  Endpoint Clients(int id) const;

 private:
  std::unique_ptr<Member> MakeMember(int id, bool is_controller);
  void Format(Member& member);
  template <typename T>
  absl::StatusOr<T> Wait(std::optional<absl::StatusOr<T>>& answer);

  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
  testing::ManualExecutorFactory executors_{&executor_};
  const uint64_t seed_;
  Xoshiro random_;
  uint64_t last_directory_ = 0;
  std::unique_ptr<InProcessNetwork> network_;
  std::shared_ptr<NodeNetwork> node_network_;
  std::unique_ptr<RpcClient> client_;
  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace quorate::node

#endif  // QUORATE_TESTS_NODE_NODE_CLUSTER_H_
