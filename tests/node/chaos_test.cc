// Clusters that lose power, network and brokers at random moments, while topics are created through random nodes. What
// was acknowledged stays, what was refused for certain never shows up, and all agree in the end.
#include <map>
#include <memory>
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

void Disturb(NodeCluster& cluster, Random& random, std::set<int>& down, std::set<int>& cut) {
  const int id = static_cast<int>(random.Below(3)) + 1;
  switch (random.Below(4)) {
    case 0:
      if (down.insert(id).second) cluster.Crash(id);
      return;
    case 1:
    case 2:
      if (down.erase(id) > 0) {
        const absl::Status started = cluster.Start(id);
        INFO(started.ToString());
        REQUIRE(started.ok());
      }
      return;
    default:
      if (down.count(id) > 0) return;
      if (cut.erase(id) == 0) cut.insert(id);
      cluster.Isolate(id, cut.count(id) > 0);
  }
}

void Heal(NodeCluster& cluster, const std::set<int>& down, const std::set<int>& cut) {
  for (const int id : cut) cluster.Isolate(id, false);
  for (const int id : down) {
    const absl::Status started = cluster.Start(id);
    INFO(started.ToString());
    REQUIRE(started.ok());
  }
}

TEST_CASE("I-02, I-17, F-B04, F-B07: through random failures nothing acknowledged is lost and all nodes agree") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    NodeCluster cluster(3, 0, seed);
    cluster.StartAll();
    Xoshiro random(seed);
    std::set<int> down;
    std::set<int> cut;
    std::vector<std::shared_ptr<Asked>> all;
    for (int step = 0; step < 60; ++step) {
      if (random.Below(3) == 0) Disturb(cluster, random, down, cut);
      const int at = static_cast<int>(random.Below(3)) + 1;
      if (down.count(at) == 0) {
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
      cluster.executor().RunFor(absl::Milliseconds(static_cast<int64_t>(random.Below(1500))));
    }
    Heal(cluster, down, cut);
    REQUIRE(cluster.Await([&] { return cluster.AllBrokersRunning() && cluster.Controller() != 0; }, absl::Minutes(2)));
    const int controller = cluster.Controller();
    REQUIRE(cluster.Create(controller, "last", 1, 3).ok());
    REQUIRE(cluster.Await([&] {
      for (int id = 1; id <= 3; ++id) {
        if (!cluster.Image(id)->FindTopic("last").has_value() || cluster.Image(id)->leaderless_count() > 0 ||
            cluster.Image(id)->digest() != cluster.Image(controller)->digest()) {
          return false;
        }
      }
      return true;
    }));
    size_t acknowledged = 0;
    for (const auto& asked : all) {
      INFO(asked->name << ": " << asked->answer.status().ToString());
      const bool exists = cluster.Image(controller)->FindTopic(asked->name).has_value();
      if (!asked->answered) continue;  // its node lost power with the call in it
      if (asked->answer.ok() && (*asked->answer)[0].status.ok()) {
        CHECK(exists);
        ++acknowledged;
      } else if (!asked->answer.ok() && OutcomeOf(asked->answer.status()) == Outcome::kNotApplied) {
        CHECK_FALSE(exists);
      }
    }
    CHECK(acknowledged > 0);
    for (int id = 1; id <= 3; ++id) CHECK(cluster.At(id).fault.ok());
  }
}

}  // namespace
}  // namespace quorate::node
