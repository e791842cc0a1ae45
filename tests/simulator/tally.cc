#include "simulator/tally.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quorate::testing::simulator {
namespace {

// A branch that fewer seeds of a long run took is as good as untested.
constexpr uint64_t kSeedsForAMark = 10;

struct Mark {
  absl::string_view id;
  absl::string_view text;
};
// What the library's QUORATE_MARKs stand for: the rare branches that the simulator reaches.
constexpr Mark kMarks[] = {
    {"C-01", "a torn tail of the log was cut"},
    {"C-02", "a corrupt batch was told from a torn one"},
    {"C-04", "a copy of the election state was repaired from the other"},
    {"C-05", "a failed write or fsync halted the node"},
    {"C-07", "a divergence was truncated over two epochs"},
    {"C-08", "a batch of a newer epoch than its answer's was dropped"},
    {"C-09", "an answer to an abandoned fetch was dropped"},
    {"C-10", "a snapshot's transfer began again at 0"},
    {"C-11", "a snapshot was superseded during its transfer"},
    {"C-12", "a snapshot was installed over a longer log that conflicts with it"},
    {"C-13", "a voters record was truncated, and the set before it is in force again"},
    {"C-14", "a leader committed its own removal and left"},
    {"C-15", "a voter change was refused before the leader's first commit"},
    {"C-16", "a replica that isn't a voter by its own log granted a vote"},
    {"C-17", "a pre-vote was refused because of the asker's log"},
    {"C-18", "check-quorum made a leader resign"},
    {"C-19", "a node started in an epoch that it had led"},
    {"C-20", "a vote was asked for again"},
    {"C-21", "a new leader refused to read before its first commit"},
    {"C-22", "reads waited for a fresh quorum round"},
    {"C-25", "a write was reported of a log that had been cut meanwhile"},
    {"C-29", "a state machine that fell behind was loaded from a snapshot"},
    {"C-30", "a start followed upon one that ended in its recovery"},
    {"C-31", "a follower at the end of a purged log was sent a snapshot"},
    {"C-32", "a replica whose disk went back in time was fenced"},
};

std::string MarksTable(const std::map<std::string, uint64_t>& hit) {
  std::map<std::string, uint64_t> rest = hit;
  std::string text = "\n| mark | | seeds |\n|---|---|---|\n";
  std::string rare;
  for (const Mark& mark : kMarks) {
    const uint64_t count = rest[std::string(mark.id)];
    rest.erase(std::string(mark.id));
    absl::StrAppend(&text, "| ", mark.id, " | ", mark.text, " | ", count, " |\n");
    if (count < kSeedsForAMark) absl::StrAppend(&rare, rare.empty() ? "" : ", ", mark.id);
  }
  for (const auto& [id, count] : rest) absl::StrAppend(&text, "| ", id, " | | ", count, " |\n");
  if (!rare.empty()) absl::StrAppend(&text, "\nFewer than ", kSeedsForAMark, " seeds reached ", rare, ".\n");
  return text;
}

std::string FaultsTable(const std::array<uint64_t, kFaultKinds>& faults) {
  std::string text = "\n| fault | times |\n|---|---|\n";
  uint64_t sum = 0;
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    const uint64_t times = faults[static_cast<size_t>(kind)];
    sum += times;
    absl::StrAppend(&text, "| ", ToString(static_cast<FaultKind>(kind)), " | ", times, " |\n");
  }
  absl::StrAppend(&text, "| all | ", sum, " |\n");
  return text;
}

}  // namespace

void Tally::Add(const RunResult& run) {
  ++seeds;
  simulated += run.simulated;
  events += run.events;
  calls += run.calls;
  succeeded += run.succeeded;
  elections += run.elections;
  committed += run.committed;
  hash += run.trace_hash;
  network.sent += run.network.sent;
  network.delivered += run.network.delivered;
  network.lost += run.network.lost;
  network.duplicated += run.network.duplicated;
  network.tampered += run.network.tampered;
  network.refused += run.network.refused;
  network.unconnected += run.network.unconnected;
  network.cut_off += run.network.cut_off;
  for (size_t kind = 0; kind < faults.size(); ++kind) faults[kind] += run.faults[kind];
  for (const auto& [mark, count] : run.marks) ++marks[mark];
}

std::string Tally::Report(const std::string& commit, uint64_t first, absl::Duration wall, int jobs) const {
  const double seconds = absl::ToDoubleSeconds(wall);
  std::string text = "| | |\n|---|---|\n";
  const auto line = [&text](absl::string_view name, const std::string& value) {
    absl::StrAppend(&text, "| ", name, " | ", value, " |\n");
  };
  if (!commit.empty()) line("commit", commit);
  line("seeds", absl::StrCat(seeds, seeds == 0 ? "" : absl::StrCat(", ", first, " to ", first + seeds - 1)));
  line("failures", absl::StrCat(failures.size()));
  line("virtual time", absl::StrFormat("%.1f days", absl::ToDoubleHours(simulated) / 24));
  line("events", absl::StrFormat("%.1f million, %.0f thousand a second and thread", static_cast<double>(events) / 1e6,
                                 static_cast<double>(events) / 1e3 / seconds / jobs));
  line("wall time", absl::StrFormat("%.0f s with %d threads: %.0f times real time each", seconds, jobs,
                                    absl::ToDoubleSeconds(simulated) / seconds / jobs));
  line("client calls", absl::StrCat(calls, ", ", succeeded, " with success"));
  line("records committed", absl::StrCat(committed));
  line("elections won", absl::StrCat(elections));
  line("messages", absl::StrCat(network.sent, " sent, ", network.lost, " lost, ", network.duplicated, " repeated, ",
                                network.tampered, " damaged, ", network.cut_off, " cut off"));
  line("trace hash", absl::StrFormat("%016x", hash));
  absl::StrAppend(&text, FaultsTable(faults), MarksTable(marks));
  for (const Failure& failure : failures) {
    absl::StrAppend(&text, "\nseed ", failure.seed, " breaks ", failure.invariant, ": ", failure.what, "\n    ",
                    failure.replay, "\n");
  }
  return text;
}

}  // namespace quorate::testing::simulator
