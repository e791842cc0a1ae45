// The voter set changes while writes go on: whole nodes under virtual time. The rules themselves are tested on cores
// (tests/raft); here it is files, transports, callbacks and nodes that come later.

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorum/background_writer.h"
#include "quorum/quorum_cluster.h"
#include "support/catch.h"

namespace quorate::quorum {
namespace {

std::vector<int> VotersOf(QuorumCluster& cluster, int id) {
  std::vector<int> ids;
  for (const ReplicaStatus& voter : cluster.At(id).node->Describe().voters) ids.push_back(voter.key.id.value());
  return ids;
}

// Calls until it ends otherwise than with something that passes: a change asked of a leader that just lost it.
absl::Status Until(QuorumCluster& cluster, absl::FunctionRef<absl::Status(int leader)> change) {
  absl::Status status;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const int leader = cluster.AwaitLeader();
    REQUIRE(leader != 0);
    status = change(leader);
    if (status.ok() || !IsRetriable(status)) return status;
    cluster.executor().RunFor(absl::Milliseconds(200));
  }
  return status;
}

void MustAdd(QuorumCluster& cluster, int id) {
  const absl::Status added = Until(cluster, [&](int leader) { return cluster.AddVoter(leader, id); });
  INFO("add " << id << ": " << added);
  REQUIRE(added.ok());
}

void MustRemove(QuorumCluster& cluster, ReplicaKey key) {
  const absl::Status removed = Until(cluster, [&](int leader) { return cluster.RemoveVoter(leader, key); });
  INFO("remove " << key.ToString() << ": " << removed);
  REQUIRE(removed.ok());
}

void CheckAccount(QuorumCluster& cluster, const BackgroundWriter& writer, std::vector<int> ids) {
  const int64_t least = writer.acknowledged();
  for (int id : ids) {
    INFO("node " << id << ", acknowledged " << least << ", unknown " << writer.unknown());
    CHECK(cluster.Await([&] { return cluster.At(id).machine->sum >= least; }));
    CHECK(cluster.At(id).machine->sum <= least + writer.unknown());
    CHECK(cluster.At(id).fault.ok());
  }
}

TEST_CASE("1 -> 3 -> 5 -> 3 voters, under writes (M-32 to M-37)", "[quorum][membership]") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    INFO("seed " << seed);
    QuorumCluster cluster(1, seed);
    cluster.StartAll();
    REQUIRE(cluster.AwaitLeader() == 1);
    BackgroundWriter writer(&cluster);
    for (int id = 2; id <= 5; ++id) {
      REQUIRE(cluster.AddMember() == id);
      REQUIRE(cluster.Start(id).ok());
      MustAdd(cluster, id);
    }
    REQUIRE(cluster.Await([&] { return VotersOf(cluster, 5) == std::vector<int>{1, 2, 3, 4, 5}; }));
    // Two of five may go down, and it goes on.
    const int leader = cluster.AwaitLeader();
    std::vector<int> others;
    for (int id = 1; id <= 5; ++id) {
      if (id != leader) others.push_back(id);
    }
    cluster.Crash(others[0]);
    cluster.Crash(others[1]);
    const int64_t before = writer.acknowledged();
    REQUIRE(cluster.Await([&] { return writer.acknowledged() > before + 10; }));
    MustRemove(cluster, cluster.At(others[0]).key);
    MustRemove(cluster, cluster.At(others[1]).key);
    REQUIRE(cluster.Await([&] { return VotersOf(cluster, others[3]).size() == 3; }));
    const int64_t after = writer.acknowledged();
    REQUIRE(cluster.Await([&] { return writer.acknowledged() > after + 10; }));
    writer.Stop();
    CheckAccount(cluster, writer, {leader, others[2], others[3]});
    CHECK(writer.longest_gap() < absl::Seconds(2));
    // A removed node that comes back follows, and doesn't disturb (M-36).
    const Epoch epoch = cluster.At(leader).node->Describe().epoch;
    REQUIRE(cluster.Start(others[0]).ok());
    cluster.executor().RunFor(absl::Seconds(5));
    CHECK(cluster.At(cluster.AwaitLeader()).node->Describe().epoch == epoch);
    CHECK_FALSE(cluster.At(others[0]).node->Describe().is_voter);
  }
}

TEST_CASE("a wiped disk is replaced: the old replica leaves, the new one joins (M-37, F-D16)", "[quorum][membership]") {
  QuorumCluster cluster(3);
  cluster.adjust = [](QuorumOptions& options) { options.snapshots.log_bytes = 2000; };
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  BackgroundWriter writer(&cluster);
  REQUIRE(cluster.Await([&] { return writer.acknowledged() > 50; }));
  const int victim = leader == 3 ? 2 : 3;
  const ReplicaKey old_key = cluster.At(victim).key;
  cluster.Crash(victim);
  cluster.ReplaceDisk(victim);
  REQUIRE(cluster.At(victim).key != old_key);
  REQUIRE(cluster.Start(victim).ok());
  // As long as the old one is a voter, the new one isn't.
  REQUIRE(cluster.Await([&] { return cluster.At(victim).machine->sum > 40; }));
  CHECK_FALSE(cluster.At(victim).node->Describe().is_voter);
  CHECK(ReasonOf(cluster.AddVoter(leader, victim)) == Reason::kVoterExists);
  MustRemove(cluster, old_key);
  MustAdd(cluster, victim);
  REQUIRE(cluster.Await([&] { return cluster.At(victim).node->Describe().is_voter; }));
  CHECK_FALSE(cluster.At(victim).machine->loads.empty());  // the log didn't reach back to the beginning any more
  // It counts: with it and without the third one, writes go on.
  const int third = 6 - leader - victim;
  cluster.Crash(third);
  const int64_t before = writer.acknowledged();
  REQUIRE(cluster.Await([&] { return writer.acknowledged() > before + 10; }));
  writer.Stop();
  CheckAccount(cluster, writer, {leader, victim});
}

TEST_CASE("a leader that is removed leads until that is committed, then steps down (M-35)", "[quorum][membership]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  BackgroundWriter writer(&cluster);
  REQUIRE(cluster.Await([&] { return writer.acknowledged() > 10; }));
  const absl::Status removed = cluster.RemoveVoter(leader, cluster.At(leader).key);
  INFO(removed);
  REQUIRE(removed.ok());
  REQUIRE(cluster.Await([&] { return cluster.Leader() != leader && cluster.Leader() != 0; }));
  const int64_t before = writer.acknowledged();
  REQUIRE(cluster.Await([&] { return writer.acknowledged() > before + 10; }));
  writer.Stop();
  CHECK(writer.longest_gap() < absl::Seconds(2));
  const int next = cluster.Leader();
  CHECK(VotersOf(cluster, next).size() == 2);
  CHECK_FALSE(cluster.At(leader).node->Describe().is_voter);
  CheckAccount(cluster, writer, {1, 2, 3});  // it goes on as an observer
}

TEST_CASE("voter changes are idempotent, and each refusal has its reason", "[quorum][membership]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int other = leader == 1 ? 2 : 1;
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  // What is so already.
  CHECK(cluster.AddVoter(leader, other).ok());
  // Elsewhere than on the leader.
  const absl::Status elsewhere = cluster.AddVoter(other, leader);
  CHECK(ReasonOf(elsewhere) == Reason::kNotLeader);
  REQUIRE(LeaderHintFrom(elsewhere).has_value());
  CHECK(LeaderHintFrom(elsewhere)->id == NodeId(leader));
  // Nobody there.
  CHECK(ReasonOf(cluster.RemoveVoter(leader, {NodeId(9), DirectoryId(Uuid(5, 9))})) == Reason::kVoterNotFound);
  // What makes no sense.
  CHECK(ReasonOf(cluster.RemoveVoter(leader, {NodeId(-1), DirectoryId(Uuid(5, 9))})) == Reason::kInvalidArgument);
  CHECK(ReasonOf(cluster.RemoveVoter(leader, {NodeId(2), DirectoryId()})) == Reason::kInvalidArgument);
  VoterChangeOptions options;
  options.timeout = absl::ZeroDuration();
  CHECK(ReasonOf(cluster.RemoveVoter(leader, cluster.At(other).key, options)) == Reason::kInvalidArgument);
  // A node that isn't there can't be probed: an end, by the deadline, and nothing changed (F-N15).
  const int absent = cluster.AddMember();
  options.timeout = absl::Seconds(2);
  const absl::Status added = cluster.AddVoter(leader, absent, options);
  INFO(added);
  CHECK_FALSE(added.ok());
  CHECK(OutcomeOf(added) == Outcome::kNotApplied);
  CHECK(VotersOf(cluster, leader).size() == 3);
  CHECK_FALSE(cluster.At(leader).node->Describe().voter_change.has_value());
}

TEST_CASE("a sole voter without an endpoint takes no second one, before it has made known where it is",
          "[quorum][membership]") {
  QuorumCluster cluster(1);
  bool hidden = true;
  cluster.adjust = [&](QuorumOptions& options) {
    if (options.self.id != NodeId(1)) return;
    for (Voter& voter : options.initial_voters) voter.endpoints.clear();
    if (hidden) options.advertised_endpoints.clear();
  };
  cluster.StartAll();
  REQUIRE(cluster.AwaitLeader() == 1);
  REQUIRE(cluster.Propose(1, {"1"}).ok());
  const int id = cluster.AddMember();
  REQUIRE(cluster.Start(id).ok());
  for (const bool dry_run : {true, false}) {
    VoterChangeOptions options;
    options.dry_run = dry_run;
    const absl::Status refused = cluster.AddVoter(1, id, options);
    CHECK(ReasonOf(refused) == Reason::kNoEndpoint);
    CHECK(OutcomeOf(refused) == Outcome::kNotApplied);
  }
  CHECK(VotersOf(cluster, 1).size() == 1);

  // Restarted with an endpoint, it says so in its log by itself; an addition waits until that is committed.
  hidden = false;
  cluster.Crash(1);
  REQUIRE(cluster.Start(1).ok());
  MustAdd(cluster, id);
  CHECK(VotersOf(cluster, id) == std::vector<int>{1, id});
  const std::vector<ReplicaStatus> voters = cluster.At(1).node->Describe().voters;
  CHECK(voters.front().endpoints == std::vector<Endpoint>{cluster.At(1).endpoint});
  // Each finds the other after a power failure.
  cluster.CrashAll();
  for (int each : {1, id}) REQUIRE(cluster.Start(each).ok());
  const int leader = cluster.AwaitLeader();
  REQUIRE(leader != 0);
  CHECK(cluster.Propose(leader, {"1"}).ok());
}

TEST_CASE("a dry run says whether it is safe, and changes nothing", "[quorum][membership]") {
  QuorumCluster cluster(3);
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int other = leader == 1 ? 2 : 1;
  const int third = 6 - leader - other;
  REQUIRE(cluster.Propose(leader, {"1"}).ok());
  VoterChangeOptions options;
  options.dry_run = true;
  CHECK(cluster.RemoveVoter(leader, cluster.At(other).key, options).ok());
  cluster.Crash(third);
  cluster.executor().RunFor(absl::Seconds(2));
  // Without `other` only the leader and the dead one would be left.
  CHECK(ReasonOf(cluster.RemoveVoter(leader, cluster.At(other).key, options)) == Reason::kUnsafeChange);
  CHECK(cluster.RemoveVoter(leader, cluster.At(third).key, options).ok());
  CHECK(VotersOf(cluster, leader).size() == 3);
}

TEST_CASE("a node that may join by itself does, and a removed one doesn't (KIP-1186, M-36)", "[quorum][membership]") {
  QuorumCluster cluster(3);
  cluster.adjust = [](QuorumOptions& options) { options.auto_join = true; };
  cluster.StartAll();
  const int leader = cluster.AwaitLeader();
  const int newcomer = cluster.AddMember();
  REQUIRE(cluster.Start(newcomer).ok());
  REQUIRE(cluster.Await([&] { return cluster.At(newcomer).node->Describe().is_voter; }));
  MustRemove(cluster, cluster.At(newcomer).key);
  cluster.executor().RunFor(absl::Seconds(30));
  CHECK_FALSE(cluster.At(newcomer).node->Describe().is_voter);
  cluster.Crash(newcomer);
  REQUIRE(cluster.Start(newcomer).ok());
  cluster.executor().RunFor(absl::Seconds(30));
  CHECK_FALSE(cluster.At(newcomer).node->Describe().is_voter);
  MustAdd(cluster, newcomer);  // a person may
  CHECK(VotersOf(cluster, leader).size() == 4);
}

}  // namespace
}  // namespace quorate::quorum
