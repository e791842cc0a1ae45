#include "node/node_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {

Endpoint NodeCluster::Controllers(int id) const { return {"CONTROLLER", absl::StrCat("node-", id), 9093}; }
Endpoint NodeCluster::Clients(int id) const { return {"PLAINTEXT", absl::StrCat("node-", id), 9092}; }

NodeCluster::NodeCluster(int voters, int brokers_only, uint64_t seed, bool static_voters) : seed_(seed), random_(seed) {
  network_ = InProcessNetwork::Create(&executor_, &clock_);
  node_network_ = NewInProcessNodeNetwork(network_.get());
  client_ = network_->MakeRpcClient();
  for (int id = 1; id <= voters + brokers_only; ++id) members_.push_back(MakeMember(id, id <= voters));
  std::vector<Voter> initial;
  for (int id = 1; id <= voters; ++id) initial.push_back(VoterOf(id));
  for (auto& member : members_) {
    if (static_voters) {
      member->options.static_voters = initial;
      for (Voter& voter : member->options.static_voters) voter.key.directory = DirectoryId();
    } else {
      for (int voter = 1; voter <= voters; ++voter) member->options.bootstrap_servers.push_back(Controllers(voter));
      if (member->options.is_controller) member->identity.initial_voters = initial;
    }
    Format(*member);
  }
}

std::unique_ptr<NodeCluster::Member> NodeCluster::MakeMember(int id, bool is_controller) {
  auto member = std::make_unique<Member>(seed_ * 100 + static_cast<uint64_t>(id));
  NodeOptions& options = member->options;
  options.id = NodeId(id);
  options.is_broker = true;
  options.is_controller = is_controller;
  options.listeners = {Clients(id)};
  if (is_controller) options.listeners.push_back(Controllers(id));
  options.controller_listener_names = {"CONTROLLER"};
  options.log_dirs = {member->path};
  member->identity.cluster_id = ClusterId(Uuid(11, 12));
  member->identity.node_id = options.id;
  member->identity.directory_id = DirectoryId(Uuid(5, 1000 + ++last_directory_));
  return member;
}

void NodeCluster::Format(Member& member) {
  const absl::Status formatted = FormatDirectory(&member.files, member.path, member.identity);
  INFO(formatted.ToString());
  REQUIRE(formatted.ok());
}

int NodeCluster::AddJoiner() {
  const int id = static_cast<int>(members_.size()) + 1;
  std::unique_ptr<Member> member = MakeMember(id, true);
  member->options.bootstrap_servers = members_.front()->options.bootstrap_servers;
  Format(*member);
  members_.push_back(std::move(member));
  return id;
}

void NodeCluster::Configure(absl::FunctionRef<void(NodeOptions&)> change) {
  for (auto& member : members_) change(member->options);
}

void NodeCluster::ReplaceDisk(int id) {
  Member& member = At(id);
  REQUIRE(member.node == nullptr);
  absl::StrAppend(&member.path, "-new");
  member.options.log_dirs = {member.path};
  member.identity.directory_id = DirectoryId(Uuid(5, 1000 + ++last_directory_));
  member.identity.initial_voters = std::nullopt;
  Format(member);
}

NodeCluster::~NodeCluster() {
  for (auto& member : members_) member->node.reset();
  client_.reset();
  executor_.RunUntilIdle();
}

absl::Status NodeCluster::Start(int id) {
  Member& member = At(id);
  NodeDependencies dependencies;
  dependencies.clock = &clock_;
  dependencies.random = &random_;
  dependencies.files = &member.files;
  dependencies.executors = &executors_;
  dependencies.network = node_network_;
  FileStorageOptions storage;
  storage.path = member.path;
  storage.segment_bytes = 1u << 20;
  storage.files = &member.files;
  storage.executors = &executors_;
  storage.clock = &clock_;
  absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(storage));
  if (!directory.ok()) return directory.status();
  dependencies.directory = *std::move(directory);
  dependencies.on_fault = [&member](absl::Status cause) { member.fault = std::move(cause); };
  absl::StatusOr<std::unique_ptr<Node>> node = Node::Create(member.options, std::move(dependencies));
  if (!node.ok()) return node.status();
  member.node = *std::move(node);
  return member.node->Start();
}

void NodeCluster::StartAll() {
  for (size_t id = 1; id <= members_.size(); ++id) {
    const absl::Status started = Start(static_cast<int>(id));
    INFO(started.ToString());
    REQUIRE(started.ok());
  }
  REQUIRE(Await([this] { return AllBrokersRunning(); }));
}

void NodeCluster::Crash(int id) {
  Member& member = At(id);
  member.files.Crash();
  member.node.reset();
  member.files.Restart(testing::Survival::kRandom);
}

absl::Status NodeCluster::ControlledShutdown(int id, absl::Duration timeout) {
  std::optional<absl::Status> result;
  At(id).node->BeginControlledShutdown(timeout, [&](absl::Status status) { result = std::move(status); });
  if (!Await([&] { return result.has_value(); }, absl::Minutes(1))) return absl::InternalError("it never ended");
  return *result;
}

void NodeCluster::Isolate(int id, bool isolated) {
  for (size_t other = 1; other <= members_.size(); ++other) {
    if (static_cast<int>(other) == id) continue;
    for (const Endpoint& mine : {Controllers(id), Clients(id)}) {
      for (const Endpoint& theirs : {Controllers(static_cast<int>(other)), Clients(static_cast<int>(other))}) {
        network_->SetLink(mine.Address(), theirs.Address(), !isolated);
        network_->SetLink(theirs.Address(), mine.Address(), !isolated);
      }
    }
  }
}

bool NodeCluster::Await(absl::FunctionRef<bool()> condition, absl::Duration limit) {
  return executor_.RunUntilTrue(condition, limit);
}

int NodeCluster::Controller() {
  int found = 0;
  Epoch newest{-1};
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i]->node == nullptr) continue;
    const NodeStatus status = members_[i]->node->status();
    if (status.active_controller && status.leadership.epoch > newest) {
      found = static_cast<int>(i) + 1;
      newest = status.leadership.epoch;
    }
  }
  return found;
}

int NodeCluster::AwaitController() {
  Await([this] { return Controller() != 0; });
  return Controller();
}

bool NodeCluster::AllBrokersRunning() {
  for (auto& member : members_) {
    if (member->node != nullptr && member->node->status().broker != BrokerState::kRunning) return false;
  }
  return true;
}

template <typename T>
absl::StatusOr<T> NodeCluster::Wait(std::optional<absl::StatusOr<T>>& answer) {
  if (!Await([&] { return answer.has_value(); }, absl::Minutes(2))) {
    return absl::InternalError("no answer within two virtual minutes");
  }
  return *std::move(answer);
}

absl::StatusOr<Results> NodeCluster::Create(int at, const std::string& name, int32_t partitions, int16_t replication,
                                            absl::Duration timeout) {
  NewTopic topic;
  topic.name = name;
  topic.partitions = partitions;
  topic.replication_factor = replication;
  std::optional<absl::StatusOr<Results>> answer;
  At(at).node->CreateTopics({topic}, false, timeout, [&](absl::StatusOr<Results> r) { answer = std::move(r); });
  return Wait(answer);
}

absl::StatusOr<Results> NodeCluster::Delete(int at, const std::string& name) {
  std::optional<absl::StatusOr<Results>> answer;
  At(at).node->DeleteTopics({name}, absl::Seconds(10), [&](absl::StatusOr<Results> r) { answer = std::move(r); });
  return Wait(answer);
}

NodeCluster::Answer NodeCluster::BeginAdd(int at, int id, VoterChangeOptions options) {
  auto answer = std::make_shared<std::optional<absl::Status>>();
  At(at).node->AddController(VoterOf(id), options, [answer](absl::Status status) { *answer = std::move(status); });
  return answer;
}

NodeCluster::Answer NodeCluster::BeginRemove(int at, ReplicaKey key, VoterChangeOptions options) {
  auto answer = std::make_shared<std::optional<absl::Status>>();
  At(at).node->RemoveController(key, options, [answer](absl::Status status) { *answer = std::move(status); });
  return answer;
}

absl::Status NodeCluster::Await(const Answer& answer) {
  if (!Await([&] { return answer->has_value(); }, absl::Minutes(2))) {
    return absl::InternalError("no answer within two virtual minutes");
  }
  return **answer;
}

absl::Status NodeCluster::Transfer(int at, std::optional<NodeId> to, absl::Duration timeout) {
  auto answer = std::make_shared<std::optional<absl::Status>>();
  At(at).node->TransferLeadership(to, timeout, [answer](absl::Status status) { *answer = std::move(status); });
  return Await(answer);
}

absl::StatusOr<LogPosition> NodeCluster::TakeSnapshot(int id) {
  std::optional<absl::StatusOr<LogPosition>> answer;
  At(id).node->TakeSnapshot([&](absl::StatusOr<LogPosition> position) { answer = std::move(position); });
  return Wait(answer);
}

std::vector<int> NodeCluster::Voters(int at) {
  std::vector<int> ids;
  for (const ReplicaStatus& voter : At(at).node->DescribeQuorum().voters) ids.push_back(voter.key.id.value());
  std::sort(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<std::string> NodeCluster::Call(const Endpoint& to, const char* method, std::string payload) {
  std::optional<absl::StatusOr<std::string>> answer;
  client_->Call(to, method, std::move(payload), absl::Seconds(10),
                [&](absl::StatusOr<std::string> bytes) { answer = std::move(bytes); });
  return Wait(answer);
}

std::optional<PartitionInfo> NodeCluster::Partition(int at, const std::string& topic, int32_t index) {
  const MetadataImagePtr image = Image(at);
  const std::optional<TopicInfo> info = image->FindTopic(topic);
  if (!info.has_value()) return std::nullopt;
  return image->FindPartition(info->id, index);
}

}  // namespace quorate::node
