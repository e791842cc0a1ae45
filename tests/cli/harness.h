// Runs a whole command line in process, against a cluster that the test made up.
#ifndef QUORATE_TESTS_CLI_HARNESS_H_
#define QUORATE_TESTS_CLI_HARNESS_H_

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/program.h"
#include "quorate/status.h"
#include "quorate/system.h"

namespace quorate::cli {

// The cluster behind FakeAdmin. `down`: what every call answers instead, when set.
struct FakeCluster {
  std::map<std::string, TopicDescription> topics;
  QuorumDescription quorum;
  int brokers = 3;
  absl::Status down;
  AdminClientOptions last_options;
  int calls = 0;
  bool stale = false;
  // Changes of the quorum: what they end with and are seen to do before; what was asked for.
  absl::Status refusal;
  std::vector<PendingVoterChange> progress;
  std::optional<Voter> added;
  std::optional<ReplicaKey> removed;
  QuorumChangeOptions last_change;
};

class FakeAdmin final : public AdminClient {
 public:
  explicit FakeAdmin(FakeCluster* cluster) : cluster_(cluster) {}

  absl::StatusOr<std::vector<TopicResult>> CreateTopics(std::vector<NewTopic> topics, bool validate_only) override {
    if (absl::Status down = Enter(); !down.ok()) return down;
    std::vector<TopicResult> results;
    for (const NewTopic& topic : topics) results.push_back(CreateOne(topic, validate_only));
    return results;
  }

  absl::StatusOr<std::vector<TopicResult>> DeleteTopics(std::vector<std::string> names) override {
    if (absl::Status down = Enter(); !down.ok()) return down;
    std::vector<TopicResult> results;
    for (const std::string& name : names) {
      TopicResult result;
      result.name = name;
      if (cluster_->topics.erase(name) == 0) result.status = Unknown();
      results.push_back(result);
    }
    return results;
  }

  absl::StatusOr<std::vector<TopicDescription>> DescribeTopics(std::optional<std::vector<std::string>> names) override {
    if (absl::Status down = Enter(); !down.ok()) return down;
    std::vector<TopicDescription> results;
    for (const std::string& name : names.value_or(Names())) {
      auto found = cluster_->topics.find(name);
      if (found != cluster_->topics.end()) {
        results.push_back(found->second);
        results.back().stale = cluster_->stale;
      } else {
        TopicDescription missing;
        missing.name = name;
        missing.status = Unknown();
        results.push_back(missing);
      }
    }
    return results;
  }

  absl::StatusOr<TopicList> ListTopics() override {
    if (absl::Status down = Enter(); !down.ok()) return down;
    std::vector<std::string> names = Names();
    std::reverse(names.begin(), names.end());  // the order isn't the client's to rely on
    return TopicList{names, cluster_->stale};
  }

  absl::StatusOr<ClusterDescription> DescribeCluster() override { return ClusterDescription{}; }

  absl::StatusOr<QuorumDescription> DescribeQuorum() override {
    if (absl::Status down = Enter(); !down.ok()) return down;
    return cluster_->quorum;
  }

  absl::Status AddController(const Voter& voter, const QuorumChangeOptions& options) override {
    cluster_->added = voter;
    return Change(options);
  }
  absl::Status RemoveController(const ReplicaKey& key, const QuorumChangeOptions& options) override {
    cluster_->removed = key;
    return Change(options);
  }
  absl::Status TransferLeadership(std::optional<NodeId> to, const QuorumChangeOptions& options) override {
    if (to) cluster_->quorum.leader = *to;
    return Change(options);
  }

 private:
  absl::Status Change(const QuorumChangeOptions& options) {
    if (absl::Status down = Enter(); !down.ok()) return down;
    cluster_->last_change = options;
    if (!options.dry_run) {
      for (const PendingVoterChange& step : cluster_->progress) options.on_progress(step);
    }
    return cluster_->refusal;
  }
  static absl::Status Unknown() { return MakeKafkaError(3, "This server does not host this topic-partition."); }
  absl::Status Enter() {
    ++cluster_->calls;
    return cluster_->down;
  }
  [[nodiscard]] std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& [name, topic] : cluster_->topics) names.push_back(name);
    return names;
  }

  TopicResult CreateOne(const NewTopic& topic, bool validate_only) {
    TopicResult result;
    result.name = topic.name;
    if (cluster_->topics.contains(topic.name)) {
      result.status = MakeKafkaError(36, "Topic '" + topic.name + "' already exists.");
      return result;
    }
    if (topic.replication_factor > cluster_->brokers) {
      result.status =
          MakeKafkaError(38, "The target replication factor of " + std::to_string(topic.replication_factor) +
                                 " cannot be reached because only " + std::to_string(cluster_->brokers) +
                                 " broker(s) are registered.");
      return result;
    }
    TopicDescription made;
    made.name = topic.name;
    made.topic_id = Uuid(7, 1000 + cluster_->topics.size());
    std::vector<std::vector<NodeId>> assignments = topic.assignments;
    if (assignments.empty()) {
      std::vector<NodeId> replicas;
      for (int i = 1; i <= std::max<int>(1, topic.replication_factor); ++i) replicas.push_back(NodeId(i));
      assignments.assign(std::max(1, topic.partitions), replicas);
    }
    made.replication_factor = static_cast<int16_t>(assignments.front().size());
    for (const std::vector<NodeId>& replicas : assignments) {
      PartitionDescription partition;
      partition.partition = static_cast<int32_t>(made.partitions.size());
      partition.leader = replicas.front();
      partition.replicas = partition.isr = replicas;
      made.partitions.push_back(partition);
    }
    result.topic_id = made.topic_id;
    result.partitions = static_cast<int32_t>(made.partitions.size());
    result.replication_factor = made.replication_factor;
    if (!validate_only) cluster_->topics[topic.name] = made;
    return result;
  }

  FakeCluster* const cluster_;
};

struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs the program with `args`, of which the first is the name that it was started under.
inline CommandResult Run(FakeCluster* cluster, std::vector<std::string> args) {
  std::ostringstream out, err;
  Context context;
  context.out = &out;
  context.err = &err;
  context.files = PosixFileSystem();
  context.random = SystemRandom();
  context.clock = SystemClock();
  context.make_admin = [cluster](AdminClientOptions options) -> absl::StatusOr<std::unique_ptr<AdminClient>> {
    cluster->last_options = std::move(options);
    return std::make_unique<FakeAdmin>(cluster);
  };
  CommandResult result;
  result.exit_code = RunProgram(args, &context);
  result.out = out.str();
  result.err = err.str();
  return result;
}

}  // namespace quorate::cli

#endif  // QUORATE_TESTS_CLI_HARNESS_H_
