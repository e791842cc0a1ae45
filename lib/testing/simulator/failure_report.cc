#include "testing/simulator/failure_report.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quorate::testing::simulator {
namespace {

struct Invariant {
  absl::string_view id;
  absl::string_view text;
};
constexpr Invariant kInvariants[] = {
    {"I-01", "at most one leader in each epoch, over the whole history"},
    {"I-02", "a replica grants at most one candidate its vote in an epoch, restarts included"},
    {"I-03", "epochs never fall, and what a message says is stored before it is said"},
    {"I-04", "a leader never truncates its own log"},
    {"I-05", "the same offset and epoch in two logs mean the same bytes there and before"},
    {"I-06", "whoever is elected has everything that was ever committed"},
    {"I-07", "one record at each committed offset, on all nodes and for ever"},
    {"I-08", "what a leader commits is on the disks of a majority of the voters in force"},
    {"I-09", "a leader commits only through a record of its own epoch"},
    {"I-10", "high watermarks don't fall, and don't pass the end of the log"},
    {"I-11", "log start <= snapshot <= applied <= high watermark <= log end, all at batch boundaries"},
    {"I-12", "only what is on the disk is acknowledged"},
    {"I-13", "nothing committed is truncated, nothing is trimmed without a snapshot that covers it"},
    {"I-14", "voter sets change by one voter at a time, and the latest in the log is in force"},
    {"I-15", "any two majorities that could decide at the same time share a voter"},
    {"I-16", "only voters of the set in force count"},
    {"I-17", "the same records lead to the same state and the same answers on every node"},
    {"I-18", "a state machine that is loaded from a snapshot goes on as the one that it was taken of"},
    {"I-20", "the answers that clients got are those of a single copy"},
    {"I-21", "an acknowledged proposal takes effect once, a refused one never"},
    {"I-23", "a state machine is shown what is committed, in order, without a gap"},
    {"I-24", "every call is completed exactly once"},
    {"I-25", "what waits is bounded, and nothing grows when nothing happens"},
    {"I-26", "soon after the last fault there is a leader, and all calls end"},
    {"I-27", "without faults there are no elections"},
    {"I-28", "in the end all nodes have the same, and their disks open again"},
    {"I-29", "damaged bytes are never passed on"},
    {"I-30", "a node that stops itself has a reason, and says it"},
};

std::string Seconds(Instant when) { return absl::StrFormat("%.6f s", static_cast<double>(when.nanos()) / 1e9); }

}  // namespace

absl::string_view InvariantText(absl::string_view invariant) {
  for (const Invariant& known : kInvariants) {
    if (known.id == invariant) return known.text;
  }
  return "";
}

std::string FailureReport(const SimulationPlan& drawn, const RunResult& failed, const Shrunk& shrunk) {
  const Violation& violation = *shrunk.result.violation;
  std::string report =
      absl::StrCat("seed ", drawn.seed, " breaks ", violation.invariant, ": ", InvariantText(violation.invariant),
                   "\n\n  ", violation.what, "\n  at ", Seconds(violation.when), " of virtual time\n\n");
  if (shrunk.runs > 0) {
    const size_t left = shrunk.plan.faults.size();
    absl::StrAppend(&report, "As drawn: ", drawn.faults.size(), " faults, and it failed at ",
                    Seconds(failed.violation->when), ". ", shrunk.runs, " tries left ",
                    left == 0 ? "none" : absl::StrCat(left), " of them:\n\n");
  }
  absl::StrAppend(&report, PrintPlan(shrunk.plan));
  return report;
}

}  // namespace quorate::testing::simulator
