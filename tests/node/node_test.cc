// Whole clusters under virtual time: what hosts, operators and brokers may rely on.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "node/admin_codec.h"
#include "node/methods.h"
#include "node/node_cluster.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

bool IsrIs(NodeCluster& cluster, int at, const std::string& topic, size_t size) {
  const auto partition = cluster.Partition(at, topic, 0);
  return partition.has_value() && partition->isr.size() == size;
}

int Other(int id) { return id % 3 + 1; }

TEST_CASE("Three nodes agree: brokers run, and a topic that is created through any of them is on all") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int controller = cluster.AwaitController();
  REQUIRE(controller != 0);
  int number = 0;
  for (int at : {controller, Other(controller)}) {
    const std::string name = "topic-" + std::to_string(++number);
    const auto created = cluster.Create(at, name, 6, 3);
    INFO(created.status().ToString());
    REQUIRE(created.ok());
    REQUIRE(created->size() == 1);
    INFO((*created)[0].status.ToString());
    CHECK((*created)[0].status.ok());
    CHECK((*created)[0].partitions == 6);
    CHECK((*created)[0].replication_factor == 3);
    CHECK_FALSE((*created)[0].topic_id.is_zero());
    // Promised for the controller's own image only; the others follow at once.
    for (int id = 1; id <= 3; ++id) {
      CHECK(cluster.Await([&] { return cluster.Image(id)->FindTopic(name).has_value(); }, absl::Seconds(1)));
      CHECK(cluster.Partition(id, name, 5)->isr.size() == 3);
    }
  }
  // I-17: the same log makes the same state. An idle controller's empty records move the log on all alike.
  CHECK(cluster.Await([&] {
    return cluster.Image(1)->digest() == cluster.Image(2)->digest() &&
           cluster.Image(2)->digest() == cluster.Image(3)->digest();
  }));
}

TEST_CASE("What a topic is refused for is said per topic, with Kafka's number, through a forwarding node as well") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int controller = cluster.AwaitController();
  REQUIRE(cluster.Create(controller, "orders", 1, 3).ok());
  for (int at : {controller, Other(controller)}) {
    const auto again = cluster.Create(at, "orders", 1, 3);
    REQUIRE(again.ok());
    CHECK(KafkaErrorOf((*again)[0].status) == 36);
    const auto wide = cluster.Create(at, "wide", 1, 4);
    REQUIRE(wide.ok());
    CHECK(KafkaErrorOf((*wide)[0].status) == 38);
    CHECK(OutcomeOf((*wide)[0].status) == Outcome::kNotApplied);
    CHECK(KafkaErrorOf((*cluster.Delete(at, "nothing"))[0].status) == 3);
  }
  CHECK((*cluster.Delete(Other(controller), "orders"))[0].status.ok());
  CHECK(cluster.Await([&] { return cluster.Image(1)->topic_count() == 0; }));
}

TEST_CASE("A killed controller is replaced; its partitions move; restarted, it is back in the ISR; nothing is lost") {
  for (uint64_t seed : {1, 2, 3}) {
    INFO(seed);
    NodeCluster cluster(3, 0, seed);
    cluster.StartAll();
    const int first = cluster.AwaitController();
    REQUIRE(cluster.Create(first, "orders", 3, 3).ok());
    cluster.Crash(first);
    const int survivor = Other(first);
    const auto created = cluster.Create(survivor, "after", 1, 2);
    INFO(created.status().ToString());
    REQUIRE(created.ok());
    CHECK((*created)[0].status.ok());
    const int second = cluster.AwaitController();
    REQUIRE(second != 0);
    CHECK(second != first);
    // F-B04: nobody is fenced for the election itself; the dead one when its session has ended.
    CHECK(cluster.Await([&] { return IsrIs(cluster, survivor, "orders", 2); }, absl::Seconds(15)));
    for (int32_t index = 0; index < 3; ++index) {
      const auto partition = cluster.Partition(survivor, "orders", index);
      CHECK(partition->leader != NodeId(first));
      CHECK(partition->leader != kNoNode);
    }
    CHECK(cluster.Image(survivor)->FindBroker(NodeId(first))->fenced);
    CHECK_FALSE(cluster.Image(survivor)->FindBroker(NodeId(survivor))->fenced);

    REQUIRE(cluster.Start(first).ok());
    CHECK(cluster.Await([&] { return cluster.At(first).node->status().broker == BrokerState::kRunning; }));
    CHECK(cluster.Await([&] { return IsrIs(cluster, first, "orders", 3); }));
    CHECK(cluster.Image(first)->FindTopic("after").has_value());
  }
}

TEST_CASE("One node of three refuses within the deadline and says why; with a second one it goes on") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int controller = cluster.AwaitController();
  REQUIRE(cluster.Create(controller, "before", 1, 3).ok());
  const int lonely = Other(controller);
  const int third = Other(lonely);
  REQUIRE(cluster.Await([&] { return cluster.Image(lonely)->FindTopic("before").has_value(); }));
  cluster.Crash(controller);
  cluster.Crash(third);
  const Instant asked = cluster.clock().Now();
  const auto refused = cluster.Create(lonely, "during", 1, 1, absl::Seconds(3));
  REQUIRE_FALSE(refused.ok());
  INFO(refused.status().ToString());
  CHECK(cluster.clock().Now() - asked <= absl::Seconds(3));
  CHECK(ReasonOf(refused.status()) == Reason::kNoLeader);
  CHECK(OutcomeOf(refused.status()) == Outcome::kNotApplied);
  CHECK(absl::StrContains(refused.status().message(), "1 of 3 voters"));
  // Reading goes on, and says that it is from yesterday.
  const auto names = cluster.Call(cluster.Clients(lonely), kListTopics, "");
  REQUIRE(names.ok());
  CHECK(DecodeTopicNames(*names)->names == std::vector<std::string>{"before"});
  CHECK(DecodeTopicNames(*names)->stale);

  REQUIRE(cluster.Start(third).ok());
  const auto created = cluster.Create(lonely, "after", 1, 1);
  INFO(created.status().ToString());
  REQUIRE(created.ok());
  CHECK((*created)[0].status.ok());
  CHECK(cluster.Image(lonely)->FindTopic("before").has_value());
  CHECK_FALSE(cluster.Image(lonely)->FindTopic("during").has_value());
}

TEST_CASE("A restarted node that has not heard from the quorum does not say that there are no topics") {
  NodeCluster cluster(3);
  cluster.StartAll();
  REQUIRE(cluster.Create(1, "orders", 1, 3).ok());
  for (int id = 1; id <= 3; ++id) cluster.Crash(id);
  REQUIRE(cluster.Start(1).ok());
  const auto names = cluster.Call(cluster.Clients(1), kListTopics, "");
  REQUIRE_FALSE(names.ok());
  INFO(names.status().ToString());
  CHECK(ReasonOf(names.status()) == Reason::kNoLeader);
  CHECK(OutcomeOf(names.status()) == Outcome::kNotApplied);
  REQUIRE(cluster.Start(2).ok());
  REQUIRE(cluster.AwaitController() != 0);
  const auto known = cluster.Call(cluster.Clients(1), kListTopics, "");
  REQUIRE(known.ok());
  CHECK(DecodeTopicNames(*known)->names == std::vector<std::string>{"orders"});
}

TEST_CASE("A request that waits for a leader is answered as soon as there is one") {
  NodeCluster cluster(3);
  REQUIRE(cluster.Start(1).ok());
  std::optional<absl::StatusOr<Results>> answer;
  NewTopic topic;
  topic.name = "early";
  topic.partitions = 1;
  topic.replication_factor = 1;
  cluster.At(1).node->CreateTopics({topic}, true, absl::Seconds(60),
                                   [&](absl::StatusOr<Results> r) { answer = std::move(r); });
  cluster.executor().RunFor(absl::Seconds(2));
  CHECK_FALSE(answer.has_value());
  REQUIRE(cluster.Start(2).ok());
  REQUIRE(cluster.Await([&] { return answer.has_value(); }, absl::Seconds(5)));
  CHECK(answer->ok());
}

TEST_CASE("Controlled shutdown moves leaderships away and leaves the ISRs before the session would end") {
  NodeCluster cluster(3);
  cluster.StartAll();
  REQUIRE(cluster.Create(1, "orders", 9, 3).ok());
  const int leaving = cluster.AwaitController();
  const int stays = Other(leaving);
  REQUIRE(cluster.Await([&] { return cluster.Image(stays)->FindTopic("orders").has_value(); }));
  const Instant before = cluster.clock().Now();
  const absl::Status result = cluster.ControlledShutdown(leaving, absl::Seconds(10));
  INFO(result.ToString());
  CHECK(result.ok());
  CHECK(cluster.clock().Now() - before < absl::Seconds(1));
  CHECK(cluster.At(leaving).node->status().broker == BrokerState::kShuttingDown);
  CHECK(cluster.Await([&] { return cluster.Image(stays)->LeaderCount(NodeId(leaving)) == 0; }, absl::Seconds(1)));
  CHECK(cluster.Image(stays)->IsrCount(NodeId(leaving)) == 0);
  CHECK(cluster.Image(stays)->leaderless_count() == 0);
  // It says no more; when it is gone, the others have a controller within the time of an election.
  cluster.Crash(leaving);
  CHECK(cluster.Create(stays, "next", 1, 2, absl::Seconds(3)).ok());
  CHECK(cluster.Image(stays)->LeaderCount(NodeId(leaving)) == 0);
}

TEST_CASE("A broker without the controller role joins through its bootstrap servers, serves and forwards") {
  NodeCluster cluster(3, 1);
  cluster.StartAll();
  const auto created = cluster.Create(4, "everywhere", 1, 4);
  INFO(created.status().ToString());
  REQUIRE(created.ok());
  CHECK((*created)[0].status.ok());
  CHECK(cluster.Await([&] { return IsrIs(cluster, 4, "everywhere", 4); }));
  CHECK_FALSE(cluster.At(4).node->DescribeQuorum().is_voter);
  const auto quorum = cluster.Call(cluster.Clients(4), kDescribeQuorum, "");
  REQUIRE(quorum.ok());
  const auto described = DecodeQuorum(*quorum);
  REQUIRE(described.ok());
  CHECK(described->self.id == NodeId(cluster.Controller()));
  CHECK(described->voters.size() == 3);
  CHECK(described->observers.size() == 1);
}

TEST_CASE("The admin service describes topics and cluster; bad requests are refused with a reason") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int controller = cluster.AwaitController();
  REQUIRE(cluster.Create(controller, "a", 2, 3).ok());
  REQUIRE(cluster.Create(controller, "b", 1, 1).ok());
  const Endpoint other = cluster.Clients(Other(controller));

  DescribeTopicsCall call;
  call.names = {"b", "nothing", "a"};
  const auto described = cluster.Call(other, kDescribeTopics, EncodeDescribeTopics(call));
  REQUIRE(described.ok());
  const auto page = DecodeTopics(*described);
  REQUIRE(page.ok());
  REQUIRE(page->topics.size() == 3);
  CHECK(page->topics[0].partitions.size() == 1);
  CHECK(KafkaErrorOf(page->topics[1].status) == 3);
  CHECK(page->topics[2].partitions[1].isr.size() == 3);

  const auto cluster_bytes = cluster.Call(other, kDescribeCluster, "");
  REQUIRE(cluster_bytes.ok());
  const auto description = DecodeCluster(*cluster_bytes);
  REQUIRE(description.ok());
  CHECK(description->cluster_id == ClusterId(Uuid(11, 12)));
  CHECK(description->controller == NodeId(controller));
  REQUIRE(description->brokers.size() == 3);
  CHECK(description->brokers[2].endpoints == std::vector<Endpoint>{cluster.Clients(3)});

  const auto garbage = cluster.Call(other, kCreateTopics, "\xff\xff\xff garbage");
  CHECK(ReasonOf(garbage.status()) == Reason::kInvalidArgument);
  // Field 99, which nobody has defined.
  const auto unknown = cluster.Call(other, kListTopics, std::string("\x98\x06\x01", 3));
  CHECK(ReasonOf(unknown.status()) == Reason::kInvalidArgument);
  CHECK(absl::StrContains(unknown.status().message(), "field 99"));
  // Brokers' requests are served on the controller's listeners only.
  CHECK_FALSE(cluster.Call(other, kBrokerHeartbeat, "").ok());
}

TEST_CASE("A request travels one hop at most: a node that doesn't lead refuses a forwarded one with a hint") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int controller = cluster.AwaitController();
  NewTopic topic;
  topic.name = "x";
  std::string payload = EncodeCreateTopics({topic}, true);
  payload += std::string("\x78\x01", 2);
  const auto refused = cluster.Call(cluster.Controllers(Other(controller)), kCreateTopics, payload);
  CHECK(ReasonOf(refused.status()) == Reason::kNotLeader);
  const auto hint = LeaderHintFrom(refused.status());
  REQUIRE(hint.has_value());
  CHECK(hint->id == NodeId(controller));
  CHECK(hint->endpoint == cluster.Controllers(controller));
  CHECK(cluster.Call(cluster.Controllers(controller), kCreateTopics, payload).ok());
}

TEST_CASE("A static quorum from the configuration works as well, with a broker that only knows its voters") {
  NodeCluster cluster(3, 1, 1, /*static_voters=*/true);
  cluster.StartAll();
  const auto created = cluster.Create(4, "orders", 1, 4);
  INFO(created.status().ToString());
  REQUIRE(created.ok());
  CHECK((*created)[0].status.ok());
  cluster.Crash(cluster.AwaitController());
  CHECK(cluster.Create(4, "later", 1, 1).ok());
}

TEST_CASE("F-B04: a broker that is cut off is fenced, and comes back with its registration when it is heard again") {
  NodeCluster cluster(3, 1);
  cluster.StartAll();
  REQUIRE(cluster.Create(1, "orders", 1, 4).ok());
  const BrokerEpoch epoch = cluster.At(4).node->status().broker_epoch;
  cluster.Isolate(4, true);
  REQUIRE(cluster.Await([&] { return cluster.Image(1)->FindBroker(NodeId(4))->fenced; }, absl::Seconds(15)));
  CHECK(cluster.Partition(1, "orders", 0)->isr.size() == 3);
  CHECK(cluster.Partition(1, "orders", 0)->leader != NodeId(4));
  // Meanwhile it says itself why it can't be heard.
  CHECK_FALSE(cluster.At(4).node->status().broker_problem.ok());
  cluster.Isolate(4, false);
  REQUIRE(cluster.Await([&] { return IsrIs(cluster, 1, "orders", 4); }));
  CHECK(cluster.At(4).node->status().broker == BrokerState::kRunning);
  CHECK(cluster.At(4).node->status().broker_epoch == epoch);
}

TEST_CASE("F-B03: a broker that restarts uncleanly gets a new epoch and leaves the ISRs before it is unfenced") {
  NodeCluster cluster(3, 1);
  cluster.StartAll();
  REQUIRE(cluster.Create(1, "orders", 1, 4).ok());
  const BrokerEpoch before = cluster.At(4).node->status().broker_epoch;
  class EpochWatch : public MetadataPublisher {
   public:
    void OnMetadata(const MetadataImagePtr& image, const MetadataDelta&) override {
      const BrokerInfo* broker = image->FindBroker(NodeId(4));
      if (broker == nullptr || broker->epoch == old || !broker->fenced) return;
      // Registered anew and still fenced: it must be in no ISR now.
      ++seen;
      clean = clean && image->IsrCount(NodeId(4)) == 0;
    }
    BrokerEpoch old;
    int seen = 0;
    bool clean = true;
  };
  auto watch = std::make_shared<EpochWatch>();
  watch->old = before;
  cluster.At(1).node->AddPublisher(watch);
  cluster.Crash(4);
  REQUIRE(cluster.Start(4).ok());
  REQUIRE(cluster.Await(
      [&] { return IsrIs(cluster, 1, "orders", 4) && cluster.At(4).node->status().broker_epoch > before; }));
  CHECK(watch->seen > 0);
  CHECK(watch->clean);
}

TEST_CASE("An isolated controller stops deciding; what it was asked is answered truthfully") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int old = cluster.AwaitController();
  cluster.Isolate(old, true);
  std::optional<absl::StatusOr<Results>> answer;
  NewTopic topic;
  topic.name = "lost";
  topic.partitions = 1;
  topic.replication_factor = 1;
  cluster.At(old).node->CreateTopics({topic}, false, absl::Seconds(5),
                                     [&](absl::StatusOr<Results> r) { answer = std::move(r); });
  REQUIRE(cluster.Await([&] { return answer.has_value(); }, absl::Seconds(6)));
  REQUIRE_FALSE(answer->ok());
  // It was in the old leader's log, so nobody can tell.
  CHECK(OutcomeOf(answer->status()) == Outcome::kUnknown);
  REQUIRE(cluster.Await([&] { return cluster.Controller() != old && cluster.Controller() != 0; }));
  REQUIRE(cluster.Create(Other(old), "found", 1, 1).ok());
  cluster.Isolate(old, false);
  CHECK(cluster.Await([&] { return cluster.Image(old)->FindTopic("found").has_value(); }));
  CHECK_FALSE(cluster.Image(old)->FindTopic("lost").has_value());
  CHECK_FALSE(cluster.At(old).node->status().active_controller);
}

}  // namespace
}  // namespace quorate::node
