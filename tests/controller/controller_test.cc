// The controller as a whole: activation, and random histories under the invariants.
#include "controller/controller.h"

#include <string>
#include <vector>

#include "controller/cluster.h"
#include "controller/errors.h"

namespace quorate::controller {
namespace {

TEST_CASE("a new cluster begins with its metadata.version, once") {
  Cluster cluster;
  REQUIRE(cluster.log().size() == 1);
  CHECK(cluster.image()->FeatureLevel(kMetadataVersionFeature) == kMetadataVersionMax);
  cluster.Elect();
  CHECK(cluster.log().size() == 1);
}

TEST_CASE("an inactive controller says so, certain that nothing happened") {
  Xoshiro random(1);
  Controller controller(TestConfig(), random);
  const RequestContext ctx{Instant(), Offset(0), absl::UnixEpoch()};
  auto check = [](const absl::Status& status) {
    CHECK(KafkaErrorOf(status) == kNotController);
    CHECK(ReasonOf(status) == Reason::kNotLeader);
    CHECK(OutcomeOf(status) == Outcome::kNotApplied);
  };
  check(controller.Bootstrap(ctx).status());
  check(controller.RegisterBroker(Registration(1, 1), ctx).status());
  check(controller.Heartbeat({}, ctx).status());
  check(controller.UnregisterBroker({}, ctx).status());
  check(controller.AlterPartition({}, ctx).status());
  check(controller.CreateTopics({}, ctx).status());
  check(controller.DeleteTopics({}, ctx).status());
  check(controller.Tick(ctx).status());
  check(controller.Replay({}, Offset(0), Epoch(1)));
  CHECK(controller.NextDeadline().is_infinite());
  CHECK(controller.uncommitted() == nullptr);
}

TEST_CASE("a decision that isn't replayed leaves no trace") {
  Cluster cluster;
  cluster.Start({1});
  const MetadataImagePtr before = cluster.controller().uncommitted();
  REQUIRE(cluster.controller().CreateTopics({{{"t", 1, 1}}, false}, cluster.ctx()).ok());
  CHECK(cluster.controller().uncommitted() == before);
  CHECK(cluster.Create({"t", 1, 1}).status.ok());
}

TEST_CASE("decisions build on what isn't committed yet") {
  Cluster cluster;
  cluster.Start({1});
  auto first = cluster.controller().CreateTopics({{{"t", 1, 1}}, false}, cluster.ctx());
  REQUIRE(first.ok());
  REQUIRE(cluster.controller().Replay(first->records, cluster.end(), cluster.epoch()).ok());
  CHECK_FALSE(cluster.image()->FindTopic("t"));
  RequestContext later = cluster.ctx();
  later.next_offset += static_cast<int64_t>(first->records.size());
  auto second = cluster.controller().CreateTopics({{{"t", 1, 1}}, false}, later);
  CHECK(KafkaErrorOf(second->response.topics[0].status) == kTopicAlreadyExists);
  CHECK(second->records.empty());
}

TEST_CASE("the driver's mistakes are refused") {
  Cluster cluster;
  cluster.Start({1});
  RequestContext back = cluster.ctx();
  back.next_offset = Offset(0);
  CHECK(ReasonOf(cluster.controller().CreateTopics({}, back).status()) == Reason::kInvalidArgument);
  auto registration = cluster.controller().RegisterBroker(Registration(2, 1), cluster.ctx());
  REQUIRE(registration.ok());
  auto& controller = cluster.controller();
  CHECK_FALSE(controller.Replay(registration->records, cluster.end() + 1, cluster.epoch()).ok());  // not where promised
  CHECK_FALSE(controller.Replay(registration->records, Offset(0), cluster.epoch()).ok());
  CHECK(controller.uncommitted()->FindBroker(NodeId(2)) == nullptr);
}

// One random step. Requests are often wrong on purpose: they must be refused without harm.
class Storm {
 public:
  explicit Storm(uint64_t seed) : random_(seed), cluster_(Config(seed), seed) {}

  void Step() {
    cluster_.Pass(absl::Milliseconds(static_cast<int64_t>(random_.Below(3000))));
    switch (random_.Below(10)) {
      case 0:
        return Finish(
            cluster_.Take(cluster_.controller().RegisterBroker(RandomRegistration(), cluster_.ctx())).status());
      case 1:
      case 2:
      case 3:
        return Heartbeat();
      case 4:
        return Create();
      case 5:
        return Delete();
      case 6:
      case 7:
        return Alter();
      case 8:
        return Finish(cluster_.Take(cluster_.controller().Tick(cluster_.ctx())).status());
      default:
        if (random_.Below(4) == 0) return cluster_.Elect();
        if (random_.Below(4) == 0) {
          return Finish(
              cluster_.Take(cluster_.controller().UnregisterBroker({RandomBroker()}, cluster_.ctx())).status());
        }
    }
  }
  Cluster& cluster() { return cluster_; }

 private:
  static ControllerConfig Config(uint64_t seed) {
    ControllerConfig config = TestConfig();
    config.unclean_leader_election_enable = seed % 4 == 0;
    return config;
  }
  // Refusals are fine; a broken invariant or a contradiction isn't.
  static void Finish(const absl::Status& status) {
    INFO(status.message());
    REQUIRE((status.ok() || KafkaErrorOf(status) != 0));
  }
  NodeId RandomBroker() { return NodeId(static_cast<int32_t>(random_.Below(6))); }

  BrokerRegistrationRequest RandomRegistration() {
    auto request = Registration(RandomBroker().value(), random_.Below(3) == 0 ? ++incarnation_ : incarnation_);
    if (random_.Below(2) == 0) request.rack = "rack" + std::to_string(random_.Below(3));
    if (random_.Below(20) == 0) request.endpoints.clear();
    return request;
  }
  void Heartbeat() {
    const NodeId id = RandomBroker();
    const BrokerInfo* broker = cluster_.image()->FindBroker(id);
    if (broker == nullptr) return;
    BrokerHeartbeatRequest request = cluster_.Beat(id.value());
    if (random_.Below(10) == 0) request.epoch = BrokerEpoch(static_cast<int64_t>(random_.Below(50)));
    if (random_.Below(5) == 0) request.current_metadata_offset = request.current_metadata_offset - 10;
    request.want_fence = random_.Below(12) == 0;
    request.want_shut_down = random_.Below(12) == 0;
    Finish(cluster_.Take(cluster_.controller().Heartbeat(request, cluster_.ctx())).status());
  }
  void Create() {
    CreateTopicsRequest request;
    for (uint64_t i = random_.Below(3) + 1; i > 0; --i) {
      CreateTopicsRequest::Topic topic{"topic." + std::to_string(random_.Below(12))};
      topic.partitions = static_cast<int32_t>(random_.Below(8)) - 1;
      topic.replication_factor = static_cast<int32_t>(random_.Below(6)) - 1;
      request.topics.push_back(topic);
    }
    request.validate_only = random_.Below(8) == 0;
    Finish(cluster_.Take(cluster_.controller().CreateTopics(request, cluster_.ctx())).status());
  }
  void Delete() {
    DeleteTopicsRequest request;
    request.topics.push_back({"topic." + std::to_string(random_.Below(12)), {}});
    Finish(cluster_.Take(cluster_.controller().DeleteTopics(request, cluster_.ctx())).status());
  }
  // For a random broker: each partition that it leads, with a random ISR and mostly right epochs.
  void Alter() {
    const NodeId id = RandomBroker();
    const BrokerInfo* broker = cluster_.image()->FindBroker(id);
    if (broker == nullptr) return;
    AlterPartitionRequest request{id, broker->epoch, {}};
    cluster_.image()->ForEachLedBy(id, [&](const PartitionId& p, const PartitionInfo& info) {
      AlterPartitionRequest::Partition asked{
          p, info.leader_epoch, {}, LeaderRecoveryState::kRecovered, info.partition_epoch};
      for (NodeId replica : info.replicas) {
        if (replica == id || random_.Below(3) != 0) asked.new_isr.push_back({replica});
      }
      if (random_.Below(10) == 0) asked.partition_epoch += static_cast<int32_t>(random_.Below(3)) - 1;
      if (random_.Below(10) == 0) asked.leader_epoch += static_cast<int32_t>(random_.Below(3)) - 1;
      request.partitions.push_back(asked);
      return request.partitions.size() < 5;
    });
    Finish(cluster_.Take(cluster_.controller().AlterPartition(request, cluster_.ctx())).status());
  }

  Xoshiro random_;
  Cluster cluster_;
  uint64_t incarnation_ = 1;
};

// Each step is checked by Cluster::Commit: I-22, and I-17 between the controller's image and the applier's.
TEST_CASE("I-17, I-22: random histories keep the metadata legal and the replay equal") {
  const uint64_t seed = GENERATE(range(1, 41));
  Storm storm(seed);
  for (int step = 0; step < 400; ++step) storm.Step();
  Cluster& cluster = storm.cluster();
  CHECK(cluster.log().size() > 100);
  metadata::ImageBuilder from_scratch(MetadataImage::Empty());
  for (const metadata::Record& record : cluster.log()) REQUIRE(from_scratch.Replay(record).ok());
  auto [image, delta] = std::move(from_scratch).Build(cluster.image()->provenance());
  CHECK(image->digest() == cluster.image()->digest());
  CHECK(metadata::CheckImage(*image).ok());
}

TEST_CASE("F-B07: every record of a random history leaves a legal image") {
  const uint64_t seed = GENERATE(range(101, 109));
  Storm storm(seed);
  storm.cluster().set_check_each_record();
  for (int step = 0; step < 250; ++step) storm.Step();
}

TEST_CASE("F-B07: a fence over 10,000 partitions may be cut anywhere") {
  Cluster cluster;
  cluster.Start({1, 2});
  for (const char* name : {"a", "b", "c"}) REQUIRE(cluster.Create({name, 4000, 2}).status.ok());
  cluster.Pass(absl::Seconds(5));
  cluster.Send(cluster.Beat(2));
  cluster.Pass(absl::Seconds(5));
  auto decision = cluster.controller().Tick(cluster.ctx());
  REQUIRE(decision.ok());
  CHECK_FALSE(decision->atomic);
  REQUIRE(decision->records.size() == 12'001);
  // In two batches: the controller and the applier agree after each, and the broker is fenced by the last.
  std::vector<metadata::Record> rest(decision->records.begin() + 10'000, decision->records.end());
  decision->records.resize(10'000);
  cluster.Commit(decision->records);
  CHECK_FALSE(cluster.image()->FindBroker(NodeId(1))->fenced);
  CHECK(cluster.image()->IsrCount(NodeId(1)) == 2'000);
  cluster.Commit(rest);
  CHECK(cluster.image()->FindBroker(NodeId(1))->fenced);
  CHECK(cluster.image()->IsrCount(NodeId(1)) == 0);
  CHECK(cluster.image()->LeaderCount(NodeId(2)) == 12'000);
}

// F-B08: the controller runs ahead by k batches, loses leadership at every k, and claims again.
TEST_CASE("I-19: after renouncing anywhere the state is that of the committed prefix") {
  const uint64_t seed = GENERATE(range(1, 9));
  Xoshiro random(seed);
  Controller controller(TestConfig(), random);
  Cluster cluster(TestConfig(), seed);
  cluster.Start({1, 2, 3});
  cluster.CreateOn("base", {1, 2, 3});
  const MetadataImagePtr committed = cluster.image();
  const MetadataDigest digest = committed->digest();
  for (int ahead = 0; ahead < 12; ++ahead) {
    controller.Claim(committed, Epoch(7), Instant());
    Offset end = committed->provenance().end + 1;
    for (int i = 0; i < ahead; ++i) {
      const RequestContext ctx{Instant() + absl::Seconds(30 * (i % 2)), end, absl::UnixEpoch()};
      std::vector<metadata::Record> records;
      if (i % 3 == 0) {
        records = controller.CreateTopics({{{"t" + std::to_string(i), 3, 1}}, false}, ctx)->records;
      } else if (i % 3 == 1) {
        records = controller.Tick(ctx)->records;
      } else {
        const BrokerInfo* broker = controller.uncommitted()->FindBroker(NodeId(1));
        records = controller.Heartbeat({NodeId(1), broker->epoch, end}, ctx)->records;
      }
      REQUIRE(controller.Replay(records, end, Epoch(7)).ok());
      end += static_cast<int64_t>(records.size());
    }
    if (ahead > 0) CHECK_FALSE(controller.uncommitted()->digest() == digest);
    controller.Renounce();
    controller.Renounce();
    CHECK_FALSE(controller.active());
    CHECK(committed->digest() == digest);
    REQUIRE(metadata::CheckImage(*committed).ok());
    controller.Claim(committed, Epoch(8), Instant());
    CHECK(controller.uncommitted()->digest() == digest);
  }
}

}  // namespace
}  // namespace quorate::controller
