// What happens while a node starts: the transport's threads don't wait until it is done.

#include "quorate/quorum_node.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

// Connects as fast as a transport may: to peers that it knows already within Start, to others within SetPeer.
class EagerTransport final : public Transport {
 public:
  absl::Status Start(const TransportIdentity& identity, PeerHandler* handler) override {
    identity_ = identity;
    handler_ = handler;
    for (NodeId peer : peers_) handler_->OnPeerConnected(peer);
    return absl::OkStatus();
  }
  void SetPeer(NodeId peer, const Endpoint&) override {
    peers_.push_back(peer);
    if (handler_ != nullptr) handler_->OnPeerConnected(peer);
  }
  void ForgetPeer(NodeId) override {}
  void Send(Message message) override { sent_.push_back(std::move(message)); }
  void Stop() override {}

  void Bring(const ReplicaKey& from, MessageBody body) {
    Message message;
    message.cluster_id = identity_.cluster_id;
    message.from = from;
    message.from_incarnation = IncarnationId(Uuid(3, 3));
    message.to = identity_.self;
    message.request_incarnation = message.from_incarnation;
    message.request_id = 1;
    message.body = std::move(body);
    handler_->OnMessage(std::move(message));
  }
  void Break(NodeId peer) { handler_->OnPeerDisconnected(peer); }
  [[nodiscard]] int PreVotes() const {
    int count = 0;
    for (const Message& message : sent_) {
      const auto* vote = std::get_if<VoteRequest>(&message.body);
      count += vote != nullptr && vote->pre_vote ? 1 : 0;
    }
    return count;
  }

 private:
  TransportIdentity identity_;
  PeerHandler* handler_ = nullptr;
  std::vector<NodeId> peers_;
  std::vector<Message> sent_;
};

TEST_CASE("a connection that stands before the node has started is known: its break is noticed", "[quorum][node]") {
  testing::ManualClock clock;
  testing::ManualExecutor executor(&clock);
  testing::ManualExecutorFactory executors(&executor);
  Xoshiro random(1);
  Adder machine;
  QuorumOptions options;
  options.cluster_id = ClusterId(Uuid(1, 2));
  for (int id = 1; id <= 3; ++id) {
    options.initial_voters.push_back({{NodeId(id), DirectoryId(Uuid(5, static_cast<uint64_t>(id)))},
                                      {{"CONTROLLER", "host", static_cast<uint16_t>(9000 + id)}},
                                      0,
                                      1});
  }
  options.self = options.initial_voters[0].key;
  const ReplicaKey leader = options.initial_voters[1].key;
  auto owned = std::make_unique<EagerTransport>();
  EagerTransport* transport = owned.get();
  QuorumDependencies dependencies;
  dependencies.log = NewMemoryLogStore(&executor);
  dependencies.election_state = NewMemoryElectionStateStore(&executor);
  dependencies.transport = std::move(owned);
  dependencies.state_machine = &machine;
  dependencies.clock = &clock;
  dependencies.random = &random;
  dependencies.executors = &executors;
  auto node = QuorumNode::Create(std::move(options), std::move(dependencies));
  REQUIRE(node.ok());
  REQUIRE((*node)->Start().ok());
  executor.RunUntilIdle();
  transport->Bring(leader, BeginEpochRequest{Epoch(1), {{"CONTROLLER", "host", 9002}}});
  executor.RunUntilIdle();
  REQUIRE((*node)->Describe().role == ReplicaRole::kFollower);
  transport->Break(leader.id);
  executor.RunUntilIdle();
  CHECK((*node)->Describe().role == ReplicaRole::kProspective);
  CHECK(transport->PreVotes() > 0);
}

}  // namespace
}  // namespace quorate::quorum
