#include "simulator/tally.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quorate::testing::simulator {

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

std::string Tally::Report(const std::string& commit, absl::Duration wall, int jobs) const {
  const double seconds = absl::ToDoubleSeconds(wall);
  std::string text = "| | |\n|---|---|\n";
  const auto line = [&text](absl::string_view name, const std::string& value) {
    absl::StrAppend(&text, "| ", name, " | ", value, " |\n");
  };
  if (!commit.empty()) line("commit", commit);
  line("seeds", absl::StrCat(seeds));
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
  absl::StrAppend(&text, "\n| fault | times |\n|---|---|\n");
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    absl::StrAppend(&text, "| ", ToString(static_cast<FaultKind>(kind)), " | ", faults[static_cast<size_t>(kind)],
                    " |\n");
  }
  absl::StrAppend(&text, "\n| mark | seeds |\n|---|---|\n");
  for (const auto& [mark, count] : marks) absl::StrAppend(&text, "| ", mark, " | ", count, " |\n");
  for (const Failure& failure : failures) {
    absl::StrAppend(&text, "\nseed ", failure.seed, " breaks ", failure.invariant, ": ", failure.what, "\n    ",
                    failure.replay, "\n");
  }
  return text;
}

}  // namespace quorate::testing::simulator
