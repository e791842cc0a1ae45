// Snapshots of whole nodes, in virtual time: taken by brokers and controllers on their own, the same bytes everywhere,
// and as good as the log that they stand for.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "node/node_cluster.h"
#include "quorate/status.h"
#include "support/catch.h"

namespace quorate::node {
namespace {

void SnapshotEvery(NodeOptions& options, uint64_t bytes) {
  options.snapshots.log_bytes = bytes;
  options.snapshots.interval = absl::ZeroDuration();
}

void CreateTopics(NodeCluster& cluster, int at, const std::string& prefix, int count) {
  for (int i = 0; i < count; ++i) {
    const auto created = cluster.Create(at, absl::StrCat(prefix, i), 3, 1);
    INFO(created.status().ToString());
    REQUIRE(created.ok());
    REQUIRE((*created)[0].status.ok());
  }
}

QuorumDescription Describe(NodeCluster& cluster, int id) { return cluster.At(id).node->DescribeQuorum(); }

bool SameImages(NodeCluster& cluster, int count) {
  for (int id = 1; id <= count; ++id) {
    if (cluster.Image(id)->digest() != cluster.Image(1)->digest()) return false;
  }
  return true;
}

// What a publisher was shown, in order.
struct Watching final : MetadataPublisher {
  void OnMetadata(const MetadataImagePtr& image, const MetadataDelta& delta) override {
    if (delta.everything) {
      ++everything;
      base = delta.base;
    }
    if (image->provenance().end < last) went_back = true;
    last = image->provenance().end;
    newest = image;
  }
  int everything = 0;
  bool went_back = false;
  Offset last;
  MetadataImagePtr base;
  MetadataImagePtr newest;
};

TEST_CASE("I-18: a node that begins with its snapshot has what replaying the whole log gave it") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("seed " << seed);
    NodeCluster cluster(3, 1, seed);
    cluster.Configure([](NodeOptions& options) { SnapshotEvery(options, 4096); });
    cluster.StartAll();
    CreateTopics(cluster, 1, "a", 40);
    REQUIRE(cluster.Delete(2, "a7").ok());
    CreateTopics(cluster, 4, "b", 40);
    REQUIRE(cluster.Await([&] { return SameImages(cluster, 4); }));
    // Brokers without the controller role take their own, as everybody does.
    for (int id = 1; id <= 4; ++id) {
      INFO("node " << id);
      CHECK(Describe(cluster, id).snapshot.end > Offset(0));
      CHECK(Describe(cluster, id).log_start > Offset(0));
      cluster.Crash(id);
    }
    for (int id = 1; id <= 4; ++id) REQUIRE(cluster.Start(id).ok());
    auto watching = std::make_shared<Watching>();
    cluster.At(4).node->AddPublisher(watching);
    REQUIRE(cluster.Await([&] { return cluster.AllBrokersRunning() && cluster.Controller() != 0; }));
    REQUIRE(cluster.Create(3, "after", 1, 1).ok());
    REQUIRE(cluster.Await([&] { return SameImages(cluster, 4) && watching->newest == cluster.Image(4); }));
    for (int id = 1; id <= 4; ++id) {
      CHECK(cluster.Image(id)->topic_count() == 80);
      CHECK_FALSE(cluster.Image(id)->FindTopic("a7").has_value());
      CHECK(cluster.Image(id)->FindTopic("b39").has_value());
      CHECK(cluster.At(id).fault.ok());
    }
    CHECK_FALSE(watching->went_back);
  }
}

TEST_CASE("I-17: nodes that stop at the same offset write the same snapshot, byte for byte") {
  NodeCluster cluster(3, 1);
  cluster.Configure([](NodeOptions& options) {
    SnapshotEvery(options, 0);
    options.metadata_idle_interval = absl::ZeroDuration();
  });
  cluster.StartAll();
  CreateTopics(cluster, 1, "t", 30);
  REQUIRE(cluster.Delete(2, "t3").ok());
  cluster.executor().RunFor(absl::Seconds(3));
  std::map<std::string, std::vector<int>> written;
  LogPosition position;
  for (int id = 1; id <= 4; ++id) {
    const absl::StatusOr<LogPosition> taken = cluster.TakeSnapshot(id);
    INFO(taken.status().ToString());
    REQUIRE(taken.ok());
    if (id == 1) position = *taken;
    CHECK(*taken == position);
    CHECK(Describe(cluster, id).snapshot == position);
    NodeCluster::Member& member = cluster.At(id);
    const auto names = member.files.List(member.path);
    REQUIRE(names.ok());
    for (const std::string& name : *names) {
      if (!absl::EndsWith(name, ".checkpoint") || !absl::StrContains(name, absl::StrCat(position.end.value())))
        continue;
      auto file = member.files.Open(absl::StrCat(member.path, "/", name), OpenMode::kRead);
      REQUIRE(file.ok());
      std::string bytes;
      REQUIRE((*file)->ReadAt(0, *(*file)->Size(), &bytes).ok());
      written[bytes].push_back(id);
    }
  }
  REQUIRE(written.size() == 1);
  CHECK(written.begin()->second == std::vector<int>{1, 2, 3, 4});
  CHECK(written.begin()->first.size() > 1000);
}

TEST_CASE(
    "M-22, I-23: a node that was cut off for longer than the log reaches back goes on from the leader's snapshot") {
  NodeCluster cluster(3, 1);
  cluster.Configure([](NodeOptions& options) { SnapshotEvery(options, 4096); });
  cluster.StartAll();
  CreateTopics(cluster, 1, "before", 5);
  for (const int behind : {3, 4}) {
    INFO("node " << behind);
    auto watching = std::make_shared<Watching>();
    cluster.At(behind).node->AddPublisher(watching);
    // The leader puts its next snapshots off for a while after somebody loaded one.
    cluster.executor().RunFor(absl::Seconds(15));
    cluster.Isolate(behind, true);
    const Offset left_at = Describe(cluster, behind).log_end;
    REQUIRE(cluster.Await([&] { return cluster.Controller() != 0 && cluster.Controller() != behind; }));
    CreateTopics(cluster, 1, absl::StrCat("during-", behind, "-"), 60);
    const int leader = cluster.Controller();
    REQUIRE(Describe(cluster, leader).log_start > left_at);
    const MetadataImagePtr old = cluster.Image(behind);
    const int shown = watching->everything;
    cluster.Isolate(behind, false);
    REQUIRE(cluster.Await([&] { return SameImages(cluster, 4) && cluster.AllBrokersRunning(); }));
    REQUIRE(cluster.Create(behind, absl::StrCat("after-", behind), 2, 3).ok());
    REQUIRE(cluster.Await([&] { return watching->newest == cluster.Image(behind); }));
    CHECK(cluster.Image(behind)->FindTopic(absl::StrCat("during-", behind, "-59")).has_value());
    CHECK(Describe(cluster, behind).log_start > left_at);
    // The host is told to compare everything, once, with what it had.
    CHECK(watching->everything == shown + 1);
    REQUIRE(watching->base != nullptr);
    CHECK(watching->base->provenance().end <= old->provenance().end);
    CHECK_FALSE(watching->went_back);
    CHECK(cluster.At(behind).fault.ok());
  }
}

TEST_CASE("A new controller gets the snapshot, becomes a voter, and leads") {
  NodeCluster cluster(3);
  const int joiner = cluster.AddJoiner();
  cluster.Configure([](NodeOptions& options) { SnapshotEvery(options, 4096); });
  for (int id = 1; id <= 3; ++id) REQUIRE(cluster.Start(id).ok());
  REQUIRE(cluster.Await([&] { return cluster.AllBrokersRunning() && cluster.Controller() != 0; }));
  CreateTopics(cluster, 1, "t", 80);
  REQUIRE(Describe(cluster, cluster.Controller()).log_start > Offset(0));
  REQUIRE(cluster.Start(joiner).ok());
  const absl::Status added = cluster.Await(cluster.BeginAdd(1, joiner));
  INFO(added.ToString());
  REQUIRE(added.ok());
  const absl::Status moved = cluster.Transfer(1, NodeId(joiner));
  INFO(moved.ToString());
  REQUIRE(moved.ok());
  REQUIRE(cluster.Await([&] { return cluster.Controller() == joiner; }));
  CreateTopics(cluster, 2, "led-by-the-newcomer-", 40);
  REQUIRE(cluster.Await([&] { return SameImages(cluster, 4); }));
  CHECK(cluster.Image(1)->topic_count() == 120);
  // M-40: its snapshots have the set of voters that it is in.
  cluster.Crash(joiner);
  REQUIRE(cluster.Start(joiner).ok());
  CHECK(Describe(cluster, joiner).is_voter);
  CHECK(cluster.Voters(joiner) == std::vector<int>{1, 2, 3, 4});
}

}  // namespace
}  // namespace quorate::node
