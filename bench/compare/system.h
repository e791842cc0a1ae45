// Three nodes of one of the compared systems, as processes: started, killed, paused and asked who leads.
//
// A System is one fresh cluster: its folder, its ports, its processes. What differs between etcd, ZooKeeper, C raft
// and quorate is below the line in the class; how processes are handled is the same for all. Every process is stopped
// when this goes, and by the kernel when the benchmark is killed (host/cleanup.h for Ctrl-C).
//
// One thread, the one that made it; StartTransfer's call runs on a thread of its own.
#ifndef QUORATE_BENCH_COMPARE_SYSTEM_H_
#define QUORATE_BENCH_COMPARE_SYSTEM_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/put_client.h"
#include "host/usage.h"
#include "quorate/proposal_client.h"
#include "support/process.h"

namespace quorate::compare {

constexpr int kNodes = 3;
constexpr int kPortsPerNode = 3;

// Default: as the system comes. Tuned: the most aggressive timeouts that are still sane on one machine.
enum class Tuning { kDefault, kTuned };

// Of one node, as it says itself.
struct NodeState {
  bool leads = false;
  bool follows = false;  // a leader that it knows
  int64_t position = 0;  // in the log, to be compared between nodes
};

class System {
 public:
  // `folder` is the cluster's own; it is removed with it. kPortsPerNode ports for each node.
  System(std::string folder, std::vector<int> ports, Tuning tuning);
  virtual ~System();
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  // Writes what each node needs to be there before it starts for the first time, as an operator would; removes all
  // else.
  absl::Status Format();
  absl::Status Start(int node);
  absl::Status StartAll();
  void Signal(int node, int signal);
  // SIGKILL, and gone.
  void Kill(int node);
  void KillAll();

  // The node that leads, once all three run, one leads, the others follow and nobody is behind.
  absl::StatusOr<int> WaitUntilWhole(absl::Duration limit);
  // Of the three together.
  absl::StatusOr<bench::Usage> TotalUsage() const;
  // "node 2 ended: …" of what ended by itself, else an empty text.
  [[nodiscard]] std::string LastWords();

  // `connections` lanes to each of these nodes in turn.
  [[nodiscard]] std::unique_ptr<PutClient> Connect(const std::vector<int>& nodes, int connections) const;

  // ---- What each system says for itself. ------------------------------------------------------------------------
  [[nodiscard]] virtual bool CanTransfer() const { return true; }
  // Makes `to` the leader; blocks until the system says that it is done. Any thread.
  virtual absl::Status Transfer(int from, int to) = 0;
  [[nodiscard]] virtual absl::StatusOr<NodeState> Ask(int node) const = 0;

 protected:
  virtual absl::Status FormatNode(int node) = 0;
  [[nodiscard]] virtual std::vector<std::string> CommandLine(int node) const = 0;
  // One lane for each of these nodes.
  [[nodiscard]] virtual std::unique_ptr<PutClient> MakeClient(const std::vector<int>& nodes) const = 0;

  [[nodiscard]] std::string NodeFolder(int node) const;
  // The node's k-th port; the first is the clients'.
  [[nodiscard]] int port(int node, int k) const { return ports_[static_cast<size_t>(node * kPortsPerNode + k)]; }
  [[nodiscard]] bool tuned() const { return tuning_ == Tuning::kTuned; }

 private:
  [[nodiscard]] std::string LogFile(int node) const;

  const std::string folder_;
  const std::vector<int> ports_;
  const Tuning tuning_;
  std::vector<std::unique_ptr<testing::Process>> processes_;
};

// One of the columns.
struct Contender {
  std::string name;     // "etcd": for flags and figures
  std::string title;    // "etcd 3.4"
  std::string missing;  // what isn't installed, and how to install it; empty: it can run
  std::string tuned;    // what the tuned timeouts are, for the notes
  // Another way into a system that has a column of its own: only its commits are measured.
  bool commits_only = false;
  std::function<std::unique_ptr<System>(std::string folder, std::vector<int> ports, Tuning tuning)> make;
};

// In the order of the table. `programs` is the folder of the build with the host programs.
std::vector<Contender> AllContenders(const std::string& programs);
Contender EtcdContender();
Contender ZooKeeperContender();
Contender CRaftContender(const std::string& programs);
Contender QuorateContender(const std::string& programs);
// The same host, through quorate's own service and client library.
Contender QuorateGrpcContender(const std::string& programs, ProposalMode mode);

// The first of `paths` that is there; empty if none is.
std::string FirstExisting(const std::vector<std::string>& paths);

}  // namespace quorate::compare

#endif  // QUORATE_BENCH_COMPARE_SYSTEM_H_
