// Real processes that are killed and restarted: what was acknowledged stays, and a majority is enough.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cluster/cluster.h"
#include "quorate/status.h"
#include "quorate/system.h"
#include "support/catch.h"
#include "support/wait.h"

namespace quorate::testing {
namespace {

std::vector<int> Others(int id) {
  std::vector<int> others;
  for (int other = 1; other <= 3; ++other) {
    if (other != id) others.push_back(other);
  }
  return others;
}

void StartAll(Cluster* cluster) {
  for (int id = 1; id <= 3; ++id) cluster->Start(id);
  INFO(ReadText(cluster->log(1)));
  REQUIRE(cluster->WaitUntilInService({1, 2, 3}));
}

#define REQUIRE_CREATED(expression)    \
  do {                                 \
    absl::Status status_ = expression; \
    INFO(status_.ToString());          \
    REQUIRE(status_.ok());             \
  } while (false)

TEST_CASE("Any two of three are enough, one is not, and nothing acknowledged is lost", "[cluster]") {
  Cluster cluster;
  StartAll(&cluster);
  REQUIRE_CREATED(cluster.Create("before", {1, 2, 3}, absl::Seconds(20), 3));

  for (int victim = 1; victim <= 3; ++victim) {
    CAPTURE(victim);
    cluster.Kill(victim);
    REQUIRE_CREATED(cluster.CreateThroughFailover(absl::StrCat("first-without-", victim), Others(victim)));
    // Through each survivor alone: whichever isn't the controller passes the request on.
    for (int through : Others(victim)) {
      REQUIRE_CREATED(cluster.Create(absl::StrCat("without-", victim, "-through-", through), {through}));
    }
    cluster.Start(victim);
    REQUIRE(cluster.WaitUntilInService({1, 2, 3}));
    REQUIRE(cluster.MissingTopics({victim}).empty());
  }
}

TEST_CASE("One of three refuses writes within their deadline and says why, then recovers", "[cluster]") {
  Cluster cluster;
  StartAll(&cluster);
  REQUIRE_CREATED(cluster.Create("before", {1, 2, 3}));
  const int survivor = cluster.WaitForLeader().value();
  REQUIRE(survivor > 0);
  for (int id : Others(survivor)) cluster.Kill(id);

  Clock* clock = SystemClock();
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Instant began = clock->Now();
    const absl::Status refused = cluster.Create(absl::StrCat("alone-", attempt), {survivor}, absl::Seconds(3));
    const absl::Duration took = clock->Now() - began;
    INFO(refused.ToString());
    CHECK_FALSE(refused.ok());
    CHECK(took < absl::Seconds(5));
    CHECK(IsRetriable(refused));
    CHECK_FALSE(refused.message().empty());
    const Reason reason = ReasonOf(refused);
    CHECK((reason == Reason::kNoLeader || reason == Reason::kDeadlineExceeded || reason == Reason::kLeadershipLost));
  }
  CHECK(cluster.running(survivor));

  const int back = Others(survivor).front();
  cluster.Start(back);
  REQUIRE_CREATED(cluster.Create("after", {survivor}, absl::Seconds(30)));
  cluster.Start(Others(survivor).back());
  REQUIRE(cluster.WaitUntilInService({1, 2, 3}));
  CHECK(cluster.MissingTopics({1, 2, 3}).empty());
}

TEST_CASE("All three killed at once come back with everything that was acknowledged", "[cluster]") {
  Cluster cluster;
  StartAll(&cluster);
  for (int i = 0; i < 20; ++i) REQUIRE_CREATED(cluster.Create(absl::StrCat("topic-", i), {1 + i % 3}));
  for (int round = 0; round < 2; ++round) {
    for (int id = 1; id <= 3; ++id) cluster.process(id)->Signal(SIGKILL);
    for (int id = 1; id <= 3; ++id) cluster.Kill(id);
    StartAll(&cluster);
    CHECK(cluster.MissingTopics({1, 2, 3}).empty());
    REQUIRE_CREATED(cluster.Create(absl::StrCat("round-", round), {1, 2, 3}, absl::Seconds(20), 3));
  }
}

TEST_CASE("Leaders that are killed one after the other are replaced", "[cluster]") {
  Cluster cluster;
  StartAll(&cluster);
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    const int leader = cluster.WaitForLeader().value();
    REQUIRE(leader > 0);
    cluster.process(leader)->Signal(SIGKILL);
    REQUIRE_CREATED(cluster.CreateThroughFailover(absl::StrCat("failover-", round), Others(leader)));
    cluster.Kill(leader);
    CHECK(cluster.WaitForLeader().value() != leader);
    cluster.Start(leader);
    REQUIRE(cluster.WaitUntilInService({1, 2, 3}));
  }
  CHECK(cluster.MissingTopics({1, 2, 3}).empty());
}

TEST_CASE("A broker that dies loses its leaderships, and gets back into service", "[cluster]") {
  Cluster cluster;
  StartAll(&cluster);
  REQUIRE_CREATED(cluster.Create("replicated", {1, 2, 3}, absl::Seconds(20), 3));
  const auto describe = [&](int through) {
    auto topics = cluster.Admin({through})->DescribeTopics(std::vector<std::string>{"replicated"});
    REQUIRE(topics.ok());
    REQUIRE(topics->front().partitions.size() == 1);
    return topics->front().partitions.front();
  };
  const int leader = describe(1).leader.value();
  REQUIRE(leader > 0);
  const int survivor = Others(leader).front();
  cluster.Kill(leader);
  const bool moved = WaitUntil(
      [&] {
        const PartitionDescription now = describe(survivor);
        return now.leader != kNoNode && now.leader.value() != leader && now.isr.size() == 2;
      },
      absl::Seconds(30));
  CHECK(moved);
  CHECK(describe(survivor).replicas.size() == 3);
  cluster.Start(leader);
  CHECK(cluster.WaitUntilInService({1, 2, 3}));
}

TEST_CASE("SIGTERM stops a node in order, with exit code 0, and the others go on", "[cluster]") {
  Cluster cluster;
  StartAll(&cluster);
  REQUIRE_CREATED(cluster.Create("before", {1, 2, 3}));
  const int leader = cluster.WaitForLeader().value();
  REQUIRE(leader > 0);
  auto end = cluster.Stop(leader);
  INFO(ReadText(cluster.log(leader)));
  REQUIRE(end);
  CHECK(end->signal == 0);
  CHECK(end->exit_code == 0);
  REQUIRE_CREATED(cluster.Create("after", Others(leader)));
  for (int id : Others(leader)) {
    end = cluster.Stop(id);
    REQUIRE(end);
    CHECK(end->signal == 0);
  }
  StartAll(&cluster);
  CHECK(cluster.MissingTopics({1, 2, 3}).empty());
}

}  // namespace
}  // namespace quorate::testing
