// A counter that is used from outside: three members with gRPC between them, each with a proposal service on its port,
// and a client that knows nothing but their addresses. It finds the one that leads, and its successor when that one
// leaves. In production the members are processes on different machines, with file storage (docs/embedding.md); the
// client stays as it is here.
#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorate/proposal_client.h"
#include "quorate/proposal_service.h"
#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace q = quorate;

// What a committed record means, and what a query is answered with. Both run on the node's apply thread: no lock.
class Counter : public q::StateMachine {
 public:
  absl::Status Apply(absl::Span<const q::CommittedRecord> records) override {
    for (const q::CommittedRecord& record : records) {
      total_ += std::stoi(std::string(record.data));
      if (record.result != nullptr) *record.result = std::to_string(total_);  // travels back to the client
    }
    return absl::OkStatus();
  }
  std::string Answer() const { return std::to_string(total_); }

 private:
  int total_ = 0;
};

struct Member {
  std::unique_ptr<q::Executor> disk = q::ThreadExecutorFactory()->MakeSerial("disk");
  Counter counter;
  std::unique_ptr<q::GrpcListener> listener;
  std::unique_ptr<q::QuorumNode> node;
  std::unique_ptr<q::ProposalService> service;  // the last field: stops before what it uses

  void Leave() {
    service->Stop(absl::Seconds(1));
    (void)node->Shutdown(absl::Seconds(5));
    listener->Stop(absl::ZeroDuration());
  }
};

absl::Status StartMember(const q::Voter& self, const std::vector<q::Voter>& voters, Member* member) {
  q::QuorumOptions options;
  options.cluster_id = q::ClusterId(q::Uuid(2026, 1122));
  options.self = self.key;
  options.initial_voters = voters;
  q::QuorumDependencies dependencies;
  dependencies.log = q::NewMemoryLogStore(member->disk.get());
  dependencies.election_state = q::NewMemoryElectionStateStore(member->disk.get());
  q::GrpcTransportOptions transport;
  transport.listener = member->listener.get();
  dependencies.transport = q::NewGrpcTransport(std::move(transport));
  dependencies.state_machine = &member->counter;
  auto node = q::QuorumNode::Create(std::move(options), std::move(dependencies));
  if (!node.ok()) return node.status();
  member->node = *std::move(node);

  q::ProposalServiceOptions remote;
  remote.node = member->node.get();
  remote.listener = member->listener.get();
  remote.query = [member](absl::string_view) { return member->counter.Answer(); };
  auto service = q::ProposalService::Create(std::move(remote));
  if (!service.ok()) return service.status();
  member->service = *std::move(service);
  if (absl::Status started = member->listener->Start(); !started.ok()) return started;
  return member->node->Start();
}

// Prints the sum after adding `amount`, or why it wasn't added, or whether that is unknown. The client repeats what is
// known not to have been applied; a sum must not be added twice, so what is unknown is left to us.
bool Add(q::ProposalClient& client, const std::string& amount, const std::string& expected) {
  std::promise<absl::StatusOr<q::Proposed>> promise;
  client.Propose(amount, {.timeout = absl::Seconds(30)},
                 [&](absl::StatusOr<q::Proposed> reply) { promise.set_value(std::move(reply)); });
  const absl::StatusOr<q::Proposed> reply = promise.get_future().get();
  std::printf("+%s: %s\n", amount.c_str(), reply.ok() ? reply->results[0].c_str() : reply.status().ToString().c_str());
  return reply.ok() && reply->results[0] == expected;
}

int main() {
  std::map<int, Member> members;
  std::vector<q::Voter> voters;
  q::ProposalClientOptions options;
  for (int id = 1; id <= 3; ++id) {
    q::GrpcListenerOptions listening;
    listening.bind = {"CONTROLLER", "127.0.0.1", 0};  // any free port
    auto listener = q::GrpcListener::Create(std::move(listening));
    if (!listener.ok()) return std::printf("listener: %s\n", listener.status().ToString().c_str()), 1;
    const q::Endpoint address{"CONTROLLER", "127.0.0.1", (*listener)->port()};
    voters.push_back({{q::NodeId(id), q::DirectoryId(q::Uuid(2026, id))}, {address}});
    options.servers.push_back(address);
    members[id].listener = *std::move(listener);
  }
  for (int id = 1; id <= 3; ++id) {
    absl::Status started = StartMember(voters[id - 1], voters, &members[id]);
    if (!started.ok()) return std::printf("member %d: %s\n", id, started.ToString().c_str()), 1;
  }
  auto client = q::ProposalClient::Create(std::move(options));
  if (!client.ok()) return std::printf("client: %s\n", client.status().ToString().c_str()), 1;
  if (!Add(**client, "1", "1") || !Add(**client, "2", "3")) return 1;

  const int leader = members[1].node->Describe().leader.value();
  std::printf("member %d, which leads, leaves\n", leader);
  members[leader].Leave();
  members.erase(leader);
  if (!Add(**client, "3", "6")) return 1;

  std::promise<absl::StatusOr<q::ReadAnswer>> read;
  (*client)->Read("total", absl::Seconds(30), [&](absl::StatusOr<q::ReadAnswer> r) { read.set_value(std::move(r)); });
  const absl::StatusOr<q::ReadAnswer> total = read.get_future().get();
  std::printf("a linearizable read says %s\n", total.ok() ? total->answer.c_str() : total.status().ToString().c_str());
  (*client)->Close();
  return total.ok() && total->answer == "6" ? 0 : 1;
}
