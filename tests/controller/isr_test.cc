#include "controller/isr.h"

#include <string>

#include "controller/cluster.h"
#include "controller/errors.h"

namespace quorate::controller {
namespace {

// Three brokers, and a partition led by 1 with broker 3 out of the ISR; broker 4 is registered and fenced.
struct Fixture {
  Cluster cluster;
  PartitionId p;
  AlterPartitionRequest request;

  Fixture() {
    cluster.Start({1, 2, 3, 4});
    p = cluster.CreateOn("t", {1, 2, 3, 4});
    cluster.Fence(4);
    cluster.Fence(3);
    REQUIRE_FALSE(cluster.Send(cluster.Beat(3)).is_fenced);
    const PartitionInfo now = cluster.At(p);
    REQUIRE(now.isr == Nodes({1, 2}));
    REQUIRE(now.leader == NodeId(1));
    request.broker = NodeId(1);
    request.epoch = EpochOf(1);
    request.partitions = {{p, now.leader_epoch, Members({1, 2, 3}), now.recovery, now.partition_epoch}};
  }
  BrokerEpoch EpochOf(int id) const { return cluster.image()->FindBroker(NodeId(id))->epoch; }
  std::vector<IsrMember> Members(std::initializer_list<int> ids) const {
    std::vector<IsrMember> members;
    for (int id : ids) {
      const BrokerInfo* broker = cluster.image()->FindBroker(NodeId(id));
      members.push_back({NodeId(id), broker == nullptr ? BrokerEpoch(1) : broker->epoch});
    }
    return members;
  }
  AlterPartitionRequest::Partition& asked() { return request.partitions[0]; }
  absl::StatusOr<AlterPartitionResponse> Send() {
    return cluster.Take(cluster.controller().AlterPartition(request, cluster.ctx()));
  }
};

TEST_CASE("a leader adds a follower that caught up, and drops one that lags") {
  Fixture f;
  auto grown = f.Send();
  REQUIRE(grown.ok());
  REQUIRE(grown->partitions[0].status.ok());
  CHECK(grown->controller_epoch == f.cluster.epoch());
  CHECK(grown->partitions[0].info == f.cluster.At(f.p));
  CHECK(f.cluster.At(f.p).isr == Nodes({1, 2, 3}));
  CHECK(f.cluster.At(f.p).leader_epoch == f.asked().leader_epoch);
  CHECK(f.cluster.At(f.p).partition_epoch == f.asked().partition_epoch + 1);
  ++f.asked().partition_epoch;
  f.asked().new_isr = f.Members({3, 1});
  REQUIRE(f.Send()->partitions[0].status.ok());
  CHECK(f.cluster.At(f.p).isr == Nodes({1, 3}));
  CHECK(f.cluster.At(f.p).leader_epoch == f.asked().leader_epoch);
}

TEST_CASE("asking for what is already so is answered and not logged") {
  Fixture f;
  f.asked().new_isr = f.Members({2, 1});
  const size_t logged = f.cluster.log().size();
  auto answer = f.Send();
  REQUIRE(answer->partitions[0].status.ok());
  CHECK(answer->partitions[0].info == f.cluster.At(f.p));
  CHECK(f.cluster.log().size() == logged);
}

TEST_CASE("F-B05: each thing that can be stale or wrong has its own error") {
  struct Case {
    const char* name;
    void (*change)(Fixture&);
    int16_t error;
  };
  const Case cases[] = {
      {"unknown topic", [](Fixture& f) { f.asked().id.topic = TopicId(Uuid(5, 5)); }, kUnknownTopicId},
      {"unknown partition", [](Fixture& f) { f.asked().id.partition = 1; }, kUnknownTopicOrPartition},
      {"negative partition", [](Fixture& f) { f.asked().id.partition = -1; }, kUnknownTopicOrPartition},
      {"leader epoch newer", [](Fixture& f) { ++f.asked().leader_epoch; }, kNotController},
      {"partition epoch newer", [](Fixture& f) { ++f.asked().partition_epoch; }, kNotController},
      {"leader epoch older", [](Fixture& f) { --f.asked().leader_epoch; }, kFencedLeaderEpoch},
      {"leader epoch older, sender not leader",
       [](Fixture& f) {
         --f.asked().leader_epoch;
         f.request.broker = NodeId(2);
         f.request.epoch = f.EpochOf(2);
       },
       kFencedLeaderEpoch},
      {"sender isn't the leader",
       [](Fixture& f) {
         f.request.broker = NodeId(2);
         f.request.epoch = f.EpochOf(2);
       },
       kInvalidRequest},
      {"partition epoch older", [](Fixture& f) { --f.asked().partition_epoch; }, kInvalidUpdateVersion},
      {"ISR with a stranger",
       [](Fixture& f) {
         f.asked().new_isr = f.Members({1, 2, 9});
       },
       kInvalidRequest},
      {"ISR with a member twice",
       [](Fixture& f) {
         f.asked().new_isr = f.Members({1, 2, 2});
       },
       kInvalidRequest},
      {"ISR without the leader",
       [](Fixture& f) {
         f.asked().new_isr = f.Members({2, 3});
       },
       kInvalidRequest},
      {"empty ISR", [](Fixture& f) { f.asked().new_isr.clear(); }, kInvalidRequest},
      {"recovering in company", [](Fixture& f) { f.asked().recovery = LeaderRecoveryState::kRecovering; },
       kInvalidRequest},
      {"recovered to recovering",
       [](Fixture& f) {
         f.asked().recovery = LeaderRecoveryState::kRecovering;
         f.asked().new_isr = f.Members({1});
       },
       kInvalidRequest},
      {"a fenced member",
       [](Fixture& f) {
         f.asked().new_isr = f.Members({1, 2, 4});
       },
       kIneligibleReplica},
      {"a member of a former life", [](Fixture& f) { f.asked().new_isr[2].epoch = BrokerEpoch(0); },
       kIneligibleReplica},
      {"an unregistered member",
       [](Fixture& f) {
         REQUIRE(f.cluster.Take(f.cluster.controller().UnregisterBroker({NodeId(3)}, f.cluster.ctx())).ok());
       },
       kIneligibleReplica},
      {"a member in controlled shutdown",
       [](Fixture& f) {
         f.cluster.CreateOn("other", {3, 1});
         auto beat = f.cluster.Beat(3);
         beat.want_shut_down = true;
         f.cluster.Send(beat);
         REQUIRE(f.cluster.image()->FindBroker(NodeId(3))->in_controlled_shutdown);
       },
       kIneligibleReplica},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Fixture f;
    c.change(f);
    const MetadataImagePtr before = f.cluster.image();
    auto answer = f.Send();
    REQUIRE(answer.ok());
    REQUIRE(answer->partitions.size() == 1);
    CHECK(KafkaErrorOf(answer->partitions[0].status) == c.error);
    CHECK(f.cluster.image() == before);
  }
}

TEST_CASE("an unchecked member epoch is taken as it is") {
  Fixture f;
  f.asked().new_isr[2].epoch = kNoBrokerEpoch;
  CHECK(f.Send()->partitions[0].status.ok());
}

TEST_CASE("the second change of one partition in a request sees the first") {
  Fixture f;
  f.request.partitions.push_back(f.asked());
  auto answer = f.Send();
  REQUIRE(answer.ok());
  CHECK(answer->partitions[0].status.ok());
  CHECK(KafkaErrorOf(answer->partitions[1].status) == kInvalidUpdateVersion);
}

TEST_CASE("a leader that was elected uncleanly ends its recovery by AlterPartition") {
  ControllerConfig config = TestConfig();
  config.unclean_leader_election_enable = true;
  Cluster cluster(config);
  cluster.Start({1, 2});
  const PartitionId p = cluster.CreateOn("t", {1, 2});
  cluster.Fence(2);
  cluster.Fence(1);
  cluster.Send(cluster.Beat(2));
  cluster.Send(cluster.Beat(1));
  const PartitionInfo now = cluster.At(p);
  REQUIRE(now.recovery == LeaderRecoveryState::kRecovering);
  AlterPartitionRequest request{NodeId(2), cluster.image()->FindBroker(NodeId(2))->epoch, {}};
  request.partitions = {
      {p, now.leader_epoch, {{NodeId(2)}, {NodeId(1)}}, LeaderRecoveryState::kRecovered, now.partition_epoch}};
  auto answer = cluster.Take(cluster.controller().AlterPartition(request, cluster.ctx()));
  REQUIRE(answer->partitions[0].status.ok());
  CHECK(cluster.At(p).recovery == LeaderRecoveryState::kRecovered);
  CHECK(cluster.At(p).isr == Nodes({1, 2}));
  CHECK(cluster.At(p).leader_epoch == now.leader_epoch);
}

}  // namespace
}  // namespace quorate::controller
