// What a host that runs a node in its process may rely on: publishers, the leadership watch, the checks of Create.
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "node/methods.h"
#include "node/node_cluster.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

class Recorder : public MetadataPublisher {
 public:
  void OnMetadata(const MetadataImagePtr& image, const MetadataDelta& delta) override {
    CHECK((delta.everything || delta.base == last));
    last = image;
    if (delta.everything) ++everything;
    for (const auto& topic : delta.topics_created) created.push_back(topic.name);
    if (throws) throw std::runtime_error("the host is unwell");
  }
  MetadataImagePtr last;
  int everything = 0;
  std::vector<std::string> created;
  bool throws = false;
};

TEST_CASE("A publisher is shown everything once and then each change; F-H01: one that throws stops its node") {
  NodeCluster cluster(3);
  cluster.StartAll();
  auto recorder = std::make_shared<Recorder>();
  const uint64_t id = cluster.At(2).node->AddPublisher(recorder);
  cluster.executor().RunUntilIdle();
  CHECK(recorder->everything == 1);
  REQUIRE(cluster.Create(1, "orders", 1, 3).ok());
  REQUIRE(cluster.Await([&] { return recorder->created == std::vector<std::string>{"orders"}; }, absl::Seconds(1)));
  CHECK(recorder->everything == 1);
  SECTION("removed") {
    cluster.At(2).node->RemovePublisher(id);
    REQUIRE(cluster.Create(1, "later", 1, 3).ok());
    cluster.executor().RunFor(absl::Seconds(1));
    CHECK(recorder->created.size() == 1);
  }
  SECTION("throws") {
    recorder->throws = true;
    REQUIRE(cluster.Await([&] { return !cluster.At(2).fault.ok(); }));
    CHECK(absl::StrContains(cluster.At(2).fault.message(), "the host is unwell"));
    CHECK_FALSE(cluster.At(2).node->status().fault.ok());
    const auto refused = cluster.Create(2, "here", 1, 1);
    CHECK(ReasonOf(refused.status()) == Reason::kHalted);
    CHECK(OutcomeOf(refused.status()) == Outcome::kNotApplied);
    CHECK(cluster.At(2).node->status().broker == BrokerState::kNotRunning);
    // Its image stands still: it doesn't pass it off as the cluster's.
    const auto names = cluster.Call(cluster.Clients(2), kListTopics, "");
    CHECK(ReasonOf(names.status()) == Reason::kHalted);
    // The others go on without it.
    CHECK(cluster.Create(1, "without", 1, 1).ok());
  }
}

TEST_CASE("Leadership is watched: the present one first, then the newest") {
  NodeCluster cluster(3);
  cluster.StartAll();
  const int first = cluster.AwaitController();
  const int watcher = first % 3 + 1;
  std::vector<Leadership> seen;
  cluster.At(watcher).node->WatchLeadership([&](const Leadership& leadership) { seen.push_back(leadership); });
  cluster.executor().RunUntilIdle();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].leader == NodeId(first));
  cluster.Crash(first);
  REQUIRE(cluster.Await([&] { return seen.back().leader != NodeId(first) && seen.back().leader != kNoNode; }));
  CHECK(seen.back().epoch > seen[0].epoch);
}

TEST_CASE("Create refuses bad options and another node's directory") {
  NodeCluster cluster(1);
  cluster.At(1).options.listeners.clear();
  CHECK(ReasonOf(cluster.Start(1)) == Reason::kInvalidArgument);
  NodeCluster other(2);
  other.At(2).options.id = NodeId(7);
  const absl::Status wrong = other.Start(2);
  CHECK(ReasonOf(wrong) == Reason::kWrongReplica);
  CHECK(absl::StrContains(wrong.message(), "belongs to node 2, but node.id is 7"));
}

}  // namespace
}  // namespace quorate::node
