// Three quorum members in one process, and a counter that survives losing the one that leads. A quorum agrees on one
// list of records; whatever state you compute from the records alone is the same on all members: here, a sum. What is
// proposed to the leader is committed once a majority (here two) has it, and then applied everywhere. In production the
// members are processes on different machines, with file storage and the gRPC transport; the rest stays the same.
#include <condition_variable>
#include <cstdio>
#include <future>
#include <map>
#include <mutex>

#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/transport_adapters.h"

namespace q = quorate;

// Where the members of this process note who leads. Elsewhere one would ask any member, and follow its hint.
struct Board {
  q::Leadership WaitForLeader(q::Epoch after) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return leader.epoch > after; });
    return leader;
  }
  std::mutex mutex;
  std::condition_variable changed;
  q::Leadership leader;
} board;

// Your part: what a committed record means. Called in order, each record once, the same on every member.
class Counter : public q::StateMachine {
 public:
  absl::Status Apply(absl::Span<const q::CommittedRecord> records) override {
    for (const q::CommittedRecord& record : records) {
      total += std::stoi(std::string(record.data));
      if (record.result != nullptr) *record.result = std::to_string(total);  // the answer for whoever proposed it
    }
    return absl::OkStatus();
  }
  void OnLeadership(const q::Leadership& leadership) override {
    const std::lock_guard<std::mutex> lock(board.mutex);
    if (leadership.is_self && leadership.epoch > board.leader.epoch) board.leader = leadership;
    board.changed.notify_all();
  }
  int total = 0;
};

struct Member {
  Counter counter;
  std::unique_ptr<q::QuorumNode> node;  // the last field, so that it is gone before what it uses
};

q::ReplicaKey KeyOf(int id) { return {q::NodeId(id), q::DirectoryId(q::Uuid(2026, id))}; }
q::Endpoint AddressOf(int id) { return {"CONTROLLER", "member-" + std::to_string(id), 9093}; }

absl::Status StartMember(int id, q::InProcessNetwork* network, q::Executor* disk, Member* member) {
  q::QuorumOptions options;
  options.cluster_id = q::ClusterId(q::Uuid(2026, 1121));  // the same on all: no stranger gets in
  options.self = KeyOf(id);
  for (int voter = 1; voter <= 3; ++voter) options.initial_voters.push_back({KeyOf(voter), {AddressOf(voter)}});
  q::QuorumDependencies dependencies;
  dependencies.log = q::NewMemoryLogStore(disk);  // for files: DataDirectory::Open(…)->MakeLogStore()
  dependencies.election_state = q::NewMemoryElectionStateStore(disk);
  dependencies.transport = network->MakeTransport(AddressOf(id));  // between machines: NewGrpcTransport(…)
  dependencies.state_machine = &member->counter;
  auto node = q::QuorumNode::Create(std::move(options), std::move(dependencies));
  if (!node.ok()) return node.status();
  member->node = *std::move(node);
  return member->node->Start();
}

// Prints the sum after adding `amount`, or why it wasn't added.
void Add(Member& leader, const std::string& amount) {
  std::promise<absl::StatusOr<q::Proposed>> promise;
  leader.node->Propose({{amount}, {}}, [&](absl::StatusOr<q::Proposed> reply) { promise.set_value(std::move(reply)); });
  absl::StatusOr<q::Proposed> reply = promise.get_future().get();
  std::printf("+%s: %s\n", amount.c_str(), reply.ok() ? reply->results[0].c_str() : reply.status().ToString().c_str());
}

int main() {
  auto wire = q::ThreadExecutorFactory()->MakeSerial("wire"), disk = q::ThreadExecutorFactory()->MakeSerial("disk");
  auto network = q::InProcessNetwork::Create(wire.get(), q::SystemClock());
  std::map<q::NodeId, Member> members;
  for (int id = 1; id <= 3; ++id) {
    absl::Status started = StartMember(id, network.get(), disk.get(), &members[q::NodeId(id)]);
    if (!started.ok()) return std::printf("member %d: %s\n", id, started.ToString().c_str()), 1;
  }
  const q::Leadership first = board.WaitForLeader(q::Epoch(0));
  for (const char* amount : {"1", "2"}) Add(members[first.leader], amount);
  std::printf("member %d, which leads, leaves\n", first.leader.value());
  members.erase(first.leader);
  const q::Leadership second = board.WaitForLeader(first.epoch);
  Add(members[second.leader], "3");  // the two others are a majority: the counter goes on where it was
  for (auto& [id, member] : members) {
    std::promise<bool> caught_up;  // a linearizable read works on any member: wait, then look at your state
    member.node->ReadBarrier(absl::Seconds(5), [&](absl::StatusOr<q::Offset> r) { caught_up.set_value(r.ok()); });
    if (!caught_up.get_future().get() || member.counter.total != 6) return std::printf("they differ\n"), 1;
  }
  std::printf("both survivors agree on 6\n");
}
