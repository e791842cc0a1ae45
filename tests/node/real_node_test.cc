// One node as hosts run it: threads, sockets, gRPC and a real disk.
#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "quorate/admin_client.h"
#include "quorate/node.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "support/catch.h"

namespace quorate {
namespace {

struct Host {
  Host() {
    static std::atomic<int> number{0};
    directory = std::filesystem::temp_directory_path() /
                ("quorate-node-" + std::to_string(SystemRandom()->Next()) + "-" + std::to_string(++number));
    options.id = NodeId(1);
    options.is_broker = options.is_controller = true;
    options.listeners = {{"PLAINTEXT", "127.0.0.1", 0}, {"CONTROLLER", "127.0.0.1", 0}};
    options.controller_listener_names = {"CONTROLLER"};
    options.bootstrap_servers = {{"CONTROLLER", "127.0.0.1", 1}};
    options.log_dirs = {directory.string()};
    options.metadata_segment_bytes = 8u << 20;
    DirectoryIdentity identity;
    identity.cluster_id = ClusterId(Uuid(21, 22));
    identity.node_id = NodeId(1);
    identity.directory_id = DirectoryId(Uuid(23, 24));
    // A voter doesn't call itself: the port may be one that nobody has.
    identity.initial_voters = {Voter{{NodeId(1), identity.directory_id}, {{"CONTROLLER", "127.0.0.1", 1}}, 0, 1}};
    const absl::Status formatted = FormatDirectory(PosixFileSystem(), directory.string(), identity);
    INFO(formatted.ToString());
    REQUIRE(formatted.ok());
  }
  ~Host() {
    node.reset();
    std::filesystem::remove_all(directory);
  }

  void Start() {
    absl::StatusOr<std::unique_ptr<Node>> made = Node::Create(options, {});
    INFO(made.status().ToString());
    REQUIRE(made.ok());
    node = *std::move(made);
    const absl::Status started = node->Start();
    INFO(started.ToString());
    REQUIRE(started.ok());
    const absl::Status usable = node->WaitUntilQuorumUsable(absl::Seconds(30));
    INFO(usable.ToString());
    CHECK(usable.ok());
    const absl::Status running = node->WaitUntilBrokerRunning(absl::Seconds(30));
    INFO(running.ToString());
    CHECK(running.ok());
  }

  std::unique_ptr<AdminClient> Admin(absl::Duration timeout = absl::Seconds(20)) {
    AdminClientOptions admin;
    admin.timeout = timeout;
    for (const Endpoint& endpoint : node->bound_endpoints()) admin.servers.push_back(endpoint);
    return *AdminClient::Create(std::move(admin));
  }

  std::filesystem::path directory;
  NodeOptions options;
  std::unique_ptr<Node> node;
};

TEST_CASE("A node of its own starts, serves the admin client over TCP, keeps what it was told, and stops in order") {
  Host host;
  host.Start();
  {
    const std::unique_ptr<AdminClient> admin = host.Admin();
    NewTopic topic;
    topic.name = "email.send";
    topic.partitions = 2;
    topic.replication_factor = 1;
    const auto created = admin->CreateTopics({topic, topic}, false);
    INFO(created.status().ToString());
    REQUIRE(created.ok());
    topic.partitions = 1;
    const auto made = admin->CreateTopics({topic}, false);
    REQUIRE(made.ok());
    const auto names = admin->ListTopics();
    REQUIRE(names.ok());
    CHECK(names->names == std::vector<std::string>{"email.send"});
    CHECK_FALSE(names->stale);
    const auto quorum = admin->DescribeQuorum();
    INFO(quorum.status().ToString());
    REQUIRE(quorum.ok());
    CHECK(quorum->leader == NodeId(1));
    CHECK(quorum->role == ReplicaRole::kLeader);
    const auto cluster = admin->DescribeCluster();
    REQUIRE(cluster.ok());
    REQUIRE(cluster->brokers.size() == 1);
    CHECK_FALSE(cluster->brokers[0].fenced);
  }
  const absl::Status stopped = host.node->Shutdown(absl::Seconds(20));
  INFO(stopped.ToString());
  CHECK(stopped.ok());
  CHECK(host.node->Shutdown(absl::Seconds(1)).ok());
  CHECK(host.node->status().broker == BrokerState::kNotRunning);
  // What is asked of it now is answered, once.
  std::promise<void> answered;
  host.node->DeleteTopics({"email.send"}, absl::Seconds(5), [&](absl::StatusOr<std::vector<TopicResult>> late) {
    CHECK(ReasonOf(late.status()) == Reason::kShuttingDown);
    answered.set_value();
  });
  CHECK(answered.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  std::promise<void> refused;
  host.node->TakeSnapshot([&](const absl::StatusOr<LogPosition>& taken) {
    CHECK(ReasonOf(taken.status()) == Reason::kShuttingDown);
    refused.set_value();
  });
  CHECK(refused.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  host.node->SuspectLeader(NodeId(1));
  host.node.reset();

  host.Start();
  CHECK(host.node->image()->FindTopic("email.send").has_value());
}

TEST_CASE(
    "Calls from other threads while the node shuts down: each is answered once, none touches what is gone (F-H05)") {
  Host host;
  host.Start();
  std::atomic<bool> over{false};
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i) {
    callers.emplace_back([&] {
      while (!over) {
        ++asked;
        host.node->DeleteTopics({"nothing"}, absl::Seconds(5),
                                [&](absl::StatusOr<std::vector<TopicResult>>) { ++answered; });
        (void)host.node->DescribeQuorum();
        (void)host.node->status();
      }
    });
  }
  while (answered < 100) std::this_thread::yield();
  const absl::Status stopped = host.node->Shutdown(absl::Seconds(20));
  INFO(stopped.ToString());
  CHECK(stopped.ok());
  over = true;
  for (std::thread& caller : callers) caller.join();
  CHECK(answered == asked);
}

TEST_CASE("A port in use and a directory in use are refused at once, and nothing stays behind") {
  Host host;
  host.Start();
  Host other;
  other.options.listeners[0].port = host.node->bound_endpoints()[0].port;
  absl::StatusOr<std::unique_ptr<Node>> second = Node::Create(other.options, {});
  REQUIRE(second.ok());
  const absl::Status taken = (*second)->Start();
  INFO(taken.ToString());
  CHECK(ReasonOf(taken) == Reason::kInUse);

  const absl::StatusOr<std::unique_ptr<Node>> same = Node::Create(host.options, {});
  CHECK(ReasonOf(same.status()) == Reason::kInUse);
}

// One of three voters; the others don't exist.
void StartAlone(Host& host) {
  std::filesystem::remove_all(host.directory);
  DirectoryIdentity identity;
  identity.cluster_id = ClusterId(Uuid(21, 22));
  identity.node_id = NodeId(1);
  identity.directory_id = DirectoryId(Uuid(23, 24));
  identity.initial_voters.emplace();
  for (int32_t id = 1; id <= 3; ++id) {
    const DirectoryId directory = id == 1 ? identity.directory_id : DirectoryId(Uuid(25, static_cast<uint64_t>(id)));
    identity.initial_voters->push_back(Voter{{NodeId(id), directory}, {{"CONTROLLER", "127.0.0.1", 1}}, 0, 1});
  }
  REQUIRE(FormatDirectory(PosixFileSystem(), host.directory.string(), identity).ok());
  host.node = *Node::Create(host.options, {});
  REQUIRE(host.node->Start().ok());
}

TEST_CASE("Shutdown ends the waits of other threads, and what was shut down isn't waited for") {
  Host host;
  StartAlone(host);
  std::promise<void> begun;
  std::thread waiter([&] {
    begun.set_value();
    CHECK(ReasonOf(host.node->WaitUntilBrokerRunning(absl::Minutes(5))) == Reason::kShuttingDown);
  });
  begun.get_future().wait();
  const Instant before = SystemClock()->Now();
  CHECK(host.node->Shutdown(absl::ZeroDuration()).ok());
  waiter.join();
  CHECK(ReasonOf(host.node->WaitUntilQuorumUsable(absl::Minutes(5))) == Reason::kShuttingDown);
  CHECK(SystemClock()->Now() - before < absl::Seconds(60));
}

TEST_CASE("Shutdown that comes while the node starts waits for that, and then ends it") {
  Host host;
  for (int i = 0; i < 5; ++i) {
    host.node = *Node::Create(host.options, {});
    std::promise<void> begun;
    std::thread starter([&] {
      begun.set_value();
      const absl::Status started = host.node->Start();
      // Too late, or in time to be ended.
      CHECK((started.ok() || ReasonOf(started) == Reason::kInvalidArgument));
    });
    begun.get_future().wait();
    host.node->Shutdown(absl::ZeroDuration()).IgnoreError();
    starter.join();
    CHECK_FALSE(host.node->status().running);
    CHECK(host.node->bound_endpoints().empty());
    host.node.reset();
  }
}

TEST_CASE("An admin client hears from a node without a majority why nothing happens, and that nothing happened") {
  Host host;
  StartAlone(host);
  NewTopic topic;
  topic.name = "orders";
  for (int i = 0; i < 3; ++i) {
    const auto created = host.Admin(absl::Seconds(2))->CreateTopics({topic}, false);
    REQUIRE_FALSE(created.ok());
    INFO(created.status().ToString());
    CHECK(ReasonOf(created.status()) == Reason::kNoLeader);
    CHECK(OutcomeOf(created.status()) == Outcome::kNotApplied);
    CHECK(absl::StrContains(created.status().message(), "reaches 1 of 3 voters"));
  }
}

TEST_CASE("The admin client says which server it can't reach, within its timeout") {
  AdminClientOptions options;
  options.servers = {{"", "127.0.0.1", 1}};
  options.timeout = absl::Milliseconds(500);
  const auto admin = AdminClient::Create(std::move(options));
  REQUIRE(admin.ok());
  const Instant before = SystemClock()->Now();
  const auto names = (*admin)->ListTopics();
  REQUIRE_FALSE(names.ok());
  CHECK(SystemClock()->Now() - before < absl::Seconds(10));
  INFO(names.status().ToString());
  CHECK(absl::StrContains(names.status().message(), "can't connect to 127.0.0.1:1"));
  CHECK(absl::StrContains(names.status().message(), "is the node running?"));
}

}  // namespace
}  // namespace quorate
