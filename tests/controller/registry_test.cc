#include "controller/registry.h"

#include <string>
#include <vector>

#include "controller/cluster.h"
#include "controller/errors.h"
#include "quorate/limits.h"

namespace quorate::controller {
namespace {

TEST_CASE("a broker registers fenced, with its offset as its epoch, and is unfenced once caught up") {
  Cluster cluster;
  const Offset expected = cluster.end();
  const BrokerEpoch epoch = cluster.Register(1);
  CHECK(epoch.value() == expected.value());
  CHECK(cluster.image()->FindBroker(NodeId(1))->fenced);
  BrokerHeartbeatRequest beat = cluster.Beat(1);
  beat.current_metadata_offset = Offset(epoch.value() - 1);
  CHECK(cluster.Send(beat) == BrokerHeartbeatResponse{false, true, false});
  beat.current_metadata_offset = Offset(epoch.value());
  beat.want_fence = true;
  CHECK(cluster.Send(beat) == BrokerHeartbeatResponse{true, true, false});
  CHECK(cluster.image()->FindBroker(NodeId(1))->fenced);
  beat.want_fence = false;
  CHECK(cluster.Send(beat) == BrokerHeartbeatResponse{true, false, false});
  CHECK(cluster.image()->FindBroker(NodeId(1))->active());
}

TEST_CASE("registrations that are refused") {
  Cluster cluster;
  cluster.Start({1});
  using Request = BrokerRegistrationRequest;
  struct Case {
    const char* name;
    void (*change)(Request&);
    int16_t error;
  };
  const Case cases[] = {
      {"another cluster", [](Request& r) { r.cluster = ClusterId(Uuid(1, 1)); }, kInconsistentClusterId},
      {"F-B02: id in use by a live broker", [](Request& r) { r.broker = NodeId(1); }, kDuplicateBrokerRegistration},
      {"another broker's directory", [](Request& r) { r.log_dirs = {DirectoryId(Uuid(500, 201))}; },
       kInvalidRegistration},
      {"reserved directory", [](Request& r) { r.log_dirs = {DirectoryId(Uuid(0, 7))}; }, kInvalidRegistration},
      {"a directory twice", [](Request& r) { r.log_dirs.push_back(r.log_dirs[0]); }, kInvalidRegistration},
      {"metadata.version too old",
       [](Request& r) {
         r.features[0] = {"metadata.version", 1, 24};
       },
       kUnsupportedVersion},
      {"metadata.version too new",
       [](Request& r) {
         r.features[0] = {"metadata.version", 26, 30};
       },
       kUnsupportedVersion},
      {"no metadata.version", [](Request& r) { r.features.clear(); }, kInvalidRegistration},
      {"a range upside down",
       [](Request& r) {
         r.features.push_back({"x", 3, 2});
       },
       kInvalidRegistration},
      {"a feature twice", [](Request& r) { r.features.push_back(r.features[0]); }, kInvalidRegistration},
      {"empty host", [](Request& r) { r.endpoints[0].address.host.clear(); }, kInvalidRegistration},
      {"port 0", [](Request& r) { r.endpoints[0].address.port = 0; }, kInvalidRegistration},
      {"no listener", [](Request& r) { r.endpoints.clear(); }, kInvalidRegistration},
      {"a listener twice", [](Request& r) { r.endpoints.push_back(r.endpoints[0]); }, kInvalidRegistration},
      {"F-X04: host name", [](Request& r) { r.endpoints[0].address.host.assign(256, 'h'); }, kInvalidRegistration},
      {"F-X04: rack", [](Request& r) { r.rack = std::string(256, 'r'); }, kInvalidRegistration},
      {"F-X04: listeners", [](Request& r) { r.endpoints.resize(limits::kEndpointsMax + 1); }, kInvalidRegistration},
      {"no incarnation", [](Request& r) { r.incarnation = IncarnationId(); }, kInvalidRegistration},
      {"negative id", [](Request& r) { r.broker = NodeId(-1); }, kInvalidRegistration},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    BrokerRegistrationRequest request = Registration(2, 1);
    c.change(request);
    auto refused = cluster.controller().RegisterBroker(request, cluster.ctx());
    REQUIRE_FALSE(refused.ok());
    CHECK(KafkaErrorOf(refused.status()) == c.error);
  }
}

TEST_CASE("F-B02: the same incarnation again gets the same epoch, and may amend") {
  Cluster cluster;
  cluster.Start({1});
  const BrokerInfo before = *cluster.image()->FindBroker(NodeId(1));
  const size_t logged = cluster.log().size();
  CHECK(cluster.Register(1) == before.epoch);
  CHECK(cluster.log().size() == logged);
  auto request = Registration(1, 1);
  request.rack = "r2";
  auto response = cluster.Take(cluster.controller().RegisterBroker(request, cluster.ctx()));
  REQUIRE(response.ok());
  CHECK(response->epoch == before.epoch);
  const BrokerInfo after = *cluster.image()->FindBroker(NodeId(1));
  CHECK(after.rack == "r2");
  CHECK(after.active());
}

TEST_CASE("F-B01: an old epoch is refused and changes nothing") {
  Cluster cluster;
  cluster.Start({1});
  const BrokerHeartbeatRequest old = cluster.Beat(1);
  cluster.Fence(1);
  cluster.Register(1, 2);
  const MetadataImagePtr before = cluster.image();
  auto refused = cluster.controller().Heartbeat(old, cluster.ctx());
  CHECK(KafkaErrorOf(refused.status()) == kStaleBrokerEpoch);
  auto unknown = cluster.controller().Heartbeat({NodeId(9), old.epoch, Offset(0)}, cluster.ctx());
  CHECK(KafkaErrorOf(unknown.status()) == kBrokerIdNotRegistered);
  AlterPartitionRequest alter{NodeId(1), old.epoch, {}};
  CHECK(KafkaErrorOf(cluster.controller().AlterPartition(alter, cluster.ctx()).status()) == kStaleBrokerEpoch);
  CHECK(cluster.image() == before);
}

// Rows of the heartbeat table. The broker starts in `state`; `leads` gives it a partition of its own.
TEST_CASE("what a heartbeat leads to") {
  enum State { kFenced, kUnfenced };
  struct Case {
    const char* name;
    State state;
    bool leads;
    bool caught_up;
    bool want_fence;
    bool want_shut_down;
    BrokerHeartbeatResponse expected;
    bool fenced_after;
    bool shutting_down_after;
  };
  const Case cases[] = {
      {"fenced, wants to shut down", kFenced, false, true, false, true, {true, true, true}, true, false},
      {"fenced, caught up", kFenced, false, true, false, false, {true, false, false}, false, false},
      {"fenced, not caught up", kFenced, false, false, false, false, {false, true, false}, true, false},
      {"fenced, wants it", kFenced, false, true, true, false, {true, true, false}, true, false},
      {"unfenced, wants fence and shutdown", kUnfenced, true, true, true, true, {true, true, true}, true, false},
      {"unfenced, wants fence", kUnfenced, true, true, true, false, {true, true, false}, true, false},
      {"unfenced, shutdown, leads", kUnfenced, true, true, false, true, {true, false, false}, false, true},
      {"unfenced, shutdown, leads none", kUnfenced, false, true, false, true, {true, true, true}, true, false},
      {"unfenced, all well", kUnfenced, true, true, false, false, {true, false, false}, false, false},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    Cluster cluster;
    cluster.Start({1, 2});
    if (c.leads) cluster.CreateOn("t", {1, 2});
    if (c.state == kFenced) cluster.Fence(1);
    BrokerHeartbeatRequest request = cluster.Beat(1);
    request.want_fence = c.want_fence;
    request.want_shut_down = c.want_shut_down;
    if (!c.caught_up) request.current_metadata_offset = Offset(request.epoch.value() - 1);
    CHECK(cluster.Send(request) == c.expected);
    const BrokerInfo after = *cluster.image()->FindBroker(NodeId(1));
    CHECK(after.fenced == c.fenced_after);
    CHECK(after.in_controlled_shutdown == c.shutting_down_after);
  }
}

TEST_CASE("controlled shutdown: partitions move first, then the others learn of it, then it may stop") {
  Cluster cluster;
  cluster.Start({1, 2, 3});
  const PartitionId p = cluster.CreateOn("t", {1, 2, 3});
  auto beat = [&](int id, bool shutdown = false) {
    auto request = cluster.Beat(id);
    request.want_shut_down = shutdown;
    return cluster.Send(request);
  };
  const Offset before = cluster.end();
  CHECK_FALSE(beat(1, true).should_shut_down);
  CHECK(cluster.At(p).leader == NodeId(2));
  CHECK(cluster.At(p).isr == Nodes({2, 3}));
  CHECK(cluster.At(p).leader_epoch == 1);
  // Broker 3 hasn't applied the move yet.
  auto late = cluster.Beat(3);
  late.current_metadata_offset = before;
  cluster.Send(late);
  beat(2);
  CHECK_FALSE(beat(1, true).should_shut_down);
  beat(3);
  CHECK(beat(1, true).should_shut_down);
  CHECK(cluster.image()->FindBroker(NodeId(1))->fenced);
  // It comes back as a new process.
  cluster.Register(1, 2);
  CHECK_FALSE(beat(1).is_fenced);
  CHECK(cluster.image()->FindBroker(NodeId(1))->active());
}

TEST_CASE("controlled shutdown goes on under a new controller") {
  Cluster cluster;
  cluster.Start({1, 2});
  cluster.CreateOn("t", {1, 2});
  auto shutdown = cluster.Beat(1);
  shutdown.want_shut_down = true;
  CHECK_FALSE(cluster.Send(shutdown).should_shut_down);
  cluster.Elect();
  CHECK_FALSE(cluster.Send(shutdown).should_shut_down);  // the new one hasn't heard broker 2 yet
  cluster.Send(cluster.Beat(2));
  CHECK(cluster.Send(shutdown).should_shut_down);
}

TEST_CASE("silence fences, one nanosecond after the timeout") {
  Cluster cluster;
  cluster.Start({1, 2});
  const PartitionId p = cluster.CreateOn("t", {1, 2});
  cluster.Pass(absl::Seconds(5));
  cluster.Send(cluster.Beat(2));
  cluster.Pass(absl::Seconds(4));
  auto early = cluster.Take(cluster.controller().Tick(cluster.ctx()));
  CHECK(early->fenced.empty());
  REQUIRE(cluster.controller().NextDeadline() == cluster.now() + absl::Nanoseconds(1));
  cluster.Pass(absl::Nanoseconds(1));
  auto fenced = cluster.Take(cluster.controller().Tick(cluster.ctx()));
  CHECK(fenced->fenced == std::vector<NodeId>{NodeId(1)});
  CHECK(cluster.image()->FindBroker(NodeId(1))->fenced);
  CHECK(cluster.At(p).leader == NodeId(2));
  CHECK(cluster.At(p).isr == Nodes({2}));
  CHECK(cluster.At(p).leader_epoch == 1);
  CHECK(cluster.controller().NextDeadline() == cluster.now() + absl::Seconds(5));
}

TEST_CASE("F-B06: all fenced at once leaves the last ISR member on record and no leader") {
  Cluster cluster;
  cluster.Start({1, 2, 3});
  const PartitionId p = cluster.CreateOn("t", {1, 2, 3});
  cluster.Pass(absl::Seconds(60));
  auto fenced = cluster.Take(cluster.controller().Tick(cluster.ctx()));
  CHECK(fenced->fenced == std::vector<NodeId>{NodeId(1), NodeId(2), NodeId(3)});
  CHECK(cluster.At(p).isr == Nodes({3}));
  CHECK(cluster.At(p).leader == kNoNode);
  CHECK(cluster.image()->leaderless_count() == 1);
  CHECK(cluster.controller().NextDeadline().is_infinite());
  // A replica outside the ISR doesn't help; the last member does.
  cluster.Send(cluster.Beat(1));
  CHECK(cluster.At(p).leader == kNoNode);
  cluster.Send(cluster.Beat(3));
  CHECK(cluster.At(p).leader == NodeId(3));
  CHECK(cluster.At(p).isr == Nodes({3}));
  CHECK(cluster.controller().unclean_elections() == 0);
}

TEST_CASE("F-B06: an unclean election, where configured, is counted and marks the partition") {
  ControllerConfig config = TestConfig();
  config.unclean_leader_election_enable = true;
  Cluster cluster(config);
  cluster.Start({1, 2});
  const PartitionId p = cluster.CreateOn("t", {1, 2});
  cluster.Fence(2);
  cluster.Fence(1);
  CHECK(cluster.At(p).isr == Nodes({1}));
  cluster.Send(cluster.Beat(2));
  CHECK(cluster.At(p).leader == NodeId(2));
  CHECK(cluster.At(p).isr == Nodes({2}));
  CHECK(cluster.At(p).recovery == LeaderRecoveryState::kRecovering);
  CHECK(cluster.controller().unclean_elections() == 1);
}

TEST_CASE("F-B03: a new incarnation leaves all ISRs in the batch that registers it") {
  Cluster cluster;
  cluster.Start({1, 2});
  const PartitionId led = cluster.CreateOn("led", {1, 2});
  const PartitionId followed = cluster.CreateOn("followed", {2, 1});
  const PartitionId alone = cluster.CreateOn("alone", {1});
  cluster.Pass(absl::Seconds(8));
  cluster.Send(cluster.Beat(2));
  cluster.Pass(absl::Seconds(8));  // 1 is silent too long, and nobody ticked yet: it is unfenced still
  auto decision = cluster.controller().RegisterBroker(Registration(1, 2), cluster.ctx());
  REQUIRE(decision.ok());
  CHECK(decision->records.size() == 4);
  CHECK(decision->response.epoch.value() == cluster.end().value() + 3);
  cluster.Commit(decision->records);
  CHECK(cluster.At(led).isr == Nodes({2}));
  CHECK(cluster.At(led).leader == NodeId(2));
  CHECK(cluster.At(led).leader_epoch == 1);
  CHECK(cluster.At(followed).isr == Nodes({2}));
  CHECK(cluster.At(followed).partition_epoch == 1);
  CHECK(cluster.At(alone).isr == Nodes({1}));
  CHECK(cluster.At(alone).leader == kNoNode);
  cluster.Send(cluster.Beat(1));
  CHECK(cluster.At(alone).leader == NodeId(1));
  CHECK(cluster.At(led).leader == NodeId(2));
}

TEST_CASE("F-B04: a new controller fences nobody because of its own election") {
  Cluster cluster;
  cluster.Start({1, 2});
  cluster.Pass(absl::Seconds(8));
  cluster.Elect();
  cluster.Pass(absl::Seconds(9));
  CHECK(cluster.Take(cluster.controller().Tick(cluster.ctx()))->fenced.empty());
  // And who was alive is alive: its id isn't free.
  auto duplicate = cluster.controller().RegisterBroker(Registration(1, 2), cluster.ctx());
  CHECK(KafkaErrorOf(duplicate.status()) == kDuplicateBrokerRegistration);
  cluster.Pass(absl::Nanoseconds(1));
  CHECK(cluster.Take(cluster.controller().Tick(cluster.ctx()))->fenced.size() == 2);
}

TEST_CASE("unregistering takes a broker out of everything but the replica lists") {
  Cluster cluster;
  cluster.Start({1, 2});
  const PartitionId p = cluster.CreateOn("t", {1, 2});
  const PartitionId alone = cluster.CreateOn("alone", {1});
  const BrokerHeartbeatRequest beat = cluster.Beat(1);
  REQUIRE(cluster.Take(cluster.controller().UnregisterBroker({NodeId(1)}, cluster.ctx())).ok());
  CHECK(cluster.image()->FindBroker(NodeId(1)) == nullptr);
  CHECK(cluster.At(p).leader == NodeId(2));
  CHECK(cluster.At(p).HasReplica(NodeId(1)));
  CHECK(cluster.At(alone).leader == kNoNode);
  CHECK(KafkaErrorOf(cluster.controller().Heartbeat(beat, cluster.ctx()).status()) == kBrokerIdNotRegistered);
  CHECK(KafkaErrorOf(cluster.controller().UnregisterBroker({NodeId(1)}, cluster.ctx()).status()) ==
        kBrokerIdNotRegistered);
  cluster.Start({1});
  CHECK(cluster.At(alone).leader == NodeId(1));
}

TEST_CASE("A registration that the log refused leaves no trace: the broker may try again at once") {
  Cluster cluster;
  cluster.Start({1});
  cluster.Pass(absl::Seconds(10));
  // Its former life has run out, and nobody has noted that yet.
  REQUIRE(cluster.controller().RegisterBroker(Registration(1, 2), cluster.ctx()).ok());
  const auto again = cluster.Take(cluster.controller().RegisterBroker(Registration(1, 2), cluster.ctx()));
  INFO(again.status().ToString());
  REQUIRE(again.ok());
  CHECK(cluster.image()->FindBroker(NodeId(1))->epoch == again->epoch);
}

}  // namespace
}  // namespace quorate::controller
