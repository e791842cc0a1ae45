// micro: what the pieces of the commit path cost, in time and in allocations.
//
//   micro                             all of them, some seconds each
//   micro --only commit,core_commit   these
//   micro --quick --out results       a moment each; JSON to results/micro.json
//   micro --fixed log_memory          exactly so many operations, untimed: prints name, operations, allocations, bytes
//   micro --fixed all                 likewise all of them, one after the other: what bench/guard counts
//
// bench/README.md says what bounds the figures.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "allocations.h"
#include "support/machine.h"
#include "support/results.h"
#include "work.h"

// The guard looks for this name: callgrind counts what happens inside, and writes a figure each time it returns.
extern "C" __attribute__((noinline)) int QuorateFixedWork(quorate::bench::Work* work, int64_t operations,
                                                          absl::Status* status) {
  *status = work->Run(operations);
  return status->ok() ? 0 : 1;
}

namespace quorate::bench {
namespace {

struct Flags {
  std::vector<std::string> only;
  std::string fixed;
  std::string out;
  std::string directory = BenchFolder();
  double seconds = 1.0;
  bool quick = false;
};

// The data of the file works; removed at the end.
class Folder {
 public:
  explicit Folder(const std::string& parent) : path_(absl::StrCat(parent, "/quorate-micro-", getpid())) {
    std::error_code ignored;
    std::filesystem::create_directories(path_, ignored);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

absl::StatusOr<std::vector<WorkSpec>> Select(const std::vector<std::string>& names) {
  std::vector<WorkSpec> all = AllWorks();
  if (names.empty() || names == std::vector<std::string>{"all"}) return all;
  std::vector<WorkSpec> selected;
  for (const std::string& name : names) {
    const auto it = std::find_if(all.begin(), all.end(), [&](const WorkSpec& spec) { return spec.name == name; });
    if (it == all.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no work called \"", name, "\"; there are ",
                       absl::StrJoin(all, ", ", [](std::string* out, const WorkSpec& spec) { *out += spec.name; })));
    }
    selected.push_back(*it);
  }
  return selected;
}

// Every work from scratch, so that its count doesn't depend on which others ran before.
absl::Status RunFixed(const std::vector<WorkSpec>& specs, const std::string& folder) {
  for (const WorkSpec& spec : specs) {
    absl::StatusOr<std::unique_ptr<Work>> work = spec.make(folder);
    if (!work.ok()) return work.status();
    // What is only done once (tables filled, buffers grown) is not the operation.
    if (absl::Status status = (*work)->Run(spec.group); !status.ok()) return status;
    const Allocations before = AllocationsSoFar();
    absl::Status status;
    QuorateFixedWork(work->get(), spec.fixed_operations, &status);
    const Allocations after = AllocationsSoFar();
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat(spec.name, ": ", status.message()));
    absl::PrintF("%s %d %d %d\n", spec.name, spec.fixed_operations, after.count - before.count,
                 after.bytes - before.bytes);
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

void Measure(benchmark::State& state, const WorkSpec& spec, const std::string& folder) {
  absl::StatusOr<std::unique_ptr<Work>> work = spec.make(folder);
  absl::Status status = work.ok() ? (*work)->Run(spec.group) : work.status();
  const Allocations before = AllocationsSoFar();
  while (status.ok() && state.KeepRunningBatch(spec.group)) status = (*work)->Run(spec.group);
  const Allocations after = AllocationsSoFar();
  if (!status.ok()) return state.SkipWithError(std::string(status.message()).c_str());
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(after.count - before.count), benchmark::Counter::kAvgIterations);
  state.counters["bytes"] =
      benchmark::Counter(static_cast<double>(after.bytes - before.bytes), benchmark::Counter::kAvgIterations);
}

// Google Benchmark's figures into ours, and nothing printed meanwhile but which one runs.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  Collector(const std::vector<WorkSpec>& specs, Results* results) : results_(results) {
    for (const WorkSpec& spec : specs) what_[spec.name] = spec.what;
    results_->tables.push_back({"micro",
                                "One operation, on one thread",
                                {"work", "ns", "allocations", "bytes", "operations", "one operation"},
                                {}});
  }
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      const std::string name = run.run_name.function_name;
      if (run.error_occurred) {
        failure = absl::InternalError(absl::StrCat(name, ": ", run.error_message));
        continue;
      }
      const double nanoseconds = run.GetAdjustedRealTime();
      const double allocations = run.counters.at("allocations");
      const double bytes = run.counters.at("bytes");
      results_->figures[absl::StrCat("micro.", name, ".time_ns")] = nanoseconds;
      results_->figures[absl::StrCat("micro.", name, ".allocations")] = allocations;
      results_->figures[absl::StrCat("micro.", name, ".allocated_bytes")] = bytes;
      results_->tables.back().rows.push_back(
          {name, nanoseconds, allocations, bytes, static_cast<int64_t>(run.iterations), what_[name]});
      absl::FPrintF(stderr, "  %s: %.0f ns\n", name, nanoseconds);
    }
  }

  absl::Status failure;

 private:
  std::map<std::string, std::string> what_;
  Results* const results_;
};

absl::Status MeasureAll(const Flags& flags, const std::vector<WorkSpec>& specs, const std::string& folder,
                        const std::string& command) {
  for (const WorkSpec& spec : specs) {
    benchmark::RegisterBenchmark(spec.name.c_str(),
                                 [spec, folder](benchmark::State& state) { Measure(state, spec, folder); })
        ->UseRealTime()
        ->MinTime(flags.quick ? 0.01 : flags.seconds);
  }
  Results results;
  results.benchmark = "micro";
  results.title = "The pieces of the commit path, each by itself";
  results.command = command;
  results.notes.push_back("Allocations are calls of operator new; those of one operation, the whole work's by count.");
  results.notes.push_back("log_file includes the disk's fdatasync; everything else is processor time only.");
  Collector collector(specs, &results);
  absl::FPrintF(stderr, "micro: %d works of about %.2g s each\n", specs.size(), flags.quick ? 0.01 : flags.seconds);
  benchmark::RunSpecifiedBenchmarks(&collector);
  if (!collector.failure.ok()) return collector.failure;
  return Publish(results, flags.out);
}

int Main(int argc, char** argv) {
  CLI::App app("What the pieces of quorate's commit path cost: time and allocations per operation, on one thread.");
  Flags flags;
  app.add_option("--only", flags.only, "only these works, separated by commas")->delimiter(',');
  app.add_option("--fixed", flags.fixed, "do a fixed number of operations of this work (or \"all\"), and count only");
  app.add_option("--out", flags.out, "write micro.json into this folder");
  app.add_option("--seconds", flags.seconds, "how long to repeat each work")->check(CLI::Range(0.001, 600.0));
  app.add_option("--directory", flags.directory, "where the log goes that is written to a disk");
  app.add_flag("--quick", flags.quick, "a moment for each: shows that it works, not how fast");
  CLI11_PARSE(app, argc, argv);

  const Folder folder(flags.directory);
  const absl::StatusOr<std::vector<WorkSpec>> specs =
      Select(flags.fixed.empty() ? flags.only : std::vector<std::string>{flags.fixed});
  absl::Status status = specs.status();
  if (status.ok()) {
    status = flags.fixed.empty() ? MeasureAll(flags, *specs, folder.path(), CommandLine(argc, argv))
                                 : RunFixed(*specs, folder.path());
  }
  if (status.ok()) return 0;
  absl::FPrintF(stderr, "micro: %s\n", status.message());
  return 1;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) { return quorate::bench::Main(argc, argv); }
