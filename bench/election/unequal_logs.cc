#include "unequal_logs.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/xoshiro.h"
#include "plain_raft.h"
#include "sim_cluster.h"
#include "support/samples.h"

namespace quorate::bench {
namespace {

constexpr int kServers = 5;
// A broadcast takes 15 ms: 3 there, 9 to store a vote, 3 back. So divided, plain Raft's median with timeouts of 150 to
// 155 ms is what the thesis reports (287 ms).
constexpr Delay kOneWay{2'500, 500};
constexpr Delay kStore{8'000, 1'000};
constexpr absl::Duration kLimit = absl::Seconds(10);
constexpr absl::Duration kPatience = absl::Seconds(60);

World ThesisNetwork() {
  World world;
  world.name = "thesis";
  world.caption = "15 ms broadcasts";
  world.network = {.usual = kOneWay, .rare_share = 0, .rare = {}};
  world.disk = {.usual = kStore, .rare_share = 0, .rare = {}};
  world.crash_noticed = {2'700, 900};
  return world;
}

// One line of quorate's.
struct Line {
  std::string name;
  absl::Duration silence_min;
  absl::Duration silence_max;
  absl::Duration backoff_max = absl::Milliseconds(300);
  bool noticed = false;
};

// Leaves the leader's followers with logs of different lengths: the first of a random order has all that the leader
// has, each further one a record less. A record reaches all at once, which also synchronises their signs of life.
void MakeLogsUnequal(SimCluster& cluster, NodeId leader) {
  std::vector<NodeId> followers;
  for (int id = 1; id <= cluster.voters(); ++id) {
    if (NodeId(id) != leader) followers.emplace_back(id);
  }
  for (size_t i = followers.size(); i > 1; --i) std::swap(followers[i - 1], followers[cluster.random().Below(i)]);
  const Offset end = cluster.core(leader)->log_end().end;
  const auto records = static_cast<int64_t>(followers.size());
  for (int64_t i = 0; i < records; ++i) cluster.HoldBack(followers[static_cast<size_t>(i)], end + (records - i));
  for (int64_t i = 0; i < records; ++i) cluster.Propose(leader, "not everybody gets this");
}

absl::StatusOr<Samples> RunQuorate(const Line& line, const UnequalLogsOptions& options) {
  SimOptions sim;
  sim.voters = kServers;
  sim.seed = options.seed;
  sim.world = ThesisNetwork();
  sim.timeouts.silence_min = line.silence_min;
  sim.timeouts.fetch = sim.timeouts.request = line.silence_max;
  sim.timeouts.election_backoff_max = line.backoff_max;
  SimCluster cluster(sim);
  const auto stuck = [&](absl::string_view what) {
    return cluster.fault().ok() ? absl::DeadlineExceededError(absl::StrCat("quorate, ", line.name, ": ", what))
                                : cluster.fault();
  };
  Samples samples{absl::StrCat("quorate, ", line.name), {}};
  for (int trial = 0; trial < options.trials && !options.cancelled->load();) {
    if (!cluster.RunUntil([&] { return cluster.Steady(); }, kPatience)) return stuck("no steady leader");
    cluster.RunFor(absl::Milliseconds(1500 + 300 * Uniform(cluster.random())));
    const NodeId leader = cluster.ActiveLeader();
    if (leader == kNoNode) continue;
    const Epoch epoch = cluster.core(leader)->epoch();
    MakeLogsUnequal(cluster, leader);
    cluster.RunFor(line.silence_min / 2 * Uniform(cluster.random()));
    const Instant died = cluster.now();
    if (cluster.NewestEpoch() > epoch) {  // an election before the crash: a short silence has some
      cluster.HoldNothingBack();
      continue;
    }
    cluster.Crash(leader, line.noticed);
    if (!cluster.RunUntil([&] { return cluster.first_message().epoch > epoch; }, kPatience)) {
      return stuck("no new leader");
    }
    samples.milliseconds.push_back(absl::ToDoubleMilliseconds(cluster.first_message().when - died));
    cluster.HoldNothingBack();
    cluster.Start(leader);
    ++trial;
  }
  return samples;
}

Samples RunPlainRaft(int min_ms, int max_ms, const UnequalLogsOptions& options) {
  Xoshiro random(options.seed);
  PlainRaftOptions raft;
  raft.servers = kServers;
  raft.timeout_min = absl::Milliseconds(min_ms);
  raft.timeout_max = absl::Milliseconds(max_ms);
  raft.network = kOneWay;
  raft.store = kStore;
  Samples samples{absl::StrCat("Raft, ", min_ms, "-", max_ms, " ms"), {}};
  for (int trial = 0; trial < options.trials && !options.cancelled->load(); ++trial) {
    samples.milliseconds.push_back(absl::ToDoubleMilliseconds(PlainRaftElection(raft, random, kLimit)));
  }
  return samples;
}

void Publish(const std::string& chart_name, const std::string& title, const std::vector<Samples>& lines, Table* table,
             Results* results) {
  Chart chart{chart_name,
              title,
              "milliseconds from the crash to the new leader's first message",
              "share of the trials",
              true,
              false,
              true,
              {}};
  for (const Samples& line : lines) {
    chart.lines.push_back({line.name, Cdf(line)});
    const std::vector<double> sorted = Sorted(line.milliseconds);
    std::vector<nlohmann::json> row = {line.name, sorted.size()};
    const std::string key =
        absl::StrReplaceAll(line.name, {{"Raft, ", "raft."}, {"quorate, ", "quorate."}, {" ", "_"}});
    for (const auto& [column, p] :
         {std::pair("min", 0.0), {"median", 50.0}, {"p90", 90.0}, {"p99", 99.0}, {"max", 100.0}}) {
      row.push_back(Percentile(sorted, p));
      results->figures[absl::StrCat("election.unequal.", key, ".", column, "_ms")] = Percentile(sorted, p);
    }
    table->rows.push_back(std::move(row));
  }
  results->charts.push_back(std::move(chart));
}

}  // namespace

absl::Status RunUnequalLogs(const UnequalLogsOptions& options, Results* results) {
  Table table{"unequal",
              "Five servers, logs of different lengths, synchronised heartbeats, 15 ms broadcasts (Ongaro's thesis, "
              "section 9.3): milliseconds from the crash to the new leader's first message",
              {"line", "trials", "min", "median", "p90", "p99", "max"},
              {}};
  const auto ms = [](int n) { return absl::Milliseconds(n); };
  const std::vector<Line> randomness = {{"150-600 ms", ms(150), ms(600)},
                                        {"150 ms fixed", ms(150), ms(150)},
                                        {"150 ms fixed, backoff 1 ms", ms(150), ms(150), ms(1)},
                                        {"connection breaks", ms(150), ms(600), ms(300), true}};
  const std::vector<Line> minimum = {
      {"25-600 ms", ms(25), ms(600)}, {"50-600 ms", ms(50), ms(600)}, {"100-600 ms", ms(100), ms(600)}};
  const auto run = [&](const std::string& chart, const std::string& title, const std::vector<std::pair<int, int>>& raft,
                       const std::vector<Line>& ours) -> absl::Status {
    std::vector<Samples> lines;
    for (const auto& [min_ms, max_ms] : raft) lines.push_back(RunPlainRaft(min_ms, max_ms, options));
    for (const Line& line : ours) {
      absl::FPrintF(stderr, "\r  unequal logs: %s                    ", line.name);
      absl::StatusOr<Samples> samples = RunQuorate(line, options);
      if (!samples.ok()) return samples.status();
      lines.push_back(*std::move(samples));
    }
    if (options.cancelled->load()) return absl::CancelledError("stopped by a signal");
    Publish(chart, title, lines, &table, results);
    return absl::OkStatus();
  };
  if (absl::Status done = run("unequal-randomness", "How random do timeouts have to be?",
                              {{150, 150}, {150, 151}, {150, 155}, {150, 175}, {150, 200}, {150, 300}}, randomness);
      !done.ok()) {
    return done;
  }
  if (absl::Status done = run("unequal-minimum", "How short may timeouts be?",
                              {{12, 24}, {25, 50}, {50, 100}, {100, 200}, {150, 300}}, minimum);
      !done.ok()) {
    return done;
  }
  absl::FPrintF(stderr, "\n");
  results->tables.push_back(std::move(table));
  results->notes.push_back(
      "unequal logs: plain Raft is cut off at 10 s, where its votes split for ever; its curves are our simulation of "
      "the "
      "thesis' algorithm, in the same drawn network as quorate's");
  return absl::OkStatus();
}

}  // namespace quorate::bench
