#include "cluster/cluster.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::testing {

namespace {

std::string NewId() {
  std::string id = RunCommand({Program(), "storage", "random-uuid"}).text;
  REQUIRE(id.size() == 23);
  id.pop_back();
  return id;
}

}  // namespace

std::string Program() { return QUORATE_PROGRAM; }

Cluster::Cluster(int nodes, int voters, std::string more) : nodes_(nodes), more_(std::move(more)) {
  std::string directory = (std::filesystem::temp_directory_path() / "quorate-cluster-XXXXXX").string();
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  directory_ = directory;
  ports_ = FreePorts(2 * nodes);
  REQUIRE(ports_.size() == 2 * static_cast<size_t>(nodes));
  cluster_id_ = NewId();
  for (int id = 1; id <= voters; ++id) {
    absl::StrAppend(&initial_controllers_, id == 1 ? "" : ",", id, "@localhost:", controller_port(id), ":", NewId());
  }
  for (int id = 1; id <= nodes; ++id) {
    WriteConfig(absl::StrCat("node-", id, ".properties"), id, data(id));
    if (id > voters) {
      Format(id, {"--no-initial-controllers"});
    } else if (voters == 1) {
      Format(id, {"--standalone"});
    } else {
      Format(id, {"--initial-controllers", initial_controllers_});
    }
  }
}

void Cluster::Format(int id, const std::vector<std::string>& mode) {
  std::vector<std::string> args = {Program(), "storage", "format", "-c", config(id), "-t", cluster_id_};
  args.insert(args.end(), mode.begin(), mode.end());
  const CommandOutput formatted = RunCommand(args);
  INFO(formatted.text);
  REQUIRE(formatted.exit_code == 0);
}

void Cluster::ReplaceDisk(int id) {
  REQUIRE_FALSE(running(id));
  std::filesystem::remove_all(data(id));
  Format(id, {"--no-initial-controllers"});
}

std::string Cluster::directory_id(int id) const {
  std::ifstream in(data(id) + "/meta.properties");
  constexpr absl::string_view kKey = "directory.id=";
  for (std::string line; std::getline(in, line);) {
    if (absl::StartsWith(line, kKey)) return line.substr(kKey.size());
  }
  return "";
}

Cluster::~Cluster() {
  processes_.clear();
  // QUORATE_KEEP_FILES: for looking at the logs of a test that failed.
  if (std::getenv("QUORATE_KEEP_FILES") != nullptr) {
    std::cerr << "kept " << directory_ << '\n';
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Cluster::config(int id) const { return path(absl::StrCat("node-", id, ".properties")); }
std::string Cluster::data(int id) const { return path(absl::StrCat("data-", id)); }
std::string Cluster::log(int id) const { return path(absl::StrCat("node-", id, ".log")); }

std::string Cluster::WriteConfig(const std::string& name, int id, const std::string& data_directory,
                                 const std::string& more) {
  std::string servers;
  for (int other = 1; other <= nodes_; ++other) {
    absl::StrAppend(&servers, other == 1 ? "" : ",", "localhost:", controller_port(other));
  }
  std::ofstream out(path(name));
  out << "process.roles=broker,controller\n"
      << "node.id=" << id << "\n"
      << "controller.quorum.bootstrap.servers=" << servers << "\n"
      << "listeners=PLAINTEXT://localhost:" << broker_port(id) << ",CONTROLLER://localhost:" << controller_port(id)
      << "\n"
      << "controller.listener.names=CONTROLLER\n"
      << "log.dirs=" << data_directory << "\n"
      << "broker.heartbeat.interval.ms=200\nbroker.session.timeout.ms=2000\n"
      << more_ << more;
  return path(name);
}

void Cluster::Start(int id) {
  processes_[id] = Process::Start({Program(), "server", config(id)}, log(id));
  REQUIRE(processes_[id] != nullptr);
}

void Cluster::Kill(int id) {
  processes_.at(id)->Signal(SIGKILL);
  REQUIRE(processes_.at(id)->WaitForEnd(absl::Seconds(10)));
  processes_.erase(id);
}

std::optional<ProcessEnd> Cluster::Stop(int id) {
  processes_.at(id)->Signal(SIGTERM);
  std::optional<ProcessEnd> end = processes_.at(id)->WaitForEnd(absl::Seconds(60));
  processes_.erase(id);
  return end;
}

bool Cluster::running(int id) const {
  const auto found = processes_.find(id);
  return found != processes_.end() && found->second->running();
}

std::unique_ptr<AdminClient> Cluster::Admin(const std::vector<int>& ids, absl::Duration timeout) {
  AdminClientOptions options;
  for (int id : ids) options.servers.push_back({"", "localhost", static_cast<uint16_t>(broker_port(id))});
  options.timeout = timeout;
  auto admin = AdminClient::Create(std::move(options));
  REQUIRE(admin.ok());
  return *std::move(admin);
}

bool Cluster::WaitUntilInService(const std::vector<int>& ids, absl::Duration limit) {
  std::unique_ptr<AdminClient> admin = Admin(ids, absl::Seconds(2));
  return WaitUntil(
      [&] {
        auto cluster = admin->DescribeCluster();
        if (!cluster.ok()) return false;
        return std::all_of(ids.begin(), ids.end(), [&](int id) {
          return std::any_of(cluster->brokers.begin(), cluster->brokers.end(), [&](const BrokerDescription& broker) {
            return broker.id.value() == id && !broker.fenced;
          });
        });
      },
      limit);
}

NodeId Cluster::WaitForLeader(absl::Duration limit) {
  std::vector<int> ids;
  for (const auto& [id, process] : processes_) ids.push_back(id);
  std::unique_ptr<AdminClient> admin = Admin(ids, absl::Seconds(2));
  NodeId leader = kNoNode;
  WaitUntil(
      [&] {
        auto quorum = admin->DescribeQuorum();
        if (quorum.ok()) leader = quorum->leader;
        return leader != kNoNode && running(leader.value());
      },
      limit);
  return leader;
}

absl::Status Cluster::Create(const std::string& topic, const std::vector<int>& ids, absl::Duration timeout,
                             int16_t replication_factor) {
  NewTopic wanted;
  wanted.name = topic;
  wanted.partitions = 1;
  wanted.replication_factor = replication_factor;
  auto results = Admin(ids, timeout)->CreateTopics({wanted}, false);
  if (!results.ok()) return results.status();
  REQUIRE(results->size() == 1);
  if (results->front().status.ok()) acknowledged_[topic] = results->front().topic_id;
  return results->front().status;
}

absl::Status Cluster::CreateThroughFailover(const std::string& topic, const std::vector<int>& ids) {
  constexpr int16_t kTopicAlreadyExists = 36;
  absl::Status status;
  WaitUntil(
      [&] {
        status = Create(topic, ids);
        if (KafkaErrorOf(status) == kTopicAlreadyExists) {
          acknowledged_[topic] = Uuid();
          status = absl::OkStatus();
        }
        return status.ok() || !IsRetriable(status);
      },
      absl::Seconds(30));
  return status;
}

std::vector<std::string> Cluster::MissingTopics(const std::vector<int>& ids) {
  std::vector<std::string> names, missing;
  for (const auto& [name, id] : acknowledged_) names.push_back(name);
  auto topics = Admin(ids)->DescribeTopics(names);
  if (!topics.ok()) return {topics.status().ToString()};
  for (const auto& [name, id] : acknowledged_) {
    const bool found =
        std::any_of(topics->begin(), topics->end(), [&, &name = name, &id = id](const TopicDescription& t) {
          return t.name == name && t.status.ok() && (id.is_zero() || t.topic_id == id) && t.partitions.size() == 1;
        });
    if (!found) missing.push_back(name);
  }
  return missing;
}

}  // namespace quorate::testing
