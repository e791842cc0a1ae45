// The clients of a run, and what is made of their history.
//
// Each client makes one call at a time, to whichever node it believes leads or to any, with a deadline of its own, and
// remembers when it called, when it was answered and what. A call to a node that dies is answered by nobody: its
// outcome is unknown. In the end the judge (judge.h) holds all of it against the history that was committed.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_CLIENTS_H_
#define QUORATE_TESTING_SIMULATOR_CLIENTS_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "quorate/testing/simulator.h"
#include "testing/simulator/cluster.h"

namespace quorate::testing::simulator {

struct ClientCall {
  enum class Kind : uint8_t { kPropose, kRead, kReadStale };
  enum class End : uint8_t {
    kOpen,  // not answered: unknown
    kOk,
    kNotApplied,  // certainly without effect
    kUnknown,
  };
  Kind kind = Kind::kPropose;
  WorkloadCall call;
  int client = 0;
  int node = 0;
  uint64_t life = 0;
  Instant called;
  Instant returned = Instant::Infinite();
  End end = End::kOpen;
  std::string answer;
  Offset offset;           // of a proposal: where it went; of a read: what it reflects, exclusive
  Epoch epoch;             // of a stale read: as it was told
  bool completed = false;  // its callback ran
};

class Clients {
 public:
  Clients(Cluster* cluster, const SimulationPlan& plan, std::unique_ptr<Workload> workload);

  void Begin();
  // No new calls from now on.
  void Stop() { stopped_ = true; }
  // One more call, by hand, to a node.
  size_t Call(int node, ClientCall::Kind kind, absl::Duration timeout);

  [[nodiscard]] size_t open() const { return open_; }
  [[nodiscard]] const std::deque<ClientCall>& calls() const { return calls_; }
  Workload* workload() { return workload_.get(); }
  // What `machine` answers to a read; "" when the workload makes none.
  std::string AnswerFrom(StateMachine* machine, const ClientCall& call);
  [[nodiscard]] uint64_t succeeded() const { return succeeded_; }

  // The process on `node` was killed: whoever waits for it learns nothing.
  void NodeDied(int node);
  // And its objects are gone: every callback has run (I-24).
  void NodeBuried(int node);

 private:
  void Next(int client);
  void Schedule(int client);
  int ChooseNode(int client);
  size_t Submit(ClientCall call, absl::Duration timeout);
  void Send(size_t index, absl::Duration timeout);
  void Complete(size_t index, const absl::Status& status);
  void FinishWithStatus(ClientCall* call, const absl::Status& status);
  // True when somebody still hears the answer.
  bool Arrives(size_t index);

  Cluster* const cluster_;
  const SimulationConfig& config_;
  Xoshiro random_;
  std::unique_ptr<Workload> workload_;
  std::deque<ClientCall> calls_;              // addresses stay
  std::vector<int> believed_leader_;          // by client
  std::vector<std::vector<size_t>> waiting_;  // by node: calls whose callbacks have not run
  uint64_t serial_ = 0;
  size_t open_ = 0;
  uint64_t succeeded_ = 0;
  bool stopped_ = false;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_CLIENTS_H_
