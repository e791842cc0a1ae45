// Hundreds of random lives of a quorum: lossy links, slow disks, crashes, restarts, pauses, cuts, reads and writes, the
// referee watching every event (I-01 … I-16, I-20, I-24); then the faults end and the quorum must recover (I-26).
#include "absl/strings/str_cat.h"
#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

struct Plan {
  ClusterOptions options;
  int steps = 60;
  bool churn = false;  // of voters
};

Plan MakePlan(uint64_t seed) {
  Xoshiro random(seed * 7919);
  Plan plan;
  ClusterOptions& o = plan.options;
  o.seed = seed;
  o.voters = static_cast<int>(1 + random.Below(5));
  o.observers = static_cast<int>(random.Below(2));
  plan.churn = random.Below(2) == 0;
  o.spares = plan.churn ? static_cast<int>(1 + random.Below(3)) : 0;
  o.auto_join = random.Below(4) == 0;
  if (random.Below(3) == 0) {
    for (int i = 0; i < o.voters + o.observers + o.spares; ++i) {
      o.priorities.push_back(static_cast<uint8_t>(1 + random.Below(kPriorityMax)));
    }
  }
  o.delay_max = absl::Microseconds(100 + random.Below(20'000));
  o.disk_max = absl::Microseconds(1000 + random.Below(15'000));
  o.drop_permille = static_cast<int>(random.Below(3) * 60);
  o.duplicate_permille = static_cast<int>(random.Below(3) * 60);
  o.announce_crashes = random.Below(2) == 0;
  o.tail_cache_bytes = random.Below(2) == 0 ? 200 : 1u << 20;
  o.fetch_credit_bytes = random.Below(2) == 0 ? 300 : 1u << 20;
  // Two of three lives take snapshots, some all the time.
  const uint64_t snapshots = random.Below(3);
  o.snapshot_every = static_cast<int>(snapshots * (2 + random.Below(12)));
  o.snapshot_piece = random.Below(2) == 0 ? 60 + random.Below(400) : 1u << 20;
  o.snapshot_bytes_per_second = random.Below(4) == 0 ? 20'000 : 0;
  o.snapshot_fault_permille = static_cast<int>(random.Below(3) * 40);
  return plan;
}

void OneFault(CoreCluster& cluster, Xoshiro& random, int nodes, std::set<int>& paused) {
  const int id = static_cast<int>(1 + random.Below(static_cast<uint64_t>(nodes)));
  const int other = static_cast<int>(1 + random.Below(static_cast<uint64_t>(nodes)));
  switch (random.Below(9)) {
    case 0:
      paused.erase(id);
      if (cluster.alive(id)) cluster.Crash(id);
      return;
    case 1:
    case 2:
      if (!cluster.alive(id)) cluster.Start(id);
      return;
    case 3:
      if (id != other) cluster.CutLink(id, other);
      return;
    case 4:
      cluster.HealLinks();
      return;
    case 5:
      if (cluster.alive(id) && paused.insert(id).second) cluster.Pause(id);
      return;
    case 6:
      for (int p : paused) cluster.Resume(p);
      paused.clear();
      return;
    case 7:
      if (id != other && cluster.alive(id) && cluster.alive(other)) {
        cluster.Disconnect(id, other);
        cluster.Connect(id, other);
      }
      return;
    case 8:
      if (cluster.alive(id)) cluster.Do(id, [](Core& core, Instant now) { core.Resign(now, false); });
      return;
  }
}

// A change of the voters or of the leadership, asked of the leader or of anybody, sensible or not.
void Churn(CoreCluster& cluster, Xoshiro& random, int nodes) {
  const int subject = static_cast<int>(1 + random.Below(static_cast<uint64_t>(nodes)));
  int at = cluster.Leader();
  if (at == 0 || random.Below(4) == 0) at = static_cast<int>(1 + random.Below(static_cast<uint64_t>(nodes)));
  if (!cluster.alive(at)) return;
  const absl::Duration timeout = absl::Milliseconds(1 + random.Below(3000));
  switch (random.Below(7)) {
    case 0:
    case 1:
      cluster.Change(at, cluster.AddOf(subject), timeout);
      return;
    case 2:
    case 3:
      cluster.Change(at, cluster.RemoveOf(subject), timeout);
      return;
    case 4:
      cluster.Change(at, cluster.UpdateOf(subject), timeout, random.Below(2) == 0);
      return;
    case 5:
      cluster.Transfer(at, random.Below(2) == 0 ? std::make_optional(subject) : std::nullopt, timeout);
      return;
    case 6:
      if (cluster.alive(subject)) {
        cluster.Do(subject, [at](Core& core, Instant now) { core.SuspectLeader(now, NodeId(at)); });
      }
      return;
  }
}

// A stopped node comes back somewhere else, or, if it doesn't vote, with a new disk.
void Replace(CoreCluster& cluster, Xoshiro& random, int id) {
  if (cluster.alive(id) || cluster.Leader() == 0) return;
  if (random.Below(2) == 0) return cluster.Move(id);
  if (!cluster.IsVoterAnywhere(id)) cluster.Wipe(id);
}

void Work(CoreCluster& cluster, Xoshiro& random, int nodes, std::vector<uint64_t>* reads) {
  for (int id = 1; id <= nodes; ++id) {
    if (!cluster.alive(id)) continue;
    if (random.Below(2) == 0) (void)cluster.Propose(id, std::string(1 + random.Below(120), 'x'));
    if (random.Below(4) == 0) reads->push_back(cluster.Read(id));
  }
}

std::string Describe(CoreCluster& cluster, int nodes) {
  std::string text;
  for (int id = 1; id <= nodes; ++id) {
    const Core& core = cluster.core(id);
    absl::StrAppend(&text, "node ", id, ": role ", static_cast<int>(core.role()), " epoch ", core.epoch().value(),
                    " leader ", core.leader().id.value(), " log ", core.log_end().end.value(), " of epoch ",
                    core.log_end().epoch.value(), " durable ", core.durable_end().value(), " hw ",
                    core.high_watermark().value(), " log start ", core.log_start().end.value(), " snapshot ",
                    core.snapshot().end.value(), "\n");
    absl::StrAppend(&text, "  at ", cluster.address(id).Address(), " as ", cluster.key(id).directory.value().low(),
                    ", voters");
    for (const Voter& voter : core.voters()) {
      absl::StrAppend(&text, " ", voter.key.id.value(), "/", voter.key.directory.value().low(), "@",
                      voter.endpoints.front().port);
    }
    absl::StrAppend(&text, "\n");
    if (auto halt = cluster.halted(id)) absl::StrAppend(&text, "  halted: ", halt->message(), "\n");
  }
  return text;
}

// What a run of many lives went through: one that changes nothing would test nothing.
struct Totals {
  int changes = 0;
  int transfers = 0;
  int installed = 0;  // lives in which a snapshot took the place of a log
};

void Live(uint64_t seed, Totals& totals) {
  const Plan plan = MakePlan(seed);
  const int nodes = plan.options.voters + plan.options.observers + plan.options.spares;
  Xoshiro random(seed);
  CoreCluster cluster(plan.options);
  std::set<int> paused;
  std::vector<uint64_t> reads;
  cluster.StartAll();
  for (int step = 0; step < plan.steps; ++step) {
    cluster.RunFor(absl::Milliseconds(random.Below(step % 10 == 0 ? 900 : 60)));
    Work(cluster, random, nodes, &reads);
    if (random.Below(3) == 0) OneFault(cluster, random, nodes, paused);
    if (plan.churn && random.Below(2) == 0) Churn(cluster, random, nodes);
    if (plan.churn && random.Below(8) == 0)
      Replace(cluster, random, static_cast<int>(1 + random.Below(static_cast<uint64_t>(nodes))));
  }
  cluster.HealLinks();
  cluster.KeepFormerAddresses();
  for (int p : paused) cluster.Resume(p);
  for (int id = 1; id <= nodes; ++id) {
    if (!cluster.alive(id)) cluster.Start(id);
  }
  INFO("seed " << seed);
  // T_heal of the fault model, rounded up.
  const bool settled = cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(15));
  INFO(Describe(cluster, nodes));
  REQUIRE(cluster.violations() == std::vector<std::string>());
  REQUIRE(settled);
  totals.changes += cluster.ChangesDone();
  totals.transfers += cluster.TransfersDone();
  // Whatever was asked for is answered by now (I-24), and can't disturb any more.
  cluster.RunFor(absl::Seconds(4));
  REQUIRE(cluster.RunUntil([&] { return cluster.Settled(); }, absl::Seconds(15)));
  REQUIRE(cluster.Unanswered() == 0);
  // Stability (I-27): without faults nothing happens, unless messages still get lost.
  const Epoch epoch = cluster.core(cluster.Leader()).epoch();
  cluster.RunFor(absl::Seconds(5));
  if (plan.options.drop_permille == 0) REQUIRE(cluster.core(cluster.Leader()).epoch() == epoch);
  REQUIRE(cluster.violations() == std::vector<std::string>());
  totals.installed += cluster.installed() > 0 ? 1 : 0;
}

TEST_CASE("random lives of a quorum keep every invariant and recover") {
  Totals totals;
  for (uint64_t seed = 1; seed <= 2000; ++seed) Live(seed, totals);
  CHECK(totals.changes > 1000);
  CHECK(totals.transfers > 300);
  CHECK(totals.installed > 200);
}

}  // namespace
}  // namespace quorate::raft
