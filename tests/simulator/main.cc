// quorate-sim: runs seeds of the simulator, says what they come to, and for a failure the one command that replays it.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "simulator/arguments.h"
#include "simulator/batch.h"
#include "simulator/mutants.h"
#include "simulator/replay.h"

namespace quorate::testing::simulator {
namespace {

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
  app.add_flag("--mutants", arguments.mutants, "hunt for those seeded bugs that are found in a few seeds");
  app.add_flag("--mutants-all", arguments.mutants_all, "hunt for every seeded bug, or for that of --mutant");
  app.add_option("--seeds-per-mutant", arguments.seeds_per_mutant, "give up after so many");
  app.add_flag("--trace", arguments.trace, "print every message and log line");
  app.add_option("--jobs", arguments.jobs, "threads")->check(CLI::Range(1, 256));
  app.add_option("--report", arguments.report, "replace the generated section in this page");
  app.add_option("--commit", arguments.commit, "what the report is of");
  app.add_option("--cover", arguments.cover,
                 "write few plans that together reach what the seeds reached into this folder");
  app.add_option("--replay", arguments.replay, "run the plans in these files")->expected(1, 10'000);
  app.add_flag("!--no-shrink", arguments.shrink, "report failures as they were drawn");
  app.add_flag("--hashes", arguments.hashes, "print the trace hash of each seed");
  app.add_flag("--canary", arguments.canary, "make the referee forget a write: every run must fail");
  app.add_option("--failures", arguments.failures_max, "stop after so many");
  CLI11_PARSE(app, argc, argv);
  if (!arguments.replay.empty()) return Replay(arguments);
  const bool hunts = arguments.mutants || arguments.mutants_all;
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
  } else if (arguments.seeds.empty() && arguments.minutes <= 0 && !hunts) {
    std::fprintf(stderr, "say --seeds A..B, --fresh N, --minutes N, --mutants, --mutants-all or --replay FILE\n");
    return 2;
  }
  return hunts ? HuntMutants(arguments, first) : RunBatch(arguments, first, last);
}

}  // namespace
}  // namespace quorate::testing::simulator

int main(int argc, char** argv) { return quorate::testing::simulator::Main(argc, argv); }
