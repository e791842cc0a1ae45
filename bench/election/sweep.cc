#include "sweep.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sim_cluster.h"
#include "support/samples.h"

namespace quorate::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

struct Cell {
  World world;
  bool noticed = false;  // the crash breaks connections
  absl::Duration silence_min;
  absl::Duration width;  // of the random backoff, at most
};

std::string DeathOf(const Cell& cell) { return cell.noticed ? "crash" : "silent"; }

std::vector<Cell> Grid() {
  const std::vector<int> widths = {1, 10, 50, 300};
  const std::vector<int> minima = {50, 100, 150, 300, 600};
  std::vector<Cell> cells;
  for (const World& world : {Lan(), Wan()}) {
    // A broken connection is noticed without any timeout: only the width can matter.
    for (int width : widths) cells.push_back({world, true, absl::Milliseconds(150), absl::Milliseconds(width)});
    for (int minimum : minima) {
      for (int width : widths) {
        cells.push_back({world, false, absl::Milliseconds(minimum), absl::Milliseconds(width)});
      }
    }
  }
  return cells;
}

absl::Status Stuck(const SimCluster& cluster, absl::string_view what) {
  if (!cluster.fault().ok()) return cluster.fault();
  return absl::DeadlineExceededError(
      absl::StrCat("the virtual run made no progress for ", absl::FormatDuration(kPatience), ": ", what));
}

struct Outcome {
  Samples known;
  Samples written;
};

absl::StatusOr<Outcome> RunCell(const Cell& cell, const SweepOptions& options, int elections) {
  SimOptions sim;
  sim.voters = options.voters;
  sim.seed = options.seed;
  sim.world = cell.world;
  sim.timeouts.silence_min = cell.silence_min;
  sim.timeouts.election_backoff_max = cell.width;
  SimCluster cluster(sim);
  Outcome outcome;
  for (int i = 0; i < elections && !options.cancelled->load(); ++i) {
    // Everybody is in step with the leader before it dies; for a silent death it also has a rhythm that is known.
    if (!cluster.RunUntil([&] { return cluster.Steady(); }, kPatience)) return Stuck(cluster, "no steady leader");
    if (!cell.noticed) cluster.RunFor(absl::Milliseconds(1500 + 300 * Uniform(cluster.random())));
    const NodeId victim = cluster.ActiveLeader();
    // A short silence has elections of its own in a noisy network; one that is under way isn't measured.
    if (victim == kNoNode || cluster.NewestEpoch() > cluster.core(victim)->epoch()) {
      --i;
      continue;
    }
    const Epoch before = cluster.NewestEpoch();
    const Instant died = cluster.now();
    cluster.Crash(victim, cell.noticed);
    if (!cluster.RunUntil([&] { return cluster.AllKnowALeaderAfter(before); }, kPatience)) {
      return Stuck(cluster, "no new leader");
    }
    outcome.known.milliseconds.push_back(absl::ToDoubleMilliseconds(cluster.now() - died));
    if (!cluster.RunUntil([&] { return cluster.ActiveLeader() != kNoNode; }, kPatience)) {
      return Stuck(cluster, "the new leader commits nothing");
    }
    outcome.written.milliseconds.push_back(absl::ToDoubleMilliseconds(cluster.now() - died));
    cluster.Start(victim);
  }
  return outcome;
}

// One chart for each network and way to die; a line for each minimum at the widest wait, or for each width if the
// minimum doesn't matter.
void AddToCharts(const Cell& cell, const Samples& written, std::vector<Chart>* charts) {
  const auto milliseconds = [](absl::Duration d) { return absl::StrCat(absl::ToInt64Milliseconds(d), " ms"); };
  if (!cell.noticed && cell.width != absl::Milliseconds(300)) return;
  const std::string name = absl::StrCat("virtual-", cell.world.name, "-", DeathOf(cell));
  auto chart = std::find_if(charts->begin(), charts->end(), [&](const Chart& c) { return c.name == name; });
  if (chart == charts->end()) {
    charts->push_back(
        {name,
         absl::StrCat("Virtual time, ", cell.world.caption,
                      cell.noticed ? ": connections of the dead leader break" : ": the leader vanishes without a sign"),
         "milliseconds until the first committed write",
         "share of the elections",
         true,
         false,
         true,
         {}});
    chart = charts->end() - 1;
  }
  chart->lines.push_back({cell.noticed ? absl::StrCat("random waits up to ", milliseconds(cell.width))
                                       : absl::StrCat("silence of at least ", milliseconds(cell.silence_min)),
                          Cdf(written)});
}

void AddRow(const Cell& cell, const Outcome& outcome, Table* table, Results* results) {
  const std::vector<double> known = Sorted(outcome.known.milliseconds);
  const std::vector<double> written = Sorted(outcome.written.milliseconds);
  const int64_t minimum = absl::ToInt64Milliseconds(cell.silence_min);
  const int64_t width = absl::ToInt64Milliseconds(cell.width);
  std::vector<nlohmann::json> row = {absl::StrCat(cell.world.caption, cell.noticed ? ", crash" : ", silent"),
                                     cell.noticed ? nlohmann::json() : nlohmann::json(minimum), width, written.size(),
                                     Percentile(known, 50)};
  const std::string prefix =
      absl::StrCat("election.virtual.", cell.world.name, ".", DeathOf(cell), ".", minimum, ".", width, ".");
  for (const auto& [column, p] : {std::pair("median", 50.0), {"p90", 90.0}, {"p99", 99.0}, {"max", 100.0}}) {
    row.push_back(Percentile(written, p));
    results->figures[absl::StrCat(prefix, column, "_ms")] = Percentile(written, p);
  }
  table->rows.push_back(std::move(row));
}

}  // namespace

absl::Status RunSweep(const SweepOptions& options, Results* results) {
  const std::vector<Cell> cells = Grid();
  Table table{"virtual",
              absl::StrCat("Elections under virtual time, ", options.voters,
                           " voters, milliseconds from the leader's death; all but one column: to the first commit"),
              {"network, death", "silence min", "backoff max", "trials", "known", "median", "p90", "p99", "max"},
              {}};
  std::vector<Chart> charts;
  const int each = std::max<int>(1, options.elections / static_cast<int>(cells.size()));
  for (size_t i = 0; i < cells.size(); ++i) {
    absl::FPrintF(stderr, "\r  virtual: cell %d of %d, %d elections each   ", i + 1, cells.size(), each);
    absl::StatusOr<Outcome> outcome = RunCell(cells[i], options, each);
    if (!outcome.ok()) return outcome.status();
    if (options.cancelled->load()) return absl::CancelledError("stopped by a signal");
    AddRow(cells[i], *outcome, &table, results);
    AddToCharts(cells[i], outcome->written, &charts);
  }
  absl::FPrintF(stderr, "\n");
  results->tables.push_back(std::move(table));
  results->charts.insert(results->charts.end(), charts.begin(), charts.end());
  return absl::OkStatus();
}

}  // namespace quorate::bench
