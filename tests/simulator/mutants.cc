#include "simulator/mutants.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "simulator/sections.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"

namespace quorate::testing::simulator {

const std::vector<Mutant>& Mutants() {
  static const std::vector<Mutant> mutants = {
      {"M-01", "a vote leaves the node before it is on the disk", "I-03"},
      {"M-02", "a restarted leader leads on in its old epoch", "I-01 I-05"},
      {"M-03", "logs are compared by their length alone", ""},
      {"M-04", "a vote that is repeated counts again", "I-02 I-01"},
      {"M-05", "an answer with a higher epoch counts as a vote", ""},
      {"M-06", "an observer doesn't vote, though a candidate knows it for a voter", ""},
      {"M-07", "a node outside the voter set counts itself", ""},
      {"M-08", "a pre-vote looks at liveness only, not at the log", "I-06"},
      {"M-09", "check-quorum never resigns", ""},
      {"M-10", "refused votes and old messages put off the election", ""},
      {"M-11", "a leader enters a later epoch before it stops leading", "I-16 I-01"},
      {"M-12", "an observer stands for election", ""},
      {"M-13", "a follower acknowledges what isn't on its disk", "I-12"},
      {"M-14", "the leader counts its own log before it is durable", "I-12"},
      {"M-15", "a leader commits records of earlier epochs by counting", "I-09 I-06 I-07"},
      {"M-16", "fetched batches aren't checked against the answer's epoch", "I-07 I-05 I-10"},
      {"M-17", "an answer to an abandoned fetch is used", ""},
      {"M-18", "the leader's high watermark is taken over an unproven log", ""},
      {"M-19", "a diverging log isn't truncated far enough", ""},
      {"M-20", "a replica whose disk went back keeps its old acknowledgement", ""},
      {"M-21", "a snapshot stands for more than was applied", "I-11 I-17 I-30"},
      {"M-22", "what was known of the old log survives the installation of a snapshot", ""},
      {"M-23", "a received snapshot is installed without being verified", ""},
      {"M-24", "a follower at the end of a purged log gets no snapshot", "I-26"},
      {"M-25", "a conflict below the high watermark is ignored", "I-01 I-13"},
      {"M-26", "a log that ends below what was committed is accepted", "I-11 I-30"},
      {"M-27", "a new leader answers reads before it has committed anything", ""},
      {"M-28", "a read uses a quorum round that began before it", ""},
      {"M-29", "reads are answered by a leader that handed over", ""},
      {"M-31", "a proposal that may be in the log is called not applied", "I-21"},
      {"M-32", "voters are changed before the leader has committed in its epoch", ""},
      {"M-33", "a truncated voters record stays in force", ""},
      {"M-34", "a newcomer votes before it has caught up", ""},
      {"M-35", "a leader that removed itself leads on", ""},
      {"M-36", "a removed voter lets itself in again", ""},
      {"M-37", "an id may be in the voter set twice", ""},
      {"M-38", "a node of another cluster is listened to", "I-01 I-06 I-13 I-14 I-30"},
      {"M-39", "a node whose files are missing begins anew", "I-03 I-12"},
      {"M-40", "a snapshot carries the newest voter set, committed or not", ""},
      {"R-01", "a write is reported before it is synced", "I-12 I-28"},
      {"R-02", "a snapshot is renamed before it is synced", ""},
      {"R-03", "the log is trimmed before the snapshot is verified", ""},
      {"R-04", "a corrupt batch is cut off like a torn one", ""},
      {"R-06", "what a start finds at the end of the log is taken for durable", ""},
      {"F-D09", "a failed write is taken for a success", ""},
  };
  return mutants;
}

Hunt HuntFor(const Mutant& mutant, uint64_t first, uint64_t seeds_max) {
  Hunt hunt;
  hunt.mutant = mutant;
  RunOptions options;
  options.mutant = mutant.id;
  for (uint64_t seed = first; hunt.seeds < seeds_max; ++seed) {
    ++hunt.seeds;
    const SimulationPlan plan = DrawPlan(seed);
    const RunResult result = RunOwn(plan, options);
    hunt.reached = hunt.reached || result.mutant_was_reached;
    if (!result.violation.has_value()) continue;
    hunt.seed = seed;
    hunt.invariant = result.violation->invariant;
    hunt.what = result.violation->what;
    return hunt;
  }
  return hunt;
}

namespace {

// Of the short form: none of them needs more than a few.
constexpr uint64_t kQuickSeedsMax = 60;

std::string Outcome(const Hunt& hunt) {
  if (hunt.seed.has_value()) return absl::StrCat(hunt.seeds);
  return absl::StrCat(hunt.reached ? "not found in " : "its switch was never asked for, in ", hunt.seeds);
}

std::string Table(const std::vector<Hunt>& hunts, const std::string& commit) {
  std::string text = commit.empty() ? "" : absl::StrCat("Commit ", commit, ".\n\n");
  absl::StrAppend(&text, "| seeded bug | | broken invariant | seeds needed |\n|---|---|---|---|\n");
  for (const Hunt& hunt : hunts) {
    absl::StrAppend(&text, "| ", hunt.mutant.id, " | ", hunt.mutant.what, " | ",
                    hunt.seed.has_value() ? hunt.invariant : "-", " | ", Outcome(hunt), " |\n");
  }
  return text;
}

std::vector<Mutant> Chosen(const Arguments& arguments) {
  std::vector<Mutant> chosen;
  for (const Mutant& mutant : Mutants()) {
    const bool asked_for = arguments.mutant.empty() || mutant.id == arguments.mutant;
    if (asked_for && (!arguments.mutants || !mutant.quickly_breaks.empty())) chosen.push_back(mutant);
  }
  return chosen;
}

}  // namespace

int HuntMutants(const Arguments& arguments, uint64_t first) {
  const std::vector<Mutant> mutants = Chosen(arguments);
  const uint64_t seeds_max =
      arguments.mutants ? std::min(kQuickSeedsMax, arguments.seeds_per_mutant) : arguments.seeds_per_mutant;
  std::vector<Hunt> hunts(mutants.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i = next++; i < mutants.size(); i = next++) {
      hunts[i] = HuntFor(mutants[i], first, seeds_max);
      const std::lock_guard<std::mutex> lock(mutex);
      std::fprintf(stderr, "%s %s %s seeds %s\n", mutants[i].id.c_str(),
                   hunts[i].seed.has_value() ? hunts[i].invariant.c_str() : "-", Outcome(hunts[i]).c_str(),
                   hunts[i].what.c_str());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < arguments.jobs; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();

  const std::string table = Table(hunts, arguments.commit);
  std::printf("%s\n", table.c_str());
  const bool written = arguments.report.empty() || WriteSection(arguments.report, "seeded bugs", table);
  size_t wrong = 0;
  for (const Hunt& hunt : hunts) {
    const std::string& expected = arguments.mutants ? hunt.mutant.quickly_breaks : "";
    if (!hunt.seed.has_value()) {
      std::printf("%s survives: %s\n", hunt.mutant.id.c_str(), hunt.mutant.what.c_str());
    } else if (!expected.empty() && !absl::StrContains(expected, hunt.invariant)) {
      std::printf("%s breaks %s, and should break one of %s: %s\n", hunt.mutant.id.c_str(), hunt.invariant.c_str(),
                  expected.c_str(), hunt.what.c_str());
    } else {
      continue;
    }
    ++wrong;
  }
  std::printf("%zu of %zu seeded bugs are found\n", hunts.size() - wrong, hunts.size());
  return wrong == 0 && !hunts.empty() && written ? 0 : 1;
}

}  // namespace quorate::testing::simulator
