// commit: how long does a commit take, how many go through, and what do they cost?
//
//   commit                                            everything, some minutes
//   commit --path engine --callers 256 --seconds 5    one cell
//   commit --out results                              JSON and pictures as well
//   commit --check --strace                           that safety wasn't traded
//
// bench/README.md says what the figures mean and what bounds them.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cells.h"
#include "host/cleanup.h"
#include "member.h"
#include "proofs.h"
#include "support/machine.h"
#include "support/results.h"

namespace quorate::bench {
namespace {

struct Flags {
  std::vector<std::string> paths;
  std::vector<int> callers;
  std::vector<int64_t> bytes;
  std::vector<double> rates;
  double seconds = 0;
  int64_t keys = 1000;
  int connections = 4;
  std::string storage = "file";
  std::string directory = BenchFolder();
  std::string out;
  bool quick = false;
  bool check = false;
  bool strace = false;
};

LoadSpec MakeLoad(const Flags& flags, int callers, int64_t bytes, double rate) {
  LoadSpec load;
  load.callers = callers;
  load.value_bytes = bytes;
  load.rate = rate;
  load.keys = flags.keys;
  load.connections = flags.connections;
  load.seconds = flags.seconds > 0 ? flags.seconds : flags.quick ? 0.3 : 5;
  load.warm_up = flags.quick ? 0.1 : 0.5;
  return load;
}

// What an open loop may have under way: so much that it never waits, unless the cluster is overwhelmed.
constexpr int kOpenLoopCallers = 16'000;

void AddCells(const Flags& flags, Path path, const std::vector<int>& callers, const std::vector<int64_t>& bytes,
              std::vector<Cell>* cells) {
  for (const int64_t size : bytes) {
    for (const int count : callers) cells->push_back({path, MakeLoad(flags, count, size, 0)});
  }
}

// What was asked for; without any wish: every path at 100 bytes, and every size at the ends of the scale.
absl::StatusOr<std::vector<Cell>> MakeCells(const Flags& flags) {
  std::vector<Path> paths;
  for (const std::string& name : flags.paths) {
    const absl::StatusOr<Path> path = ParsePath(name);
    if (!path.ok()) return path.status();
    paths.push_back(*path);
  }
  const bool all = paths.empty();
  if (all) {
    paths = {Path::kInProcess,  Path::kInProcessAsync, Path::kEngine,     Path::kGrpcUnary,
             Path::kGrpcStream, Path::kForward,        Path::kReadLeader, Path::kReadFollower};
  }
  std::vector<int> callers = flags.callers;
  if (callers.empty()) callers = flags.quick ? std::vector<int>{1, 64} : std::vector<int>{1, 16, 64, 256, 1000};
  std::vector<int64_t> bytes = flags.bytes;
  if (bytes.empty()) bytes = {100};
  std::vector<Cell> cells;
  const bool closed_loops = flags.rates.empty() || !flags.callers.empty() || all;
  for (const Path path : paths) {
    if (closed_loops) AddCells(flags, path, callers, bytes, &cells);
  }
  const bool sizes = all && flags.bytes.empty() && flags.callers.empty() && !flags.quick;
  if (sizes) AddCells(flags, Path::kEngine, {1, 1000}, {32, 1024, 16'384, 65'536}, &cells);
  std::vector<double> rates = flags.rates;
  if (rates.empty() && all && flags.callers.empty()) {
    rates = flags.quick ? std::vector<double>{500} : std::vector<double>{1000, 5000, 20'000, 50'000, 100'000};
  }
  for (const Path path : paths) {
    if (path == Path::kInProcess) continue;  // threads that wait can't keep a rate
    for (const double rate : rates) {
      for (const int64_t size : bytes) cells.push_back({path, MakeLoad(flags, kOpenLoopCallers, size, rate)});
    }
  }
  return cells;
}

std::string NameOf(const Cell& cell) {
  if (cell.load.rate > 0) {
    return absl::StrFormat("commit.open.%s.%.0f.%d", ToString(cell.path), cell.load.rate, cell.load.value_bytes);
  }
  return absl::StrFormat("commit.%s.%d.%d", ToString(cell.path), cell.load.callers, cell.load.value_bytes);
}

void AddRow(const Cell& cell, const Measured& measured, Table* table) {
  const LoadResult& load = measured.load;
  nlohmann::json first = ToString(cell.path).data();
  nlohmann::json size = cell.load.rate > 0 ? nlohmann::json(cell.load.rate) : nlohmann::json(cell.load.callers);
  table->rows.push_back({std::move(first), std::move(size), cell.load.value_bytes, load.ops_per_s(), load.p50_us,
                         load.p90_us, load.p99_us, load.p999_us, measured.cpu_ms_per_1000,
                         measured.disk_bytes_per_commit, measured.rss_mib});
}

void AddFigures(const Cell& cell, const Measured& measured, Results* results) {
  const std::string name = NameOf(cell);
  auto& figures = results->figures;
  figures[name + ".ops_per_s"] = measured.load.ops_per_s();
  figures[name + ".p50_us"] = measured.load.p50_us;
  figures[name + ".p90_us"] = measured.load.p90_us;
  figures[name + ".p99_us"] = measured.load.p99_us;
  figures[name + ".p999_us"] = measured.load.p999_us;
  figures[name + ".max_us"] = measured.load.max_us;
  figures[name + ".cpu_ms_per_1000"] = measured.cpu_ms_per_1000;
  figures[name + ".disk_bytes_per_commit"] = measured.disk_bytes_per_commit;
  figures[name + ".rss_mib"] = measured.rss_mib;
}

Table NewTable(const std::string& name, const std::string& caption, const std::string& second) {
  return {name,
          caption,
          {"path", second, "bytes", "ops/s", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "CPU ms/1000", "disk B/commit",
           "RSS MiB"},
          {}};
}

class Report {
 public:
  explicit Report(Results* results) : results_(results) {}

  void Add(const Cell& cell, const Measured& measured) {
    const std::string path(ToString(cell.path));
    AddFigures(cell, measured, results_);
    if (cell.load.rate > 0) {
      AddRow(cell, measured, &open_);
      latency_[path].emplace_back(cell.load.rate, measured.load.p99_us / 1e3);
      return;
    }
    AddRow(cell, measured, &closed_);
    if (cell.load.value_bytes != 100) return;
    throughput_[path].emplace_back(cell.load.callers, measured.load.ops_per_s());
    if (cell.load.callers == 1) one_caller_.lines.push_back({path, measured.load.cdf});
  }

  void Finish() {
    for (Table* table : {&closed_, &open_}) {
      if (!table->rows.empty()) results_->tables.push_back(std::move(*table));
    }
    AddChart({"throughput",
              "Calls answered, by the number of callers (100 bytes)",
              "callers",
              "calls per second",
              /*log_x=*/true,
              false,
              false,
              {}},
             throughput_);
    AddChart({"latency",
              "Latency at fixed rates, from the time at which a call was meant to begin",
              "calls per second",
              "p99, milliseconds",
              /*log_x=*/true,
              /*log_y=*/true,
              false,
              {}},
             latency_);
    if (!one_caller_.lines.empty()) results_->charts.push_back(std::move(one_caller_));
  }

 private:
  void AddChart(Chart chart, const std::map<std::string, std::vector<std::pair<double, double>>>& lines) {
    for (const auto& [path, points] : lines) chart.lines.push_back({path, points});
    if (!lines.empty()) results_->charts.push_back(std::move(chart));
  }

  Results* const results_;
  Table closed_ = NewTable("closed", "Closed loop: each caller has one call under way", "callers");
  Table open_ =
      NewTable("open", "Open loop: calls begin at a fixed rate, latency from when they were meant to", "rate");
  std::map<std::string, std::vector<std::pair<double, double>>> throughput_;
  std::map<std::string, std::vector<std::pair<double, double>>> latency_;
  Chart one_caller_{"one-caller", "One caller, 100 bytes", "milliseconds", "share of the calls", true, false, true, {}};
};

void AddNotes(const Flags& flags, Results* results) {
  results->notes.push_back(flags.storage == "memory"
                               ? "three processes on loopback, logs in memory: nothing survives, nothing is synced"
                               : "three processes on loopback, each acknowledgement after an fdatasync on a majority");
  results->notes.push_back(
      "in_process: each caller is a thread of the leader's process that waits; in_process_async: two threads keep as "
      "many "
      "calls under way; their CPU is counted with the leader's. Clients' CPU isn't counted, but taken from the same "
      "cores");
}

absl::Status Run(const Flags& flags, const Settings& settings, Results* results) {
  const bool only_proofs = (flags.check || flags.strace) && flags.paths.empty();
  absl::StatusOr<std::vector<Cell>> cells = MakeCells(flags);
  if (!cells.ok()) return cells.status();
  if (only_proofs) cells->clear();
  Report report(results);
  for (size_t i = 0; i < cells->size(); ++i) {
    const Cell& cell = (*cells)[i];
    absl::FPrintF(stderr, "[%d/%d] %s: ", i + 1, cells->size(), NameOf(cell));
    const absl::StatusOr<Measured> measured = RunCell(settings, cell);
    if (!measured.ok()) {
      absl::FPrintF(stderr, "failed\n");
      return absl::Status(measured.status().code(), absl::StrCat(NameOf(cell), ": ", measured.status().message()));
    }
    absl::FPrintF(stderr, "%.0f ops/s, p50 %.0f µs, p99 %.0f µs, CPU %.1f ms/1000\n", measured->load.ops_per_s(),
                  measured->load.p50_us, measured->load.p99_us, measured->cpu_ms_per_1000);
    report.Add(cell, *measured);
  }
  report.Finish();
  LoadSpec proof = MakeLoad(flags, flags.callers.empty() ? 64 : flags.callers.front(), 100, 0);
  if (flags.check) {
    absl::FPrintF(stderr, "checking a history\n");
    if (absl::Status checked = CheckHistory(settings, proof, results); !checked.ok()) return checked;
  }
  proof.callers = 1;
  if (flags.strace) {
    absl::FPrintF(stderr, "counting syncs\n");
    if (absl::Status counted = CountSyncs(settings, proof, results); !counted.ok()) return counted;
  }
  return absl::OkStatus();
}

}  // namespace

int Main(int argc, char** argv) {
  if (argc > 1 && absl::string_view(argv[1]) == "member") return RunMember(argc - 1, argv + 1);
  Flags flags;
  CLI::App app("Measures commits: latency, throughput, and what they cost");
  app.add_option(
         "--path", flags.paths,
         "in_process, in_process_async, engine, grpc_unary, grpc_stream, grpc_echo (no commit, only the calls), "
         "forward, read_leader, read_follower; default: all but the echo")
      ->delimiter(',');
  app.add_option("--callers", flags.callers, "calls under way in closed loops")
      ->delimiter(',')
      ->check(CLI::Range(1, 16'000));
  app.add_option("--bytes", flags.bytes, "sizes of the values")->delimiter(',')->check(CLI::Range(1, 1 << 20));
  app.add_option("--rate", flags.rates, "calls per second of open loops")->delimiter(',')->check(CLI::PositiveNumber);
  app.add_option("--keys", flags.keys, "how many registers are written")->check(CLI::Range(1, 9'999'999));
  app.add_option("--connections", flags.connections, "of the clients together")->check(CLI::Range(1, 1000));
  app.add_option("--seconds", flags.seconds, "for each cell; default 5");
  app.add_option("--storage", flags.storage, "file or memory")->check(CLI::IsMember({"file", "memory"}));
  app.add_option("--directory", flags.directory, "where data goes; a folder is made in it and removed again");
  app.add_option("--out", flags.out, "folder for JSON and pictures");
  app.add_flag("--quick", flags.quick, "a fraction of a second for each cell, and fewer of them");
  app.add_flag("--check", flags.check, "records a history and checks that it is linearizable");
  app.add_flag("--strace", flags.strace, "counts the nodes' fdatasync calls; needs strace");
  CLI11_PARSE(app, argc, argv);

  CleanUpOnSignals();
  Settings settings;
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path));
  settings.program.assign(path, static_cast<size_t>(std::max<ssize_t>(length, 0)));
  settings.directory = flags.directory;
  if (flags.storage == "memory") settings.node_flags.push_back("--memory-storage");
  Results results;
  results.benchmark = "commit";
  results.title = "Commits: latency, throughput and cost";
  results.command = CommandLine(argc, argv);
  AddNotes(flags, &results);
  absl::Status status = Run(flags, settings, &results);
  if (status.ok()) status = Publish(results, flags.out);
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "commit: %s\n", status.message());
  return 1;
}

}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
