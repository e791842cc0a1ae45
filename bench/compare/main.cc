// compare: the same failovers, transfers, commits and starts on etcd, ZooKeeper, Canonical's raft and quorate, in turn.
//
//   compare --out results            an hour
//   compare --quick --only etcd      a few minutes each
//
// Started by bench/compare/run.sh, which installs the peers and builds the hosts. bench/README.md says what is measured
// how, and what bounds it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "compare/measurements.h"
#include "compare/report_table.h"
#include "compare/rounds.h"
#include "compare/system.h"
#include "host/cleanup.h"
#include "support/machine.h"
#include "support/results.h"

namespace quorate::compare {
namespace {

struct Flags {
  std::vector<std::string> only;
  std::vector<std::string> figures;
  std::string out;
  std::string directory = bench::BenchFolder();
  std::string programs;
  bool quick = false;
  bool require_all = false;
  Plan overrides{0, 0, 0, -1, -1, -1, -1, -1, -1, {}};
};

Plan MakePlan(const Flags& flags) {
  Plan plan = flags.quick ? QuickPlan() : Plan();
  if (flags.overrides.rounds > 0) plan.rounds = flags.overrides.rounds;
  if (flags.overrides.seconds > 0) plan.seconds = flags.overrides.seconds;
  if (flags.overrides.connections > 0) plan.connections = flags.overrides.connections;
  if (flags.overrides.kills >= 0) plan.kills = flags.overrides.kills;
  if (flags.overrides.pauses >= 0) plan.pauses = flags.overrides.pauses;
  if (flags.overrides.transfers >= 0) plan.transfers = flags.overrides.transfers;
  if (flags.overrides.entries >= 0) {
    plan.entries = flags.overrides.entries;
    plan.keys = std::max<int64_t>(1, plan.entries / 10);
  }
  return plan;
}

// The figures of other programs' JSON, later files first.
absl::StatusOr<Figures> ReadFigures(const std::vector<std::string>& files) {
  Figures figures;
  for (const std::string& file : files) {
    std::ifstream in(file);
    const nlohmann::json json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("figures")) {
      return absl::InvalidArgumentError(absl::StrCat(file, " isn't the JSON of a benchmark: it has no figures"));
    }
    for (const auto& [name, value] : json["figures"].items()) {
      if (value.is_number()) figures[name] = value.get<double>();
    }
  }
  return figures;
}

absl::StatusOr<std::vector<Contender>> Select(const Flags& flags) {
  std::vector<Contender> all = AllContenders(flags.programs);
  for (const std::string& name : flags.only) {
    if (std::none_of(all.begin(), all.end(), [&](const Contender& c) { return c.name == name; })) {
      return absl::InvalidArgumentError(
          absl::StrCat("--only ", name, ": there are ",
                       absl::StrJoin(all, ", ", [](std::string* out, const Contender& c) { *out += c.name; })));
    }
  }
  if (flags.only.empty()) return all;
  all.erase(
      std::remove_if(all.begin(), all.end(),
                     [&](const Contender& c) { return std::count(flags.only.begin(), flags.only.end(), c.name) == 0; }),
      all.end());
  return all;
}

// The tables alone, for a page on a code host.
absl::Status WriteMarkdown(const bench::Results& results, const std::string& folder) {
  const std::string path = folder + "/compare.md";
  std::ofstream out(path);
  out << "# " << results.title << "\n\n`" << results.command << "`\n";
  for (const bench::Table& table : results.tables) out << "\n" << bench::ToMarkdown(table);
  for (const bench::Chart& chart : results.charts) {
    out << "\n![" << chart.title << "](compare-" << chart.name << ".svg)\n";
  }
  for (const std::string& note : results.notes) out << "\n- " << note;
  out << "\n";
  out.flush();
  return out.good() ? absl::OkStatus() : absl::InternalError(absl::StrCat("can't write ", path));
}

// A contender that fails is left out of further rounds; the others go on.
std::map<std::string, Measurements> MeasureAll(const std::vector<Contender>& contenders, const Plan& plan,
                                               const std::string& directory) {
  std::map<std::string, Measurements> measured;
  for (int round = 0; round < plan.rounds; ++round) {
    for (const Contender& contender : contenders) {
      if (!contender.missing.empty()) continue;
      Measurements& measurements = measured[contender.name];
      if (!measurements.failures.empty()) continue;
      const absl::Status status = RunRound(contender, plan, round, directory, &measurements);
      if (status.ok()) continue;
      measurements.failures.push_back(
          absl::StrCat(contender.name, " failed in round ", round + 1, ": ", status.message()));
      absl::FPrintF(stderr, "compare: %s\n", measurements.failures.back());
    }
  }
  return measured;
}

absl::Status Run(const Flags& flags, const std::string& command) {
  const Plan plan = MakePlan(flags);
  const absl::StatusOr<std::vector<Contender>> contenders = Select(flags);
  if (!contenders.ok()) return contenders.status();
  const absl::StatusOr<Figures> others = ReadFigures(flags.figures);
  if (!others.ok()) return others.status();
  bench::Results results;
  results.benchmark = "compare";
  results.title = "quorate beside etcd, ZooKeeper and Canonical's raft";
  results.command = command;
  for (const Contender& contender : *contenders) {
    if (!contender.missing.empty()) {
      absl::FPrintF(stderr, "compare: %s is left out: %s\n", contender.title, contender.missing);
      if (flags.require_all) return absl::FailedPreconditionError(contender.missing);
      results.notes.push_back(absl::StrCat(contender.title, " is left out: ", contender.missing));
    }
  }
  const std::map<std::string, Measurements> measured = MeasureAll(*contenders, plan, flags.directory);
  Tabulate(*contenders, measured, plan, *others, &results);
  results.notes.push_back(
      absl::StrFormat("%d rounds, all systems in turn in each; commit cells of %g s, at most %d connections; three "
                      "nodes, loopback, fsync "
                      "on, data in %s.",
                      plan.rounds, plan.seconds, plan.connections, flags.directory));
  results.notes.push_back("Compare columns with each other, not with another machine's.");
  absl::Status status;
  for (const Contender& contender : *contenders) {
    if (contender.missing.empty() && !contender.commits_only) {
      results.notes.push_back(absl::StrCat("Tuned ", contender.title, ": ", contender.tuned, "."));
    }
  }
  for (const auto& [name, measurements] : measured) {
    for (const std::string& failure : measurements.failures) {
      results.notes.push_back(failure);
      status = absl::InternalError(failure);
    }
  }
  if (absl::Status published = bench::Publish(results, flags.out); !published.ok()) return published;
  if (!flags.out.empty()) {
    if (absl::Status written = WriteMarkdown(results, flags.out); !written.ok()) return written;
  }
  return status;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("The same failovers, transfers, commits and starts on etcd, ZooKeeper, C raft and quorate, in turn.");
  app.add_option("--only", flags.only, "of etcd, zookeeper, craft, quorate, quorate_unary, quorate_stream; with commas")
      ->delimiter(',');
  app.add_flag("--quick", flags.quick, "few trials, in under ten minutes");
  app.add_option("--out", flags.out, "write compare.json, compare.md and SVGs into this folder");
  app.add_option("--directory", flags.directory, "where the nodes' data goes");
  app.add_option("--figures", flags.figures, "JSON of bench/commit, for the columns of quorate that it measures");
  app.add_option("--programs", flags.programs, "the build folder with the hosts (default: where this program is)");
  app.add_option("--rounds", flags.overrides.rounds, "how often every system gets its turn");
  app.add_option("--seconds", flags.overrides.seconds, "length of a commit cell");
  app.add_option("--connections", flags.overrides.connections, "of the client program, at most");
  app.add_option("--kills", flags.overrides.kills, "SIGKILLs of a leader, each round and setting");
  app.add_option("--pauses", flags.overrides.pauses, "SIGSTOPs of a leader, each round and setting");
  app.add_option("--transfers", flags.overrides.transfers, "transfers, each round");
  app.add_option("--entries", flags.overrides.entries, "written before memory and restart are measured; 0: leave out");
  app.add_flag("--require-all", flags.require_all, "fail when a system isn't installed");
  CLI11_PARSE(app, argc, argv);
  if (flags.programs.empty()) {
    flags.programs = std::filesystem::canonical("/proc/self/exe").parent_path().parent_path().parent_path().string();
  }
  bench::CleanUpOnSignals();
  const absl::Status status = Run(flags, bench::CommandLine(argc, argv));
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "compare: %s\n", status.message());
  return 1;
}

}  // namespace
}  // namespace quorate::compare

int main(int argc, char** argv) { return quorate::compare::Main(argc, argv); }
