// quorate and Canonical's raft: libraries, so each in a small host program with the same state and the same few bytes
// of framing before its clients.
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "compare/proposal_put_client.h"
#include "compare/system.h"
#include "compare/tcp_client.h"
#include "host/client.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"

namespace quorate::compare {
namespace {

class RegisterSystem : public System {
 public:
  using System::System;

  absl::Status Transfer(int from, int to) override {
    const std::unique_ptr<host::Client> client = host::Client::Connect(port(from, 0));
    if (client == nullptr) return absl::UnavailableError("it doesn't accept connections");
    host::Command command;
    command.operation = host::Operation::kTransfer;
    const std::string target = absl::StrCat(to + 1);
    command.argument = target;
    const std::optional<host::Answer> answer = client->Call(command, absl::Seconds(10));
    if (!answer) return absl::UnavailableError("the transfer wasn't answered");
    if (answer->result != host::Result::kOk) return absl::InternalError(answer->message());
    return absl::OkStatus();
  }

  absl::StatusOr<NodeState> Ask(int node) const override {
    const std::unique_ptr<host::Client> client = host::Client::Connect(port(node, 0));
    if (client == nullptr) return absl::UnavailableError("it doesn't accept connections");
    host::Command command;
    command.operation = host::Operation::kStatus;
    const std::optional<host::Answer> answer = client->Call(command, absl::Seconds(2));
    if (!answer || answer->result != host::Result::kOk) return absl::UnavailableError("it doesn't answer");
    const std::map<std::string, std::string> status =
        absl::StrSplit(answer->payload, absl::ByAnyChar("=\n"), absl::SkipEmpty());
    const auto number = [&status](const std::string& name) {
      int64_t value = -1;
      const auto it = status.find(name);
      return it != status.end() && absl::SimpleAtoi(it->second, &value) ? value : -1;
    };
    NodeState state;
    state.leads = number("leader") == node + 1;
    state.follows = number("leader") > 0 && !state.leads;
    state.position = number(PositionName());
    return state;
  }

 protected:
  // Which line of the status says how far a node is.
  [[nodiscard]] virtual const char* PositionName() const { return "applied_end"; }

  std::unique_ptr<PutClient> MakeClient(const std::vector<int>& nodes) const override {
    std::vector<int> ports;
    for (int node : nodes) ports.push_back(port(node, 0));
    return std::make_unique<TcpClient>(ports, NewRegisterWire);
  }
};

class CRaftSystem final : public RegisterSystem {
 public:
  CRaftSystem(std::string program, std::string folder, std::vector<int> ports, Tuning tuning)
      : RegisterSystem(std::move(folder), std::move(ports), tuning), program_(std::move(program)) {}

 protected:
  // A restarted member has everything, but applies it only with the next write.
  const char* PositionName() const override { return "log_end"; }
  absl::Status FormatNode(int) override { return absl::OkStatus(); }

  std::vector<std::string> CommandLine(int node) const override {
    std::vector<std::string> command = {program_,         "--id",          absl::StrCat(node + 1),     "--directory",
                                        NodeFolder(node), "--client-port", absl::StrCat(port(node, 0))};
    for (int i = 0; i < kNodes; ++i) {
      command.push_back("--peer");
      command.push_back(absl::StrCat("127.0.0.1:", port(i, 1)));
    }
    if (tuned()) command.insert(command.end(), {"--election-timeout-ms", "100", "--heartbeat-ms", "10"});
    return command;
  }

 private:
  const std::string program_;
};

class QuorateSystem : public RegisterSystem {
 public:
  QuorateSystem(std::string program, std::string folder, std::vector<int> ports, Tuning tuning)
      : RegisterSystem(std::move(folder), std::move(ports), tuning), program_(std::move(program)) {}

 protected:
  absl::Status FormatNode(int node) override {
    DirectoryIdentity identity;
    identity.cluster_id = ClusterId(Uuid(SystemRandom()->Next() | 1, 0));
    if (node > 0) identity.cluster_id = cluster_id_;
    cluster_id_ = identity.cluster_id;
    identity.initial_voters.emplace();
    for (int i = 0; i < kNodes; ++i) {
      const ReplicaKey key{NodeId(i + 1), DirectoryId(Uuid(cluster_id_.value().high(), static_cast<uint64_t>(i + 1)))};
      identity.initial_voters->push_back({key, {{"CONTROLLER", "127.0.0.1", static_cast<uint16_t>(port(i, 1))}}, 0, 1});
      if (i == node) {
        identity.node_id = key.id;
        identity.directory_id = key.directory;
      }
    }
    return FormatDirectory(PosixFileSystem(), NodeFolder(node) + "/data", identity);
  }

  std::vector<std::string> CommandLine(int node) const override {
    std::vector<std::string> command = {program_, "--directory", NodeFolder(node) + "/data", "--client-port",
                                        absl::StrCat(port(node, 0))};
    if (tuned()) command.insert(command.end(), {"--election-timeout-ms", "100", "--fetch-timeout-ms", "150"});
    return command;
  }

 private:
  const std::string program_;
  ClusterId cluster_id_;
};

class QuorateGrpcSystem final : public QuorateSystem {
 public:
  QuorateGrpcSystem(std::string program, ProposalMode mode, std::string folder, std::vector<int> ports, Tuning tuning)
      : QuorateSystem(std::move(program), std::move(folder), std::move(ports), tuning), mode_(mode) {}

 protected:
  // The service is behind the port of the peers.
  std::unique_ptr<PutClient> MakeClient(const std::vector<int>& nodes) const override {
    std::vector<int> ports;
    for (int node : nodes) ports.push_back(port(node, 1));
    return std::make_unique<ProposalPutClient>(ports, mode_);
  }

 private:
  const ProposalMode mode_;
};

}  // namespace

Contender CRaftContender(const std::string& programs) {
  Contender craft;
  craft.name = "craft";
  craft.title = "C raft 0.15";
  const std::string program = FirstExisting({programs + "/bench/compare/craft_host"});
  if (program.empty()) {
    craft.missing =
        "the packages libraft-dev and libuv1-dev weren't there when this was built (bench/compare/run.sh --install)";
  }
  craft.tuned = "election timeout 100 ms, heartbeat 10 ms (default 1000 and 100)";
  craft.make = [program](std::string folder, std::vector<int> ports, Tuning tuning) -> std::unique_ptr<System> {
    return std::make_unique<CRaftSystem>(program, std::move(folder), std::move(ports), tuning);
  };
  return craft;
}

Contender QuorateContender(const std::string& programs) {
  Contender quorate;
  quorate.name = "quorate";
  quorate.title = "quorate";
  const std::string program = FirstExisting({programs + "/bench/host/register_host"});
  if (program.empty()) quorate.missing = "its host isn't built: cmake --build " + programs + " --target register_host";
  quorate.tuned = "election timeout 100 ms, fetch timeout 150 ms (default 300 and 600); nothing else is tuned";
  quorate.make = [program](std::string folder, std::vector<int> ports, Tuning tuning) -> std::unique_ptr<System> {
    return std::make_unique<QuorateSystem>(program, std::move(folder), std::move(ports), tuning);
  };
  return quorate;
}

Contender QuorateGrpcContender(const std::string& programs, ProposalMode mode) {
  Contender grpc = QuorateContender(programs);
  const bool unary = mode == ProposalMode::kUnary;
  grpc.name = unary ? "quorate_unary" : "quorate_stream";
  grpc.title = unary ? "quorate gRPC unary" : "quorate gRPC stream";
  grpc.commits_only = true;
  const std::string program = FirstExisting({programs + "/bench/host/register_host"});
  grpc.make = [program, mode](std::string folder, std::vector<int> ports, Tuning tuning) -> std::unique_ptr<System> {
    return std::make_unique<QuorateGrpcSystem>(program, mode, std::move(folder), std::move(ports), tuning);
  };
  return grpc;
}

}  // namespace quorate::compare
