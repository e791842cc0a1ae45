#include "report.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace quorate::bench {
namespace {

std::string PrefixOf(const Scenario& scenario) {
  std::string prefix = absl::StrCat("election.", NameOf(scenario.fault), ".", scenario.timeouts);
  if (scenario.voters != 3) absl::StrAppend(&prefix, ".voters_", scenario.voters);
  if (scenario.load != 0) absl::StrAppend(&prefix, ".load_", scenario.load);
  return prefix;
}

std::string CaptionOf(const Scenario& scenario) {
  return absl::StrCat(NameOf(scenario.fault), ", ", scenario.timeouts, " timeouts, ", scenario.voters,
                      scenario.voters == 1 ? " voter" : " voters",
                      scenario.load == 0 ? "" : absl::StrCat(", ", scenario.load, " callers beside it"));
}

std::vector<Samples> PhasesOf(const FailoverResult& result) {
  std::vector<Samples> phases = {result.noticed,      result.pre_vote_won, result.vote_won,
                                 result.known_to_all, result.first_write,  result.published};
  if (!result.call_returned.milliseconds.empty()) phases.push_back(result.call_returned);
  return phases;
}

nlohmann::json PercentileOrNull(const std::vector<double>& values, double p) {
  if (values.empty()) return {};
  return Percentile(Sorted(values), p);
}

void AddFigures(const Scenario& scenario, const std::vector<Samples>& phases, Results* results) {
  const std::string prefix = PrefixOf(scenario);
  const auto add = [&](const std::string& name, const std::vector<double>& values, const char* unit) {
    if (values.empty()) return;
    const std::vector<double> sorted = Sorted(values);
    for (const auto& [suffix, p] : {std::pair("median", 50.0), {"p90", 90.0}, {"p99", 99.0}, {"max", 100.0}}) {
      results->figures[absl::StrCat(prefix, ".", name, "_", suffix, unit)] = Percentile(sorted, p);
    }
  };
  for (const Samples& phase : phases) {
    add(absl::StrReplaceAll(phase.name, {{" ", "_"}, {"-", "_"}}), phase.milliseconds, "_ms");
  }
  add("silence_in_force", scenario.result.silence.milliseconds, "_ms");
  add("first_write_in_silences", scenario.result.silences_until_write, "");
  results->figures[prefix + ".trials"] = static_cast<double>(scenario.result.first_write.milliseconds.size());
  results->figures[prefix + ".elections_between"] = scenario.result.unexpected;
}

void AddPhases(const Scenario& scenario, const std::vector<Samples>& phases, Results* results) {
  Table table{absl::StrReplaceAll(PrefixOf(scenario), {{".", "-"}}),
              absl::StrCat(CaptionOf(scenario), ": milliseconds from the fault"),
              {"phase", "trials", "min", "median", "p90", "p99", "max"},
              {}};
  Chart chart{table.name, CaptionOf(scenario), "milliseconds", "share of the trials", true, false, true, {}};
  for (const Samples& phase : phases) {
    const std::vector<double> sorted = Sorted(phase.milliseconds);
    std::vector<nlohmann::json> row = {phase.name, sorted.size()};
    for (double p : {0.0, 50.0, 90.0, 99.0, 100.0}) row.push_back(Percentile(sorted, p));
    table.rows.push_back(std::move(row));
    chart.lines.push_back({phase.name, Cdf(phase)});
  }
  results->tables.push_back(std::move(table));
  results->charts.push_back(std::move(chart));
}

}  // namespace

void AddScenarios(const std::vector<Scenario>& scenarios, Results* results) {
  if (scenarios.empty()) return;
  Table summary{
      "first-write",
      "From the fault to the first acknowledged write of the next leader, milliseconds; the same as multiples "
      "of the silence that the followers would have borne (median, worst)",
      {"work", "trials", "min", "median", "p90", "p99", "max", "silence", "x median", "x worst"},
      {}};
  Chart chart{"first-write",  "The leader is gone: first acknowledged write",
              "milliseconds", "share of the trials",
              true,           false,
              true,           {}};
  for (const Scenario& scenario : scenarios) {
    const std::vector<Samples> phases = PhasesOf(scenario.result);
    AddFigures(scenario, phases, results);
    AddPhases(scenario, phases, results);
    const FailoverResult& result = scenario.result;
    const std::vector<double> sorted = Sorted(result.first_write.milliseconds);
    std::vector<nlohmann::json> row = {CaptionOf(scenario), sorted.size()};
    for (double p : {0.0, 50.0, 90.0, 99.0, 100.0}) row.push_back(Percentile(sorted, p));
    // Only who goes silent without a sign is found out by silence.
    const bool silent = scenario.fault == Fault::kHang || scenario.fault == Fault::kCut;
    row.push_back(PercentileOrNull(silent ? result.silence.milliseconds : std::vector<double>(), 50));
    row.push_back(PercentileOrNull(silent ? result.silences_until_write : std::vector<double>(), 50));
    row.push_back(PercentileOrNull(silent ? result.silences_until_write : std::vector<double>(), 100));
    summary.rows.push_back(std::move(row));
    chart.lines.push_back({CaptionOf(scenario), Cdf(result.first_write)});
    if (result.unexpected > 0) {
      results->notes.push_back(absl::StrCat(CaptionOf(scenario), ": ", result.unexpected,
                                            " elections between two trials that nobody had asked for"));
    }
  }
  results->tables.push_back(std::move(summary));
  results->charts.push_back(std::move(chart));
}

}  // namespace quorate::bench
