// One node whose transport is the test: what happens while it starts, and what peers say that none should.

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
  // `leader` pushes `batches` in the newest fetch session.
  void Push(const ReplicaKey& leader, Epoch epoch, std::vector<Batch> batches, Offset high_watermark) {
    const FetchRequest* fetch = nullptr;
    for (const Message& message : sent_) {
      if (const auto* request = std::get_if<FetchRequest>(&message.body)) fetch = request;
    }
    REQUIRE(fetch != nullptr);
    FetchResponse push;
    push.epoch = epoch;
    push.leader.id = leader.id;
    push.session = fetch->session;
    push.base_offset = batches.empty() ? fetch->fetch_offset : batches.front().base_offset();
    push.high_watermark = high_watermark;
    push.batches = std::move(batches);
    Message message;
    message.cluster_id = identity_.cluster_id;
    message.from = leader;
    message.from_incarnation = IncarnationId(Uuid(3, 3));
    message.to = identity_.self;
    message.request_incarnation = identity_.incarnation;
    message.request_id = push.session;
    message.body = std::move(push);
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

// Node 1 of three voters, following node 2 in epoch 1.
struct Follower {
  Follower() {
    QuorumOptions options;
    options.cluster_id = cluster_id;
    for (int id = 1; id <= 3; ++id) {
      options.initial_voters.push_back({{NodeId(id), DirectoryId(Uuid(5, static_cast<uint64_t>(id)))},
                                        {{"CONTROLLER", "host", static_cast<uint16_t>(9000 + id)}},
                                        0,
                                        1});
    }
    options.self = options.initial_voters[0].key;
    leader = options.initial_voters[1].key;
    auto owned = std::make_unique<EagerTransport>();
    transport = owned.get();
    QuorumDependencies dependencies;
    dependencies.log = NewMemoryLogStore(&executor);
    dependencies.election_state = NewMemoryElectionStateStore(&executor);
    dependencies.transport = std::move(owned);
    dependencies.state_machine = &machine;
    dependencies.clock = &clock;
    dependencies.random = &random;
    dependencies.executors = &executors;
    auto made = QuorumNode::Create(std::move(options), std::move(dependencies));
    REQUIRE(made.ok());
    node = *std::move(made);
    REQUIRE(node->Start().ok());
    executor.RunUntilIdle();
    transport->Bring(leader, BeginEpochRequest{Epoch(1), {{"CONTROLLER", "host", 9002}}});
    executor.RunUntilIdle();
    REQUIRE(node->Describe().role == ReplicaRole::kFollower);
  }

  const ClusterId cluster_id{Uuid(1, 2)};
  ReplicaKey leader;
  testing::ManualClock clock;
  testing::ManualExecutor executor{&clock};
  testing::ManualExecutorFactory executors{&executor};
  Xoshiro random{1};
  Adder machine;
  EagerTransport* transport = nullptr;
  std::unique_ptr<QuorumNode> node;
};

TEST_CASE("a connection that stands before the node has started is known: its break is noticed", "[quorum][node]") {
  Follower one;
  one.transport->Break(one.leader.id);
  one.executor.RunUntilIdle();
  CHECK(one.node->Describe().role == ReplicaRole::kProspective);
  CHECK(one.transport->PreVotes() > 0);
}

TEST_CASE("F-N17: a high watermark in the middle of a batch waits for the rest of it", "[quorum][node]") {
  Follower one;
  const std::vector<absl::string_view> records = {"5", "7"};
  const auto batch = Batch::Make({Offset(0), Epoch(1), BatchKind::kData, one.cluster_id.value().low(), 0}, records);
  REQUIRE(batch.ok());
  one.transport->Push(one.leader, Epoch(1), {*batch}, Offset(1));
  one.executor.RunUntilIdle();
  CHECK(one.node->Describe().log_end == Offset(2));
  CHECK(one.machine.sum == 0);
  one.transport->Push(one.leader, Epoch(1), {}, Offset(2));
  one.executor.RunUntilIdle();
  CHECK(one.machine.sum == 12);
}

}  // namespace
}  // namespace quorate::quorum
