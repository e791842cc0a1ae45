// A node of another cluster that comes upon this one (F-N09, M-38; NuRaft #504, #640): its list of voters has addresses
// that this cluster's nodes have by now, as after a copied configuration or a reused machine. It has a log and an epoch
// of its own, later than any here, and asks for votes; whoever listened would lose what was committed. All that a
// correct node says to it is nothing.
//
// The referee doesn't know it: what it does to others shows in them.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_STRANGER_H_
#define QUORATE_TESTING_SIMULATOR_STRANGER_H_

#include <memory>

#include "quorate/quorum_node.h"
#include "testing/sim_file_system.h"
#include "testing/simulator/cluster.h"
#include "testing/simulator/machine.h"

namespace quorate::testing::simulator {

class Stranger {
 public:
  Stranger(Cluster* cluster, uint64_t seed);
  ~Stranger() { Stop(); }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;

  // False: it couldn't be made.
  bool Start(Epoch epoch);
  void Stop();
  // As an operator who mistakes it for one of ours would name it.
  [[nodiscard]] Voter AsVoter() const { return {key_, {endpoint_}, 0, 1}; }

 private:
  class Nothing;
  [[nodiscard]] SimulatedStorage StorageWith(ExecutorFactory* executors, Clock* clock);
  absl::Status Prepare(Epoch epoch);
  absl::Status Launch();

  Cluster* const cluster_;
  const ClusterId cluster_id_;
  const ReplicaKey key_;
  const Endpoint endpoint_;
  Machine machine_;
  SimFileSystem files_;
  Xoshiro random_;
  std::unique_ptr<StateMachine> state_;
  std::shared_ptr<void> storage_;
  std::unique_ptr<QuorumNode> process_;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_STRANGER_H_
