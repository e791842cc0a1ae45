#include "simulator/mutants.h"

#include "absl/strings/str_cat.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"

namespace quorate::testing::simulator {

const std::vector<Mutant>& Mutants() {
  static const std::vector<Mutant> mutants = {
      {"M-01", "a vote leaves the node before it is on the disk"},
      {"M-02", "a restarted leader leads on in its old epoch"},
      {"M-03", "logs are compared by their length alone"},
      {"M-04", "a vote that is repeated counts again"},
      {"M-05", "an answer with a higher epoch counts as a vote"},
      {"M-06", "an observer doesn't vote, though a candidate knows it for a voter"},
      {"M-07", "a node outside the voter set counts itself"},
      {"M-08", "a pre-vote looks at liveness only, not at the log"},
      {"M-09", "check-quorum never resigns"},
      {"M-10", "refused votes and old messages put off the election"},
      {"M-11", "a leader enters a later epoch before it stops leading"},
      {"M-12", "an observer stands for election"},
      {"M-13", "a follower acknowledges what isn't on its disk"},
      {"M-14", "the leader counts its own log before it is durable"},
      {"M-15", "a leader commits records of earlier epochs by counting"},
      {"M-16", "fetched batches aren't checked against the answer's epoch"},
      {"M-17", "an answer to an abandoned fetch is used"},
      {"M-18", "the leader's high watermark is taken over an unproven log"},
      {"M-19", "a diverging log isn't truncated far enough"},
      {"M-20", "a replica whose disk went back keeps its old acknowledgement"},
      {"M-21", "a snapshot stands for more than was applied"},
      {"M-22", "what was known of the old log survives the installation of a snapshot"},
      {"M-23", "a received snapshot is installed without being verified"},
      {"M-24", "a follower at the end of a purged log gets no snapshot"},
      {"M-25", "a conflict below the high watermark is ignored"},
      {"M-26", "a log that ends below what was committed is accepted"},
      {"M-27", "a new leader answers reads before it has committed anything"},
      {"M-28", "a read uses a quorum round that began before it"},
      {"M-29", "reads are answered by a leader that handed over"},
      {"M-31", "a proposal that may be in the log is called not applied"},
      {"M-32", "voters are changed before the leader has committed in its epoch"},
      {"M-33", "a truncated voters record stays in force"},
      {"M-34", "a newcomer votes before it has caught up"},
      {"M-35", "a leader that removed itself leads on"},
      {"M-36", "a removed voter lets itself in again"},
      {"M-37", "an id may be in the voter set twice"},
      {"M-40", "a snapshot carries the newest voter set, committed or not"},
      {"R-01", "a write is reported before it is synced"},
      {"R-02", "a snapshot is renamed before it is synced"},
      {"R-03", "the log is trimmed before the snapshot is verified"},
      {"R-04", "a corrupt batch is cut off like a torn one"},
      {"R-06", "what a start finds at the end of the log is taken for durable"},
      {"F-D09", "a failed write is taken for a success"},
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
    const RunResult result = Run(plan, OwnSubject(), OwnWorkload(plan), options);
    hunt.reached = hunt.reached || result.mutant_was_reached;
    if (!result.violation.has_value()) continue;
    hunt.seed = seed;
    hunt.invariant = result.violation->invariant;
    hunt.what = result.violation->what;
    return hunt;
  }
  return hunt;
}

std::string HuntTable(const std::vector<Hunt>& hunts) {
  std::string text = "| seeded bug | | broken invariant | seeds needed |\n|---|---|---|---|\n";
  for (const Hunt& hunt : hunts) {
    absl::StrAppend(&text, "| ", hunt.mutant.id, " | ", hunt.mutant.what, " | ",
                    hunt.seed.has_value() ? hunt.invariant : "-", " | ",
                    hunt.seed.has_value() ? absl::StrCat(hunt.seeds)
                    : hunt.reached        ? absl::StrCat("not found in ", hunt.seeds)
                                          : "not in the code",
                    " |\n");
  }
  return text;
}

}  // namespace quorate::testing::simulator
