#include "stability.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sim_cluster.h"

namespace quorate::bench {
namespace {

struct Count {
  uint64_t elections = 0;
  uint64_t suspicions = 0;
  absl::Duration longest_patience;
};

// Writes come in bursts with idle stretches in between: a rhythm that changes is what catches a detector out.
absl::StatusOr<Count> RunCell(const World& world, int voters, const StabilityOptions& options) {
  SimOptions sim;
  sim.voters = voters;
  sim.seed = options.seed;
  sim.world = world;
  SimCluster cluster(sim);
  if (!cluster.RunUntil([&] { return cluster.Steady(); }, absl::Seconds(60))) {
    return absl::DeadlineExceededError(absl::StrCat("no leader in a ", world.caption, " after a minute"));
  }
  const Epoch first = cluster.NewestEpoch();
  const uint64_t suspicions = cluster.suspicions();
  const Instant end = cluster.now() + options.span;
  const std::string record(100, 'r');
  Count count;
  while (cluster.now() < end && !options.cancelled->load()) {
    const bool burst = Uniform(cluster.random()) < 0.5;
    for (int i = 0; burst && i < 200; ++i) {
      if (const NodeId leader = cluster.ActiveLeader(); leader != kNoNode) cluster.Propose(leader, record);
      cluster.RunFor(absl::Milliseconds(20 * Uniform(cluster.random())));
    }
    if (!burst) cluster.RunFor(absl::Seconds(10 * Uniform(cluster.random())));
    if (!cluster.fault().ok()) return cluster.fault();
    for (int id = 1; id <= voters; ++id) {
      count.longest_patience = std::max(count.longest_patience, cluster.core(NodeId(id))->silence_timeout());
    }
  }
  count.elections = static_cast<uint64_t>(cluster.NewestEpoch() - first);
  count.suspicions = cluster.suspicions() - suspicions;
  return count;
}

}  // namespace

absl::StatusOr<uint64_t> RunStability(const StabilityOptions& options, Results* results) {
  Table table{
      "stability",
      absl::StrCat("Nobody dies for ", absl::FormatDuration(options.span),
                   " of virtual time: every election is needless. A suspicion that the others don't share costs "
                   "a round of pre-votes"),
      {"network, voters", "needless elections", "suspicions", "longest patience ms"},
      {}};
  uint64_t needless = 0;
  for (const World& world : {Lan(), BusyLan(), Wan()}) {
    for (int voters : {3, 5}) {
      absl::FPrintF(stderr, "\r  stability: %s, %d voters   ", world.caption, voters);
      absl::StatusOr<Count> count = RunCell(world, voters, options);
      if (!count.ok()) return count.status();
      if (options.cancelled->load()) return absl::CancelledError("stopped by a signal");
      needless += count->elections;
      table.rows.push_back({absl::StrCat(world.caption, ", ", voters), count->elections, count->suspicions,
                            absl::ToDoubleMilliseconds(count->longest_patience)});
      const std::string prefix = absl::StrCat("election.stability.", world.name, ".", voters, ".");
      results->figures[prefix + "needless_elections"] = static_cast<double>(count->elections);
      results->figures[prefix + "suspicions"] = static_cast<double>(count->suspicions);
    }
  }
  absl::FPrintF(stderr, "\n");
  results->tables.push_back(std::move(table));
  return needless;
}

}  // namespace quorate::bench
