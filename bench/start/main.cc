// start: how long until a cluster serves?
//
//   start                         cold starts, restarts with a million entries, an empty node
//   start --trials 200 --entries 0
//
// bench/README.md says what the figures mean and what bounds them.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "host/cleanup.h"
#include "support/machine.h"
#include "support/results.h"
#include "trials.h"

namespace quorate::bench {
namespace {

struct Flags {
  int trials = 30;
  int restarts = 5;
  uint64_t entries = 1'000'000;
  int64_t keys = 100'000;
  std::string host;
  std::string directory = BenchFolder();
  std::string out;
  bool quick = false;
};

absl::StatusOr<std::unique_ptr<Cluster>> NewCluster(const Flags& flags) {
  ClusterOptions options;
  options.command = {flags.host};
  options.base = flags.directory;
  return Cluster::Create(std::move(options));
}

void AddTrial(absl::string_view what, absl::Duration took, Samples* samples) {
  samples->milliseconds.push_back(absl::ToDoubleMilliseconds(took));
  absl::FPrintF(stderr, "%s %d: %.1f ms\n", what, samples->milliseconds.size(), samples->milliseconds.back());
}

absl::Status ColdStarts(const Flags& flags, Samples* samples) {
  for (int i = 0; i < flags.trials; ++i) {
    absl::StatusOr<std::unique_ptr<Cluster>> cluster = NewCluster(flags);
    if (!cluster.ok()) return cluster.status();
    const absl::StatusOr<absl::Duration> took = StartToFirstWrite(**cluster);
    if (!took.ok()) return took.status();
    AddTrial("cold start", *took, samples);
  }
  return absl::OkStatus();
}

absl::StatusOr<double> RssMib(const Cluster& cluster) {
  const absl::StatusOr<Usage> usage = cluster.TotalUsage();
  if (!usage.ok()) return usage.status();
  return static_cast<double>(usage->rss_bytes) / (1 << 20);
}

// One cluster, filled once: its memory, an empty node beside it, and all of it killed and started again.
absl::Status WithEntries(const Flags& flags, Samples* restarts, Samples* catch_up, Results* results) {
  absl::StatusOr<std::unique_ptr<Cluster>> made = NewCluster(flags);
  if (!made.ok()) return made.status();
  Cluster& cluster = **made;
  if (absl::Status started = cluster.StartAll(); !started.ok()) return started;
  absl::FPrintF(stderr, "writing %d entries over %d registers\n", flags.entries, flags.keys);
  if (absl::Status filled = Fill(cluster, flags.entries, flags.keys); !filled.ok()) return filled;
  const absl::StatusOr<double> rss = RssMib(cluster);
  if (!rss.ok()) return rss.status();
  results->figures["rss.1m_entries_mib"] = *rss;
  for (int i = 0; i < flags.restarts; ++i) {
    const absl::StatusOr<absl::Duration> took = EmptyNodeCatchesUp(cluster);
    if (!took.ok()) return took.status();
    AddTrial("an empty node catches up", *took, catch_up);
  }
  for (int i = 0; i < flags.restarts; ++i) {
    for (int id = 1; id <= cluster.nodes(); ++id) cluster.Kill(id);
    const absl::StatusOr<absl::Duration> took = StartToFirstWrite(cluster);
    if (!took.ok()) return took.status();
    AddTrial("restart", *took, restarts);
  }
  const absl::StatusOr<double> rss_after = RssMib(cluster);
  if (!rss_after.ok()) return rss_after.status();
  results->figures["rss.1m_entries_restarted_mib"] = *rss_after;
  results->tables.push_back({"rss",
                             absl::StrFormat("RSS of the three nodes after %d entries over %d registers of 100 bytes",
                                             flags.entries, flags.keys),
                             {"", "MiB"},
                             {{"after the last write", *rss}, {"after the last restart", *rss_after}}});
  return absl::OkStatus();
}

absl::Status Run(const Flags& flags, Results* results) {
  Samples cold{"cold", {}}, restarts{"restart_1m", {}}, catch_up{"catch_up", {}};
  if (absl::Status ran = ColdStarts(flags, &cold); !ran.ok()) return ran;
  if (flags.entries > 0) {
    if (absl::Status ran = WithEntries(flags, &restarts, &catch_up, results); !ran.ok()) return ran;
  }
  AddSamples(*results, "start",
             "From the first process made to the first acknowledged write, or to what was committed then",
             flags.entries > 0 ? std::vector<Samples>{cold, restarts, catch_up} : std::vector<Samples>{cold});
  results->notes.push_back(
      absl::StrFormat("cold: three empty nodes; restart_1m: all three after SIGKILL, with %d entries over %d "
                      "registers; catch_up: a fourth "
                      "node with an empty disk has applied what was committed when it was started",
                      flags.entries, flags.keys));
  return absl::OkStatus();
}

}  // namespace

int Main(int argc, char** argv) {
  Flags flags;
  flags.host = QUORATE_REGISTER_HOST;
  CLI::App app("Measures starts: cold, after a crash with much to recover, and with an empty disk");
  app.add_option("--trials", flags.trials, "cold starts")->check(CLI::Range(1, 100'000));
  app.add_option("--restarts", flags.restarts, "restarts, and empty nodes")->check(CLI::Range(1, 100'000));
  app.add_option("--entries", flags.entries, "written before the restarts; 0 leaves those out");
  app.add_option("--keys", flags.keys, "registers that they are spread over")->check(CLI::Range(1, 9'999'999));
  app.add_option("--host", flags.host, "the program that is a node")->check(CLI::ExistingFile);
  app.add_option("--directory", flags.directory, "where data goes; a folder is made in it and removed again");
  app.add_option("--out", flags.out, "folder for JSON and pictures");
  app.add_flag("--quick", flags.quick, "three cold starts, one restart with 20,000 entries");
  CLI11_PARSE(app, argc, argv);
  if (flags.quick) {
    flags.trials = 3;
    flags.restarts = 1;
    flags.entries = 20'000;
    flags.keys = 2000;
  }

  CleanUpOnSignals();
  Results results;
  results.benchmark = "start";
  results.title = "Starts: cold, after a crash, with an empty disk";
  results.command = CommandLine(argc, argv);
  absl::Status status = Run(flags, &results);
  if (status.ok()) status = Publish(results, flags.out);
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "start: %s\n", status.message());
  return 1;
}

}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
