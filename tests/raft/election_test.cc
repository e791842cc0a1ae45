// Elections of whole quorums under virtual time: how long they take, and that broken links and restarts disturb nobody.
#include <algorithm>

#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

const std::vector<std::string> kNone;

bool Settle(CoreCluster& cluster) {
  return cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(15));
}

TEST_CASE("three voters elect a leader, which commits its own record") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(2)));
  CHECK(cluster.committed() == Offset(3));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("a sole voter leads after two syncs, without waiting for a timer") {
  CoreCluster cluster({.voters = 1});
  cluster.StartAll();
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Milliseconds(2)));
  CHECK(cluster.committed() == Offset(3));
  cluster.RunFor(absl::Seconds(60));
  CHECK(cluster.core(1).epoch() == Epoch(1));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("voters that are started together don't wait for a timeout, nor do those that are started again") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    INFO("seed " << seed);
    CoreCluster cluster({.voters = seed % 2 == 0 ? 3 : 5, .seed = seed});
    cluster.StartAll();
    REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Milliseconds(120)));
    cluster.RunFor(absl::Seconds(1));
    const Epoch before = cluster.core(1).epoch();
    for (int id = 1; id <= (seed % 2 == 0 ? 3 : 5); ++id) cluster.Crash(id);
    cluster.RunFor(absl::Seconds(1));
    cluster.StartAll();
    REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Milliseconds(120)));
    CHECK(cluster.core(1).epoch() > before);
    CHECK(cluster.violations() == kNone);
  }
}

TEST_CASE("a crashed leader is replaced within a few round trips and syncs") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const Instant crash = cluster.now();
  cluster.Crash(cluster.Leader());
  REQUIRE(Settle(cluster));
  CHECK(cluster.now() - crash < absl::Milliseconds(6));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("failovers stay fast when network and disks are uneven") {
  std::vector<absl::Duration> times;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CoreCluster cluster({.voters = seed % 2 == 0 ? 3 : 5,
                         .seed = seed,
                         .delay_min = absl::Microseconds(50),
                         .delay_max = absl::Microseconds(500),
                         .disk = absl::Microseconds(500),
                         .disk_max = absl::Milliseconds(4)});
    cluster.StartAll();
    REQUIRE(Settle(cluster));
    const Instant crash = cluster.now();
    const int old_leader = cluster.Leader();
    cluster.Crash(old_leader);
    REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Settled(); }, absl::Seconds(5)));
    times.push_back(cluster.now() - crash);
    REQUIRE(cluster.violations() == kNone);
  }
  std::sort(times.begin(), times.end());
  INFO("median " << times[100] << ", slowest " << times.back());
  CHECK(times[100] < absl::Milliseconds(15));
  CHECK(times[180] < absl::Milliseconds(40));
  CHECK(times.back() < absl::Milliseconds(500));
}

// A slow disk can outlast the time that the other one gives way. Then both vote for themselves, and the third vote,
// which could still decide it, is the dead leader's: nobody waits for that.
TEST_CASE("a split vote of the survivors costs a short backoff, not the election timeout") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    // Half of the leaders vanish: their connections don't break, they only fall silent.
    const bool vanishes = seed % 2 == 0;
    CoreCluster cluster({.seed = seed, .announce_crashes = !vanishes});
    cluster.StartAll();
    REQUIRE(Settle(cluster));
    if (vanishes) cluster.RunFor(absl::Seconds(1));
    const absl::Duration noticed = vanishes ? absl::Milliseconds(160) : absl::ZeroDuration();
    const int old_leader = cluster.Leader();
    const Instant crash = cluster.now();
    cluster.Crash(old_leader);
    const auto candidates = [&] {
      std::vector<int> ids;
      for (int id = 1; id <= 3; ++id) {
        if (cluster.alive(id) && cluster.core(id).role() == ReplicaRole::kCandidate) ids.push_back(id);
      }
      return ids;
    };
    REQUIRE(cluster.RunUntil([&] { return !candidates().empty(); }, noticed + absl::Milliseconds(10)));
    const int slow = candidates().front();
    cluster.HoldStores(slow, true);
    REQUIRE(cluster.RunUntil([&] { return candidates().size() == 2; }, absl::Milliseconds(30)));
    cluster.HoldStores(slow, false);
    REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Settled(); }, absl::Seconds(5)));
    CHECK(cluster.now() - crash < noticed + absl::Milliseconds(80));
    CHECK(cluster.violations() == kNone);
  }
}

// Who gives way has to give way for a round trip as it is there, or both ask the dead third for the vote that decides.
TEST_CASE("across regions, two survivors seldom split their votes, and never wait for an election timeout") {
  int splits = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    const bool vanishes = seed % 2 == 0;
    CoreCluster cluster({.seed = seed,
                         .delay_min = absl::Milliseconds(18),
                         .delay_max = absl::Milliseconds(22),
                         .announce_crashes = !vanishes});
    cluster.StartAll();
    REQUIRE(Settle(cluster));
    if (vanishes) cluster.RunFor(absl::Seconds(1));
    const int old_leader = cluster.Leader();
    const Epoch old_epoch = cluster.core(old_leader).epoch();
    const Instant crash = cluster.now();
    cluster.Crash(old_leader);
    REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Settled(); }, absl::Seconds(5)));
    splits += cluster.core(cluster.Leader()).epoch() - old_epoch > 1 ? 1 : 0;
    CHECK(cluster.now() - crash < absl::Milliseconds(vanishes ? 600 : 450));
    CHECK(cluster.violations() == kNone);
  }
  CHECK(splits <= 5);
}

TEST_CASE("a voter that was refused asks again when the others have waited half of their patience") {
  // Node 1's patience is the shortest; those of the others, which know nothing yet of the leader's rhythm, the longest.
  CoreCluster cluster({.announce_crashes = false});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int leader = cluster.Leader();
  const int quick = leader == 1 ? 2 : 1;
  const int slow = 6 - leader - quick;
  cluster.RunFor(absl::Seconds(1));
  cluster.Crash(slow);
  cluster.Start(slow);
  REQUIRE(Settle(cluster));
  REQUIRE(cluster.core(quick).silence_timeout() == absl::Milliseconds(150));
  REQUIRE(cluster.core(slow).silence_timeout() == absl::Milliseconds(600));
  const Instant crash = cluster.now();
  cluster.Crash(leader);
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Settled(); }, absl::Seconds(5)));
  CHECK(cluster.now() - crash < absl::Milliseconds(400));
  CHECK(cluster.violations() == kNone);
}

// A connection has two ends and there are two of them: what the dead leader sent on its own may be read after
// ours to it broke.
TEST_CASE("late words of a dead leader don't bring it back to life") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int old_leader = cluster.Leader();
  Message late;
  late.cluster_id = cluster.cluster_id();
  late.from = cluster.key(old_leader);
  late.from_incarnation = cluster.incarnation(old_leader);
  late.request_incarnation = late.from_incarnation;
  late.request_id = 1'000'000;
  late.body = BeginEpochRequest{cluster.core(old_leader).epoch(), {}};
  const Instant crash = cluster.now();
  cluster.Crash(old_leader);
  cluster.RunFor(absl::Microseconds(150));  // both have noticed
  for (int id = 1; id <= 3; ++id) {
    if (id == old_leader) continue;
    REQUIRE(cluster.core(id).role() == ReplicaRole::kProspective);
    late.to = cluster.key(id);
    cluster.Inject(id, late);
  }
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Settled(); }, absl::Seconds(5)));
  CHECK(cluster.now() - crash < absl::Milliseconds(150));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("a candidate that dies with the others' votes isn't waited for") {
  CoreCluster cluster({.voters = 5});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  cluster.Crash(cluster.Leader());
  int candidate = 0;
  const auto voted = [&] {
    for (int id = 1; id <= 5; ++id) {
      if (!cluster.alive(id) || cluster.stored(id)->epoch != Epoch(2)) continue;
      const NodeId vote = cluster.stored(id)->voted_for.id;
      if (vote != kNoNode && vote != NodeId(id)) candidate = vote.value();
    }
    return candidate != 0;
  };
  REQUIRE(cluster.RunUntil(voted, absl::Milliseconds(100)));
  REQUIRE(cluster.core(candidate).role() == ReplicaRole::kCandidate);
  const Instant crash = cluster.now();
  cluster.Crash(candidate);
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0 && cluster.Settled(); }, absl::Seconds(5)));
  CHECK(cluster.now() - crash < absl::Milliseconds(100));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("a silent leader is replaced after the fetch timeout") {
  CoreCluster cluster({.announce_crashes = false});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const Instant crash = cluster.now();
  cluster.Crash(cluster.Leader());
  REQUIRE(Settle(cluster));
  CHECK(cluster.now() - crash > absl::Milliseconds(400));
  CHECK(cluster.now() - crash < absl::Milliseconds(800));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("a leader that leaves hands over to the best successor at once, and may come back") {
  CoreCluster cluster({.voters = 5});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int old_leader = cluster.Leader();
  const Instant left = cluster.now();
  cluster.Do(old_leader, [](Core& core, Instant now) { core.Resign(now, /*shutting_down=*/true); });
  CHECK(cluster.core(old_leader).handing_over());
  REQUIRE(cluster.RunUntil([&] { return cluster.Leader() != 0; }, absl::Seconds(1)));
  CHECK(cluster.now() - left < absl::Milliseconds(5));
  REQUIRE(Settle(cluster));
  CHECK_FALSE(cluster.core(old_leader).handing_over());
  CHECK(cluster.core(cluster.Leader()).epoch() == Epoch(2));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("F-N03, F-N04: whatever links of three nodes are cut, nothing breaks, epochs stay low, and it heals") {
  const std::pair<int, int> links[] = {{1, 2}, {2, 1}, {1, 3}, {3, 1}, {2, 3}, {3, 2}};
  for (unsigned mask = 0; mask < 64; ++mask) {
    CoreCluster cluster({.seed = mask + 1});
    cluster.StartAll();
    REQUIRE(Settle(cluster));
    for (unsigned bit = 0; bit < 6; ++bit) {
      if ((mask >> bit) % 2 != 0) cluster.CutLink(links[bit].first, links[bit].second);
    }
    cluster.RunFor(absl::Seconds(20));
    INFO("mask " << mask);
    Epoch highest;
    for (int id = 1; id <= 3; ++id) highest = std::max(highest, cluster.core(id).epoch());
    // A pre-vote needs both ways to one other voter: a node that is cut off one way raises nobody's epoch.
    CHECK(highest <= Epoch(6));
    // P5: where two nodes reach each other both ways and a leader can come from them, there is one.
    const auto both = [&](unsigned a, unsigned b) { return (mask >> a) % 2 == 0 && (mask >> b) % 2 == 0; };
    if (both(0, 1) && both(2, 3) && both(4, 5)) CHECK(cluster.Settled());
    cluster.HealLinks();
    REQUIRE(Settle(cluster));
    CHECK(cluster.violations() == kNone);
  }
}

TEST_CASE("F-N02: a cut-off follower comes back without an election") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int leader = cluster.Leader();
  const int cut = leader == 1 ? 2 : 1;
  cluster.Isolate(cut);
  cluster.RunFor(absl::Seconds(10));
  CHECK(cluster.Leader() == leader);
  REQUIRE(cluster.Propose(leader, "meanwhile").ok());
  cluster.HealLinks();
  REQUIRE(Settle(cluster));
  CHECK(cluster.core(leader).epoch() == Epoch(1));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("F-N02: a cut-off leader resigns and serves nothing; the others go on") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int old_leader = cluster.Leader();
  cluster.Isolate(old_leader);
  REQUIRE(cluster.Propose(old_leader, "never committed").ok());
  const uint64_t read = cluster.Read(old_leader);
  cluster.RunFor(absl::Seconds(3));
  CHECK(cluster.core(old_leader).role() != ReplicaRole::kLeader);
  REQUIRE(cluster.ReadResult(read).has_value());
  CHECK_FALSE(cluster.ReadResult(read)->ok());
  REQUIRE(cluster.Leader() != 0);
  REQUIRE(cluster.Propose(cluster.Leader(), "committed").ok());
  cluster.HealLinks();
  REQUIRE(Settle(cluster));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("all voters restart at once, again and again, and lose nothing") {
  CoreCluster cluster({.seed = 5});
  cluster.StartAll();
  for (int round = 0; round < 10; ++round) {
    REQUIRE(Settle(cluster));
    REQUIRE(cluster.Propose(cluster.Leader(), "x").ok());
    cluster.RunFor(absl::Microseconds(300 * round));
    for (int id = 1; id <= 3; ++id) cluster.Crash(id);
    for (int id = 1; id <= 3; ++id) cluster.Start(id);
  }
  REQUIRE(Settle(cluster));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("M-01: while election state can't be stored, nobody hears of the new epoch") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int leader = cluster.Leader();
  for (int id = 1; id <= 3; ++id) {
    if (id != leader) cluster.HoldStores(id, true);
  }
  cluster.Crash(leader);
  cluster.RunFor(absl::Seconds(2));
  CHECK(cluster.Leader() == 0);
  for (int id = 1; id <= 3; ++id) {
    if (id != leader) cluster.HoldStores(id, false);
  }
  REQUIRE(Settle(cluster));
  CHECK(cluster.violations() == kNone);
}

TEST_CASE("F-P11: a voter whose disk was rolled back under a running leader stops itself; the others go on") {
  CoreCluster cluster({});
  cluster.StartAll();
  REQUIRE(Settle(cluster));
  const int leader = cluster.Leader();
  const int victim = leader == 1 ? 2 : 1;
  for (int i = 0; i < 5; ++i) REQUIRE(cluster.Propose(leader, "x").ok());
  REQUIRE(Settle(cluster));
  cluster.Crash(victim);
  cluster.RollBack(victim, 3);
  cluster.Start(victim);
  REQUIRE(cluster.RunUntil([&] { return cluster.halted(victim).has_value(); }, absl::Seconds(2)));
  REQUIRE(cluster.Propose(leader, "y").ok());
  cluster.RunFor(absl::Milliseconds(50));
  CHECK(cluster.core(leader).high_watermark() == cluster.core(leader).log_end().end);
  CHECK(cluster.violations() == kNone);
}

}  // namespace
}  // namespace quorate::raft
