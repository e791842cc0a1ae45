// Clusters that lose power, network and brokers at random moments, while topics are created through random nodes,
// voters come and go, leadership is moved, and every node writes snapshots and cuts its log behind them. What was
// acknowledged stays, what was refused for certain never shows up, and all agree in the end, also after beginning anew
// from their disks.
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/xoshiro.h"
#include "node/node_cluster.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

struct Asked {
  std::string name;
  bool answered = false;
  absl::StatusOr<Results> answer = absl::UnknownError("no answer yet");
};

// Nodes 1 to `size`; who is down, who is cut off.
struct Chaos {
  Chaos(NodeCluster* cluster, int size, uint64_t seed) : cluster(cluster), size(size), random(seed) {}

  int Any() { return static_cast<int>(random.Below(static_cast<uint64_t>(size))) + 1; }

  void Disturb() {
    const int id = Any();
    switch (random.Below(4)) {
      case 0:
        if (down.insert(id).second) cluster->Crash(id);
        return;
      case 1:
      case 2:
        if (down.count(id) > 0) Start(id);
        return;
      default:
        if (down.count(id) > 0) return;
        if (cut.erase(id) == 0) cut.insert(id);
        cluster->Isolate(id, cut.count(id) > 0);
    }
  }

  // Asks a random node for a random change of the quorum. Most are refused; none may do harm.
  void ChangeQuorum() {
    const int at = Any();
    const int id = Any();
    if (down.count(at) > 0) return;
    switch (random.Below(5)) {
      case 0:
      case 1:
        asked.push_back(cluster->BeginAdd(at, id, {absl::Seconds(4)}));
        return;
      case 2:
      case 3:
        asked.push_back(cluster->BeginRemove(at, cluster->KeyOf(id), {absl::Seconds(4)}));
        return;
      default:
        asked.push_back(std::make_shared<std::optional<absl::Status>>());
        cluster->At(at).node->TransferLeadership(NodeId(id), absl::Seconds(2), [answer = asked.back()](absl::Status s) {
          CHECK_FALSE(answer->has_value());
          *answer = std::move(s);
        });
    }
  }

  void Start(int id) {
    const absl::Status started = cluster->Start(id);
    INFO("node " << id << ": " << started.ToString());
    REQUIRE(started.ok());
    down.erase(id);
  }

  void Heal() {
    for (const int id : cut) cluster->Isolate(id, false);
    cut.clear();
    for (const int id : std::set<int>(down)) Start(id);
  }

  NodeCluster* const cluster;
  const int size;
  Xoshiro random;
  std::set<int> down;
  std::set<int> cut;
  std::vector<NodeCluster::Answer> asked;
};

bool AllHave(NodeCluster& cluster, int size, const std::string& topic) {
  for (int id = 1; id <= size; ++id) {
    const MetadataImagePtr image = cluster.Image(id);
    if (!image->FindTopic(topic).has_value() || image->leaderless_count() > 0 ||
        image->digest() != cluster.Image(1)->digest()) {
      return false;
    }
  }
  return true;
}

// What was answered must be what is there. Returns how many were acknowledged.
size_t CheckAnswers(const std::vector<std::shared_ptr<Asked>>& all, const MetadataImage& image) {
  size_t acknowledged = 0;
  for (const auto& asked : all) {
    INFO(asked->name << ": " << asked->answer.status().ToString());
    const bool exists = image.FindTopic(asked->name).has_value();
    if (!asked->answered) continue;  // its node lost power with the call in it
    if (asked->answer.ok() && (*asked->answer)[0].status.ok()) {
      CHECK(exists);
      ++acknowledged;
    } else if (!asked->answer.ok() && OutcomeOf(asked->answer.status()) == Outcome::kNotApplied) {
      CHECK_FALSE(exists);
    }
  }
  return acknowledged;
}

// What happened, over all seeds: a test in which nothing happens proves nothing.
struct Happened {
  size_t changes = 0;    // of the quorum, that were answered with OK
  size_t refusals = 0;   // with a certain no
  size_t snapshots = 0;  // nodes that ended with a snapshot
  size_t trimmed = 0;    // nodes whose log no longer begins at 0
};

void Run(uint64_t seed, int voters, int joiners, Happened* happened) {
  NodeCluster cluster(voters, 0, seed);
  for (int i = 0; i < joiners; ++i) cluster.AddJoiner();
  const int size = voters + joiners;
  Chaos chaos(&cluster, size, seed);
  cluster.Configure([&](NodeOptions& options) {
    options.snapshots.log_bytes = 500 + chaos.random.Below(20'000);
    options.snapshots.interval = absl::Seconds(static_cast<int64_t>(chaos.random.Below(20)));
    if (joiners > 0 && chaos.random.Below(3) == 0) options.auto_join = true;
  });
  cluster.StartAll();
  std::vector<std::shared_ptr<Asked>> all;
  for (int step = 0; step < 60; ++step) {
    if (chaos.random.Below(3) == 0) chaos.Disturb();
    if (joiners > 0 && chaos.random.Below(3) == 0) chaos.ChangeQuorum();
    if (const int at = chaos.Any(); chaos.down.count(at) == 0) {
      auto asked = std::make_shared<Asked>();
      asked->name = "topic-" + std::to_string(step);
      NewTopic topic;
      topic.name = asked->name;
      topic.partitions = 2;
      topic.replication_factor = 1;
      all.push_back(asked);
      cluster.At(at).node->CreateTopics({topic}, false, absl::Seconds(3), [asked](absl::StatusOr<Results> answer) {
        CHECK_FALSE(asked->answered);
        asked->answered = true;
        asked->answer = std::move(answer);
      });
    }
    cluster.executor().RunFor(absl::Milliseconds(static_cast<int64_t>(chaos.random.Below(1500))));
  }
  chaos.Heal();
  REQUIRE(cluster.Await([&] { return cluster.AllBrokersRunning() && cluster.Controller() != 0; }, absl::Minutes(2)));
  REQUIRE(cluster.Create(cluster.Controller(), "last", 1, 3).ok());
  REQUIRE(cluster.Await([&] { return AllHave(cluster, size, "last"); }));
  CHECK(CheckAnswers(all, *cluster.Image(1)) > 0);
  // I-14: all know the same voters.
  REQUIRE(cluster.Await([&] {
    for (int id = 1; id <= size; ++id) {
      if (cluster.Voters(id) != cluster.Voters(1)) return false;
    }
    return true;
  }));
  for (const NodeCluster::Answer& answer : chaos.asked) {
    if (!answer->has_value()) continue;
    if ((*answer)->ok()) ++happened->changes;
    if (!(*answer)->ok() && OutcomeOf(**answer) == Outcome::kNotApplied) ++happened->refusals;
  }
  for (int id = 1; id <= size; ++id) {
    const QuorumDescription described = cluster.At(id).node->DescribeQuorum();
    if (described.snapshot.end > Offset(0)) ++happened->snapshots;
    if (described.log_start > Offset(0)) ++happened->trimmed;
  }
  // I-18: from its own disk, snapshot and all, each comes back to the same.
  for (int id = 1; id <= size; ++id) cluster.Crash(id);
  for (int id = 1; id <= size; ++id) chaos.Start(id);
  REQUIRE(cluster.Await([&] { return cluster.AllBrokersRunning() && cluster.Controller() != 0; }, absl::Minutes(2)));
  REQUIRE(cluster.Create(cluster.Controller(), "last-of-all", 1, 3).ok());
  REQUIRE(cluster.Await([&] { return AllHave(cluster, size, "last-of-all"); }));
  CHECK(CheckAnswers(all, *cluster.Image(1)) > 0);
  for (int id = 1; id <= size; ++id) {
    INFO("node " << id << ": " << cluster.At(id).fault.ToString());
    CHECK(cluster.At(id).fault.ok());
  }
}

TEST_CASE("I-02, I-17, F-B04, F-B07: through random failures nothing acknowledged is lost and all nodes agree") {
  Happened happened;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Run(seed, 3, 0, &happened);
  }
  CHECK(happened.snapshots > 40);
  CHECK(happened.trimmed > 40);
}

TEST_CASE("I-14, I-18: the same while voters come and go") {
  Happened happened;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    Run(1000 + seed, 3, 2, &happened);
  }
  CHECK(happened.changes > 100);
  CHECK(happened.refusals > 100);
  CHECK(happened.snapshots > 40);
  CHECK(happened.trimmed > 40);
}

}  // namespace
}  // namespace quorate::node
