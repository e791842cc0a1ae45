// Whole nodes that come and go as voters, under load, in virtual time (KIP-853): writes go on throughout, nothing
// acknowledged is lost, and all agree in the end.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "node/node_cluster.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

// Creates topics one after the other, each through another node, and remembers what was acknowledged and when.
class Load {
 public:
  explicit Load(NodeCluster* cluster) : cluster_(cluster), last_ack_(cluster->clock().Now()) {}

  void Through(std::vector<int> ids) { ids_ = std::move(ids); }

  // Runs until `condition`, with writes all the while. False: it took too long.
  bool RunUntil(absl::FunctionRef<bool()> condition, absl::Duration limit = absl::Minutes(1)) {
    const Instant until = cluster_->clock().Now() + limit;
    while (!condition()) {
      if (cluster_->clock().Now() >= until) return false;
      Write();
      cluster_->executor().RunFor(absl::Milliseconds(5));
    }
    return true;
  }

  [[nodiscard]] size_t acknowledged() const { return acknowledged_.size(); }
  // The longest time between two acknowledgements, or since the last one.
  [[nodiscard]] absl::Duration longest_pause() const {
    return std::max(longest_pause_, cluster_->clock().Now() - last_ack_);
  }
  [[nodiscard]] std::vector<std::string> Missing(int at) const {
    std::vector<std::string> missing;
    for (const std::string& name : acknowledged_) {
      if (!cluster_->Image(at)->FindTopic(name).has_value()) missing.push_back(name);
    }
    return missing;
  }

 private:
  void Write() {
    if (in_flight_) return;
    in_flight_ = true;
    NewTopic topic;
    topic.name = absl::StrCat("t", ++count_);
    topic.partitions = 1;
    topic.replication_factor = 1;
    const int at = ids_[count_ % ids_.size()];
    cluster_->At(at).node->CreateTopics(
        {topic}, false, absl::Seconds(5), [this, name = topic.name](const absl::StatusOr<Results>& answer) {
          in_flight_ = false;
          if (!answer.ok() || !(*answer)[0].status.ok()) return;
          acknowledged_.push_back(name);
          longest_pause_ = std::max(longest_pause_, cluster_->clock().Now() - last_ack_);
          last_ack_ = cluster_->clock().Now();
        });
  }

  NodeCluster* const cluster_;
  std::vector<int> ids_;
  size_t count_ = 0;
  bool in_flight_ = false;
  std::vector<std::string> acknowledged_;
  Instant last_ack_;
  absl::Duration longest_pause_ = absl::ZeroDuration();
};

void RequireDone(Load& load, const NodeCluster::Answer& answer) {
  REQUIRE(load.RunUntil([&] { return answer->has_value(); }));
  INFO((*answer)->ToString());
  REQUIRE((*answer)->ok());
}

// Every node of `ids` has everything that the first one has.
bool AllAgree(NodeCluster& cluster, const std::vector<int>& ids) {
  for (const int id : ids) {
    if (cluster.Image(id)->digest() != cluster.Image(ids.front())->digest()) return false;
  }
  return true;
}

TEST_CASE("M-32, M-34, M-35: one voter becomes three, five, and three again, and writes go on") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    NodeCluster cluster(1, 0, seed);
    for (int id = 2; id <= 5; ++id) REQUIRE(cluster.AddJoiner() == id);
    cluster.StartAll();
    Load load(&cluster);
    load.Through({1, 2, 3, 4, 5});
    REQUIRE(load.RunUntil([&] { return load.acknowledged() > 20; }));
    for (const int id : {2, 3, 4, 5}) {
      INFO("add " << id);
      // Through any node: it is passed on to the leader.
      RequireDone(load, cluster.BeginAdd(id % 2 == 0 ? id : 1, id));
    }
    CHECK(cluster.Voters(1) == std::vector<int>{1, 2, 3, 4, 5});
    const int leader = cluster.AwaitController();
    // The leader among them (M-35): it leads until the set without it is committed.
    RequireDone(load, cluster.BeginRemove(1, cluster.KeyOf(leader)));
    const int other = leader == 4 ? 5 : 4;
    RequireDone(load, cluster.BeginRemove(other, cluster.KeyOf(other)));
    REQUIRE(load.RunUntil([&] { return cluster.Controller() != 0 && cluster.Controller() != leader; }));
    std::vector<int> expected;
    for (int id = 1; id <= 5; ++id) {
      if (id != leader && id != other) expected.push_back(id);
    }
    REQUIRE(
        load.RunUntil([&] { return cluster.Voters(leader) == expected && cluster.Voters(expected[0]) == expected; }));
    const size_t before = load.acknowledged();
    REQUIRE(load.RunUntil([&] { return load.acknowledged() > before + 20; }));
    CHECK(load.longest_pause() < absl::Seconds(2));
    // Those that were removed follow on, as observers.
    REQUIRE(cluster.Await([&] { return AllAgree(cluster, {1, 2, 3, 4, 5}); }));
    for (int id = 1; id <= 5; ++id) {
      CHECK(load.Missing(id).empty());
      CHECK(cluster.At(id).fault.ok());
    }
    const QuorumDescription described = cluster.At(cluster.AwaitController()).node->DescribeQuorum();
    CHECK(described.observers.size() == 2);
    CHECK_FALSE(described.committed_voters.has_value());
    CHECK_FALSE(described.voter_change.has_value());
  }
}

TEST_CASE("A controller that was formatted without voters is an observer that is found in the description") {
  NodeCluster cluster(3);
  const int joiner = cluster.AddJoiner();
  cluster.StartAll();
  REQUIRE(cluster.Create(joiner, "orders", 1, 1).ok());
  const int leader = cluster.AwaitController();
  REQUIRE(cluster.Await([&] { return cluster.At(leader).node->DescribeQuorum().observers.size() == 1; }));
  const QuorumDescription described = cluster.At(leader).node->DescribeQuorum();
  CHECK(described.observers[0].key == cluster.KeyOf(joiner));
  CHECK(described.voters.size() == 3);
  CHECK_FALSE(cluster.At(joiner).node->DescribeQuorum().is_voter);
}

TEST_CASE("F-D16, M-37: a wiped disk is somebody new: an observer until the old key is removed and the new one added") {
  NodeCluster cluster(3);
  cluster.StartAll();
  Load load(&cluster);
  load.Through({1, 2});
  REQUIRE(load.RunUntil([&] { return load.acknowledged() > 10; }));
  const ReplicaKey old = cluster.KeyOf(3);
  cluster.Crash(3);
  cluster.ReplaceDisk(3);
  REQUIRE(cluster.Start(3).ok());
  REQUIRE(load.RunUntil([&] { return cluster.Image(3)->topic_count() > 10; }));
  CHECK_FALSE(cluster.At(3).node->DescribeQuorum().is_voter);
  const absl::Status refused = [&] {
    const NodeCluster::Answer answer = cluster.BeginAdd(1, 3);
    REQUIRE(load.RunUntil([&] { return answer->has_value(); }));
    return **answer;
  }();
  INFO(refused.ToString());
  CHECK(ReasonOf(refused) == Reason::kVoterExists);
  CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  RequireDone(load, cluster.BeginRemove(1, old));
  RequireDone(load, cluster.BeginAdd(1, 3));
  REQUIRE(load.RunUntil([&] { return cluster.At(3).node->DescribeQuorum().is_voter; }));
  // Doing it again changes nothing and is no error.
  RequireDone(load, cluster.BeginAdd(2, 3));
  RequireDone(load, cluster.BeginRemove(2, old));
  CHECK(load.longest_pause() < absl::Seconds(2));
  REQUIRE(cluster.Await([&] { return AllAgree(cluster, {1, 2, 3}); }));
  CHECK(load.Missing(3).empty());
}

TEST_CASE("M-36: a controller with auto-join becomes a voter by itself, and once removed it stays removed") {
  NodeCluster cluster(3);
  const int joiner = cluster.AddJoiner();
  cluster.At(joiner).options.auto_join = true;
  cluster.StartAll();
  Load load(&cluster);
  load.Through({1, 2, 3});
  REQUIRE(load.RunUntil([&] { return cluster.Voters(1) == std::vector<int>{1, 2, 3, 4}; }));
  RequireDone(load, cluster.BeginRemove(1, cluster.KeyOf(joiner)));
  cluster.executor().RunFor(absl::Seconds(20));
  CHECK(cluster.Voters(1) == std::vector<int>{1, 2, 3});
  // Nor after a restart.
  cluster.Crash(joiner);
  REQUIRE(cluster.Start(joiner).ok());
  cluster.executor().RunFor(absl::Seconds(20));
  CHECK(cluster.Voters(1) == std::vector<int>{1, 2, 3});
  CHECK_FALSE(cluster.At(joiner).node->DescribeQuorum().is_voter);
  // By hand it may come back.
  RequireDone(load, cluster.BeginAdd(1, joiner));
  CHECK(cluster.Voters(1) == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("Each refusal has its reason, its sentence, and a certain outcome, through any node") {
  NodeCluster cluster(3);
  const int joiner = cluster.AddJoiner();
  cluster.StartAll();
  const int leader = cluster.AwaitController();
  const int follower = leader % 3 + 1;
  const int third = 6 - leader - follower;
  const VoterChangeOptions brief{absl::Seconds(8)};
  const auto refused = [&](const NodeCluster::Answer& answer, Reason reason, absl::string_view text) {
    const absl::Status status = cluster.Await(answer);
    INFO(status.ToString());
    CHECK(ReasonOf(status) == reason);
    CHECK(OutcomeOf(status) == Outcome::kNotApplied);
    CHECK(absl::StrContains(status.message(), text));
  };
  refused(cluster.BeginRemove(follower, {NodeId(9), DirectoryId(Uuid(1, 999))}), Reason::kVoterNotFound, "no voter 9");
  refused(cluster.BeginRemove(follower, {NodeId(1), DirectoryId(Uuid(1, 999))}), Reason::kVoterNotFound,
          "voter 1 has directory");
  refused(cluster.BeginRemove(follower, {NodeId(1), DirectoryId()}), Reason::kInvalidArgument, "directory id");
  {
    Voter elsewhere = cluster.VoterOf(joiner);
    elsewhere.endpoints[0].host = "nowhere";
    auto answer = std::make_shared<std::optional<absl::Status>>();
    cluster.At(follower).node->AddController(elsewhere, brief, [answer](absl::Status s) { *answer = std::move(s); });
    refused(answer, Reason::kUnreachable, "nowhere:9093");
    // F-N15: somebody answers there, but somebody else.
    elsewhere.endpoints[0] = cluster.Controllers(third);
    answer = std::make_shared<std::optional<absl::Status>>();
    cluster.At(follower).node->AddController(elsewhere, brief, [answer](absl::Status s) { *answer = std::move(s); });
    refused(answer, Reason::kWrongReplica, "answers replica");
  }
  cluster.Crash(joiner);
  cluster.executor().RunFor(absl::Seconds(2));
  refused(cluster.BeginAdd(follower, joiner, {absl::Seconds(5), true}), Reason::kNotCaughtUp, "doesn't fetch");
  // With one of three down, no second one may go.
  cluster.Crash(third);
  cluster.executor().RunFor(absl::Seconds(2));
  refused(cluster.BeginRemove(leader, cluster.KeyOf(follower)), Reason::kUnsafeChange, "a majority is 2");
  refused(cluster.BeginRemove(leader, cluster.KeyOf(follower), {absl::Seconds(5), true}), Reason::kUnsafeChange,
          "a majority is 2");
  // The one that is down may.
  CHECK(cluster.Await(cluster.BeginRemove(leader, cluster.KeyOf(third))).ok());
  CHECK(cluster.Voters(leader).size() == 2);
}

TEST_CASE("A dry run changes nothing") {
  NodeCluster cluster(3);
  const int joiner = cluster.AddJoiner();
  cluster.StartAll();
  const int leader = cluster.AwaitController();
  REQUIRE(cluster.Await([&] { return cluster.At(leader).node->DescribeQuorum().observers.size() == 1; }));
  const Offset before = cluster.At(leader).node->DescribeQuorum().log_end;
  const absl::Status add = cluster.Await(cluster.BeginAdd(joiner, joiner, {absl::Seconds(5), true}));
  INFO(add.ToString());
  CHECK(add.ok());
  CHECK(cluster.Await(cluster.BeginRemove(leader, cluster.KeyOf(leader), {absl::Seconds(5), true})).ok());
  CHECK(cluster.Voters(leader) == std::vector<int>{1, 2, 3});
  CHECK(cluster.At(leader).node->DescribeQuorum().log_end - before <= 2);  // the idle controller's empty records
}

TEST_CASE("Leadership is moved to whom the caller names, through any node, and writes go on") {
  NodeCluster cluster(3);
  cluster.StartAll();
  Load load(&cluster);
  load.Through({1, 2, 3});
  REQUIRE(load.RunUntil([&] { return load.acknowledged() > 10; }));
  for (const int to : {3, 1, 2, 2}) {
    INFO("to " << to);
    auto answer = std::make_shared<std::optional<absl::Status>>();
    cluster.At(to % 3 + 1).node->TransferLeadership(NodeId(to), absl::Seconds(10), [answer](absl::Status s) {
      *answer = std::move(s);
    });
    RequireDone(load, answer);
    REQUIRE(load.RunUntil([&] { return cluster.Controller() == to; }));
  }
  CHECK(load.longest_pause() < absl::Seconds(2));
  const absl::Status nobody = cluster.Transfer(1, NodeId(9));
  CHECK(ReasonOf(nobody) == Reason::kVoterNotFound);
  CHECK(absl::StrContains(nobody.message(), "node 9 is no voter"));
}

TEST_CASE("A voter whose priority is 0 never leads") {
  NodeCluster cluster(3);
  cluster.At(1).options.leader_priority = kPriorityNever;
  cluster.StartAll();
  const int leader = cluster.AwaitController();
  CHECK(leader != 1);
  CHECK(ReasonOf(cluster.Transfer(leader, NodeId(1))) == Reason::kInvalidArgument);
  cluster.Crash(leader);
  const int next = cluster.AwaitController();
  CHECK(next != 1);
  CHECK(next != leader);
}

}  // namespace
}  // namespace quorate::node
