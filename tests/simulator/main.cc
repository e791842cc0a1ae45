// quorate-sim: runs seeds of the simulator, says what they come to, and for a failure the one command that replays it.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "simulator/mutants.h"
#include "simulator/tally.h"
#include "testing/simulator/failure_report.h"
#include "testing/simulator/shrink.h"

namespace quorate::testing::simulator {
namespace {

using WallClock = std::chrono::steady_clock;

struct Arguments {
  std::string seeds;
  uint64_t fresh = 0;
  double minutes = 0;
  std::string mutant;
  bool mutants_all = false;
  uint64_t seeds_per_mutant = 2'000;
  bool trace = false;
  int jobs = 1;
  std::string report;
  std::string commit;
  std::vector<std::string> replay;
  bool shrink = true;
  bool hashes = false;
  bool canary = false;
  uint64_t failures_max = 5;
};

double Since(WallClock::time_point start) { return std::chrono::duration<double>(WallClock::now() - start).count(); }

RunOptions OptionsOf(const Arguments& arguments) {
  RunOptions options;
  options.mutant = arguments.mutant;
  options.canary = arguments.canary;
  if (arguments.trace) options.trace = [](const std::string& line) { std::puts(line.c_str()); };
  return options;
}

RunResult RunOwn(const SimulationPlan& plan, const RunOptions& options) {
  return Run(plan, OwnSubject(), OwnWorkload(plan), options);
}

void PrintFailure(const SimulationPlan& plan, const RunResult& failed, const Arguments& arguments,
                  const std::string& replay) {
  RunOptions quiet = OptionsOf(arguments);
  quiet.trace = nullptr;
  Shrunk shrunk{plan, failed, 0};
  if (arguments.shrink) shrunk = Shrink(plan, failed, [&](const SimulationPlan& p) { return RunOwn(p, quiet); });
  std::printf(
      "\n%s\nAgain, with every message:\n    %s\nThe short one: the plan above in a file, and\n"
      "    quorate-sim --replay FILE --trace\n\n",
      FailureReport(plan, failed, shrunk).c_str(), replay.c_str());
  std::fflush(stdout);
}

std::string ReplayCommand(const Arguments& arguments, uint64_t seed) {
  return absl::StrCat("quorate-sim --seeds ", seed, "..", seed,
                      arguments.mutant.empty() ? "" : absl::StrCat(" --mutant ", arguments.mutant),
                      arguments.canary ? " --canary" : "", " --trace");
}

// Seeds from `first` on, to `last` or until the time is up, on several threads.
class Batch {
 public:
  Batch(const Arguments& arguments, uint64_t first, uint64_t last)
      : arguments_(arguments), next_(first), last_(last), start_(WallClock::now()) {}

  int Go() {
    std::vector<std::thread> threads;
    for (int i = 0; i < arguments_.jobs; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    const std::string report = tally_.Report(arguments_.commit, absl::Seconds(Since(start_)), arguments_.jobs);
    std::printf("\n%s", report.c_str());
    if (!arguments_.report.empty()) std::ofstream(arguments_.report) << report;
    return tally_.failures.empty() ? 0 : 1;
  }

 private:
  std::optional<uint64_t> TakeSeed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool late = arguments_.minutes > 0 && Since(start_) > arguments_.minutes * 60;
    if (next_ > last_ || late || tally_.failures.size() >= arguments_.failures_max) return std::nullopt;
    return next_++;
  }

  void Work() {
    while (const std::optional<uint64_t> seed = TakeSeed()) {
      const SimulationPlan plan = DrawPlan(*seed);
      if (arguments_.trace) std::puts(PrintPlan(plan).c_str());
      const RunResult result = RunOwn(plan, OptionsOf(arguments_));
      Note(plan, result);
    }
  }

  void Note(const SimulationPlan& plan, const RunResult& result) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      tally_.Add(result);
      if (arguments_.hashes) {
        std::printf("seed %llu hash %016llx events %llu\n", static_cast<unsigned long long>(plan.seed),
                    static_cast<unsigned long long>(result.trace_hash), static_cast<unsigned long long>(result.events));
      }
      if (result.violation.has_value()) {
        tally_.failures.push_back(
            {plan.seed, result.violation->invariant, result.violation->what, ReplayCommand(arguments_, plan.seed)});
      }
      const double now = Since(start_);
      if (now - told_ > 2) {
        told_ = now;
        std::fprintf(stderr, "%llu seeds, %.1f virtual hours, %.0f s, %zu failures\n",
                     static_cast<unsigned long long>(tally_.seeds), absl::ToDoubleHours(tally_.simulated), now,
                     tally_.failures.size());
      }
    }
    if (!result.violation.has_value()) return;
    const std::lock_guard<std::mutex> lock(print_mutex_);
    PrintFailure(plan, result, arguments_, ReplayCommand(arguments_, plan.seed));
  }

  const Arguments& arguments_;
  std::mutex mutex_;
  std::mutex print_mutex_;
  uint64_t next_;  // guarded by mutex_
  const uint64_t last_;
  const WallClock::time_point start_;
  double told_ = 0;  // guarded by mutex_
  Tally tally_;      // guarded by mutex_
};

int Replay(const Arguments& arguments) {
  int failed = 0;
  for (const std::string& path : arguments.replay) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    absl::StatusOr<SimulationPlan> plan = ParsePlan(text.str());
    if (!plan.ok() || text.str().empty()) {
      std::printf("%s: %s\n", path.c_str(), plan.ok() ? "is empty or can't be read" : plan.status().ToString().c_str());
      return 2;
    }
    // A stored seed that says nothing but its number is the seed as it is drawn.
    if (plan->faults.empty() && plan->config == ParsePlan("")->config) plan = DrawPlan(plan->seed);
    const RunResult result = RunOwn(*plan, OptionsOf(arguments));
    std::printf("%s: %s\n", path.c_str(), result.violation.has_value() ? result.violation->invariant.c_str() : "holds");
    if (!result.violation.has_value()) continue;
    ++failed;
    PrintFailure(*plan, result, arguments, absl::StrCat("quorate-sim --replay ", path, " --trace"));
  }
  return failed == 0 ? 0 : 1;
}

// Every seeded bug, each until it is found.
int HuntAll(const Arguments& arguments, uint64_t first) {
  const std::vector<Mutant>& mutants = Mutants();
  std::vector<Hunt> hunts(mutants.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i = next++; i < mutants.size(); i = next++) {
      hunts[i] = HuntFor(mutants[i], first, arguments.seeds_per_mutant);
      const std::lock_guard<std::mutex> lock(mutex);
      std::fprintf(stderr, "%s %s %llu seeds %s\n", mutants[i].id.c_str(),
                   hunts[i].seed.has_value() ? hunts[i].invariant.c_str() : "-",
                   static_cast<unsigned long long>(hunts[i].seeds), hunts[i].what.c_str());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < arguments.jobs; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  const std::string table = HuntTable(hunts);
  std::printf("%s", table.c_str());
  if (!arguments.report.empty()) std::ofstream(arguments.report) << table;
  int survivors = 0;
  for (const Hunt& hunt : hunts) survivors += hunt.reached && !hunt.seed.has_value() ? 1 : 0;
  std::printf("\n%d of %zu seeded bugs survive\n", survivors, hunts.size());
  return survivors == 0 ? 0 : 1;
}

bool ParseRange(const std::string& text, uint64_t* first, uint64_t* last) {
  const std::vector<std::string> parts = absl::StrSplit(text, "..");
  if (parts.size() == 1) return absl::SimpleAtoi(parts[0], first) && absl::SimpleAtoi(parts[0], last);
  return parts.size() == 2 && absl::SimpleAtoi(parts[0], first) && absl::SimpleAtoi(parts[1], last) && *first <= *last;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Runs quorate's quorum under a simulated network, disks and clocks that fail (docs/testing.md).");
  app.add_option("--seeds", arguments.seeds, "A..B: these seeds");
  app.add_option("--fresh", arguments.fresh, "this many seeds that nobody ran before: from the day's date on");
  app.add_option("--minutes", arguments.minutes, "stop taking new seeds after so long");
  app.add_option("--mutant", arguments.mutant, "switch this seeded bug on, e.g. M-13");
  app.add_flag("--mutants-all", arguments.mutants_all, "hunt for every seeded bug, and write the table");
  app.add_option("--seeds-per-mutant", arguments.seeds_per_mutant, "give up after so many");
  app.add_flag("--trace", arguments.trace, "print every message and log line");
  app.add_option("--jobs", arguments.jobs, "threads")->check(CLI::Range(1, 256));
  app.add_option("--report", arguments.report, "write the report to this file, too");
  app.add_option("--commit", arguments.commit, "what the report is of");
  app.add_option("--replay", arguments.replay, "run the plans in these files")->expected(1, 10'000);
  app.add_flag("!--no-shrink", arguments.shrink, "report failures as they were drawn");
  app.add_flag("--hashes", arguments.hashes, "print the trace hash of each seed");
  app.add_flag("--canary", arguments.canary, "make the referee forget a write: every run must fail");
  app.add_option("--failures", arguments.failures_max, "stop after so many");
  CLI11_PARSE(app, argc, argv);
  if (!arguments.replay.empty()) return Replay(arguments);
  uint64_t first = 1;
  uint64_t last = UINT64_MAX - 1;
  if (arguments.fresh > 0) {
    const auto days =
        std::chrono::duration_cast<std::chrono::hours>(std::chrono::system_clock::now().time_since_epoch()).count() /
        24;
    first = static_cast<uint64_t>(days) * 1'000'000;
    last = first + arguments.fresh - 1;
    std::printf("seeds %llu..%llu\n", static_cast<unsigned long long>(first), static_cast<unsigned long long>(last));
  } else if (!arguments.seeds.empty() && !ParseRange(arguments.seeds, &first, &last)) {
    std::fprintf(stderr, "--seeds is \"%s\"; it must be A..B\n", arguments.seeds.c_str());
    return 2;
  } else if (arguments.seeds.empty() && arguments.minutes <= 0 && !arguments.mutants_all) {
    std::fprintf(stderr, "say --seeds A..B, --fresh N, --minutes N, --mutants-all or --replay FILE\n");
    return 2;
  }
  if (arguments.mutants_all) return HuntAll(arguments, first);
  return Batch(arguments, first, last).Go();
}

}  // namespace
}  // namespace quorate::testing::simulator

int main(int argc, char** argv) { return quorate::testing::simulator::Main(argc, argv); }
