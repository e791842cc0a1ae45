// A cluster of real processes with real files, for a test: three nodes or more, each controller and broker.
#ifndef QUORATE_TESTS_CLUSTER_CLUSTER_H_
#define QUORATE_TESTS_CLUSTER_CLUSTER_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "quorate/admin_client.h"
#include "support/process.h"

namespace quorate::testing {

// The quorate program that was built.
std::string Program();

class Cluster {
 public:
  // Formats the directories of nodes 1 to `nodes`: the first `voters` of them are the quorum, the others may join it
  // later. `more`: lines for every configuration. Nothing runs yet.
  explicit Cluster(int nodes = 3, int voters = 3, std::string more = "");
  ~Cluster();  // kills what still runs, removes the files
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void Start(int id);
  // The disk of a node that doesn't run is lost: its directory goes, and a new one is formatted, without voters.
  void ReplaceDisk(int id);
  void Kill(int id);                       // SIGKILL
  std::optional<ProcessEnd> Stop(int id);  // SIGTERM, and how it ended
  [[nodiscard]] bool running(int id) const;
  [[nodiscard]] Process* process(int id) { return processes_.at(id).get(); }

  // Until each of `ids` is registered and unfenced, by the word of the active controller.
  bool WaitUntilInService(const std::vector<int>& ids, absl::Duration limit = absl::Seconds(60));
  // Until one of those that run says so and is believed; kNoNode after `limit`.
  NodeId WaitForLeader(absl::Duration limit = absl::Seconds(30));

  // A client of these nodes' brokers.
  std::unique_ptr<AdminClient> Admin(const std::vector<int>& ids, absl::Duration timeout = absl::Seconds(20));
  // Creates a topic with three replicas (or fewer) through `ids`, and remembers it when that was acknowledged.
  absl::Status Create(const std::string& topic, const std::vector<int>& ids, absl::Duration timeout = absl::Seconds(20),
                      int16_t replication_factor = 1);
  // The same while the leader dies: what may or may not have happened is asked for again, and finding the topic there
  // is its acknowledgement.
  absl::Status CreateThroughFailover(const std::string& topic, const std::vector<int>& ids);
  // The topics that were acknowledged and aren't there now; empty when nothing is lost.
  std::vector<std::string> MissingTopics(const std::vector<int>& ids);

  [[nodiscard]] int broker_port(int id) const { return ports_[id - 1]; }
  [[nodiscard]] int controller_port(int id) const { return ports_[nodes_ + id - 1]; }
  [[nodiscard]] std::string directory_id(int id) const;  // of its meta.properties
  [[nodiscard]] std::string config(int id) const;
  [[nodiscard]] std::string data(int id) const;
  [[nodiscard]] std::string log(int id) const;
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }
  [[nodiscard]] const std::string& initial_controllers() const { return initial_controllers_; }
  // The server.properties of node `id`, with more lines.
  std::string WriteConfig(const std::string& name, int id, const std::string& data_directory,
                          const std::string& more = "");

 private:
  void Format(int id, const std::vector<std::string>& mode);

  const int nodes_;
  const std::string more_;
  std::string directory_;
  std::vector<int> ports_;
  std::string cluster_id_;
  std::string initial_controllers_;
  std::map<int, std::unique_ptr<Process>> processes_;
  std::map<std::string, Uuid> acknowledged_;
};

}  // namespace quorate::testing

#endif  // QUORATE_TESTS_CLUSTER_CLUSTER_H_
