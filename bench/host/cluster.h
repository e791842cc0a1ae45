// A cluster of register hosts as processes on loopback, each with a data directory of its own.
//
// Every process is stopped when this goes, and by the kernel when the benchmark itself is killed; the files are
// removed. Errors name the log of the process that they are about.
//
// One thread, the one that made it: a child is bound to the thread that started it.
#ifndef QUORATE_BENCH_HOST_CLUSTER_H_
#define QUORATE_BENCH_HOST_CLUSTER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "host/client.h"
#include "host/usage.h"
#include "support/process.h"

namespace quorate::bench {

struct ClusterOptions {
  std::vector<std::string> command;  // the host and what it is told, but for directory and port
  int nodes = 3;
  std::string base;  // a folder of the cluster's own is made here
};

class Cluster {
 public:
  // Formats the directories; starts nothing.
  static absl::StatusOr<std::unique_ptr<Cluster>> Create(ClusterOptions options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] int nodes() const { return options_.nodes; }
  [[nodiscard]] int client_port(int id) const { return client_ports_.at(id); }
  // Where its peers and clients over gRPC reach it. Of a voter.
  [[nodiscard]] const Endpoint& endpoint(int id) const {
    return voters_[static_cast<size_t>(id - 1)].endpoints.front();
  }
  [[nodiscard]] std::string directory(int id) const;
  [[nodiscard]] std::string log(int id) const;
  [[nodiscard]] pid_t pid(int id) const { return processes_.at(id)->pid(); }

  // `wrapper` comes before the host on the command line; the process keeps its id (strace -D).
  absl::Status Start(int id, const std::vector<std::string>& wrapper = {});
  absl::Status StartAll();
  // SIGKILL, and gone.
  void Kill(int id);
  // SIGTERM, and gone.
  absl::Status Stop(int id);
  // Starts one more node, with an empty disk, that follows without a vote, and returns its id.
  absl::StatusOr<int> StartObserver();

  // Of one host, by name; fails when it doesn't answer.
  absl::StatusOr<std::map<std::string, std::string>> StatusOf(int id);
  // Waits until a running host leads and a write through it is acknowledged.
  absl::StatusOr<int> WaitForLeader(absl::Duration limit = absl::Seconds(30));
  // Of all hosts that were started, together.
  absl::StatusOr<Usage> TotalUsage() const;

 private:
  explicit Cluster(ClusterOptions options) : options_(std::move(options)) {}
  absl::Status Format();
  absl::Status Launch(int id, std::vector<std::string> wrapper, const std::vector<std::string>& flags = {});
  [[nodiscard]] bool Writes(int id) const;
  // The end of what the processes said that don't run.
  [[nodiscard]] std::string LastWords() const;

  const ClusterOptions options_;
  std::string root_;
  std::map<int, int> client_ports_;
  ClusterId cluster_id_;
  std::vector<Voter> voters_;
  std::map<int, std::unique_ptr<testing::Process>> processes_;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_HOST_CLUSTER_H_
