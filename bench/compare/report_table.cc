#include "compare/report_table.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quorate::compare {
namespace {

using Value = std::optional<double>;

Value Median(const std::vector<double>& samples) {
  if (samples.empty()) return std::nullopt;
  return bench::Percentile(bench::Sorted(samples), 50);
}
Value Worst(const std::vector<double>& samples) {
  if (samples.empty()) return std::nullopt;
  return *std::max_element(samples.begin(), samples.end());
}

class Tabulator {
 public:
  Tabulator(const std::vector<Contender>& contenders, const std::map<std::string, Measurements>& measured,
            const Plan& plan, const Figures& others, bench::Results* results)
      : contenders_(contenders), measured_(measured), plan_(plan), others_(others), results_(*results) {}

  void Run() {
    MainTable();
    Commits();
    Samples("kill_default", "SIGKILL of the leader to the first acknowledged write, default timeouts",
            [](const Measurements& m) { return Of(m, "kill.default"); });
    Samples("kill_tuned", "SIGKILL of the leader to the first acknowledged write, tuned timeouts",
            [](const Measurements& m) { return Of(m, "kill.tuned"); });
    Samples("pause_default", "SIGSTOP of the leader to the first acknowledged write, default timeouts",
            [](const Measurements& m) { return Of(m, "pause.default"); });
    Samples("pause_tuned", "SIGSTOP of the leader to the first acknowledged write, tuned timeouts",
            [](const Measurements& m) { return Of(m, "pause.tuned"); });
    Samples("transfer_first_write", "Transfer on request to the new leader's first acknowledged write",
            [](const Measurements& m) { return m.transfer_first_write_ms; });
    Samples("transfer_call", "Transfer on request until the call returns",
            [](const Measurements& m) { return m.transfer_call_ms; });
    Samples("start_cold", "Cold start of three nodes to the first acknowledged write",
            [](const Measurements& m) { return m.start_ms; });
    Samples(absl::StrCat("restart_", plan_.entries),
            "Restart of all three after SIGKILL to the first acknowledged write",
            [](const Measurements& m) { return m.restart_ms; });
  }

 private:
  static std::vector<double> Of(const Measurements& measurements, const std::string& name) {
    const auto it = measurements.failovers_ms.find(name);
    return it == measurements.failovers_ms.end() ? std::vector<double>() : it->second;
  }

  const Measurements* Find(const std::string& name) const {
    const auto it = measured_.find(name);
    return it == measured_.end() ? nullptr : &it->second;
  }

  Value Cell(const std::string& name, int callers, size_t bytes,
             const std::function<double(const CommitResult&)>& of) const {
    const Measurements* measurements = Find(name);
    if (measurements == nullptr) return std::nullopt;
    const auto it = measurements->commits.find({callers, bytes});
    if (it == measurements->commits.end() || it->second.latency.count() == 0) return std::nullopt;
    return of(it->second);
  }

  // Of callers in the leader's process, which bench/commit measures.
  Value InProcess(const std::string& figure, double scale = 1) const {
    const auto it = others_.find("commit.in_process." + figure);
    if (it == others_.end()) return std::nullopt;
    return it->second * scale;
  }

  static nlohmann::json Json(const Value& value) {
    return value.has_value() ? nlohmann::json(*value) : nlohmann::json();
  }

  using PerContender = std::function<Value(const std::string& name)>;
  // One row. `bar` as text and as a judgement, which is silent where something wasn't measured.
  void Row(const std::string& work, const PerContender& value, const Value& in_process, const std::string& bar,
           const std::function<std::optional<bool>()>& reached) {
    std::vector<nlohmann::json> row = {work};
    for (const Contender& contender : contenders_) row.push_back(Json(value(contender.name)));
    row.push_back(Json(in_process));
    row.push_back(bar);
    const std::optional<bool> verdict = reached();
    row.push_back(!verdict.has_value() ? nlohmann::json() : nlohmann::json(*verdict ? "yes" : "no"));
    table_.rows.push_back(std::move(row));
  }

  PerContender Each(const std::function<Value(const Measurements&)>& of) const {
    return [this, of](const std::string& name) {
      const Measurements* measurements = Find(name);
      return measurements == nullptr ? std::nullopt : of(*measurements);
    };
  }

  static std::optional<bool> AtMost(const Value& value, const Value& bound) {
    if (!value.has_value() || !bound.has_value()) return std::nullopt;
    return *value <= *bound;
  }
  static std::optional<bool> AtLeast(const Value& value, const Value& bound) { return AtMost(bound, value); }
  static std::optional<bool> Both(std::optional<bool> a, std::optional<bool> b) {
    if (a == false || b == false) return false;
    return a.has_value() && b.has_value() ? std::optional<bool>(true) : std::nullopt;
  }
  static Value Times(const Value& value, double factor) {
    return value.has_value() ? Value(*value * factor) : std::nullopt;
  }

  void MainTable() {
    table_.name = "compare";
    table_.caption = "The same work on each; milliseconds are medians. quorate: its engine host, through a socket";
    table_.columns = {"work"};
    for (const Contender& contender : contenders_) table_.columns.push_back(contender.title);
    for (const char* column : {"quorate in process", "bar", "reached"}) table_.columns.push_back(column);
    FailoverRows();
    CommitRows();
    MemoryAndStartRows();
    results_.tables.push_back(std::move(table_));
  }

  void FailoverRows() {
    const auto median = [this](const std::string& fault) {
      return Each([fault](const Measurements& m) { return Median(Of(m, fault)); });
    };
    const auto worst = [this](const std::string& fault) {
      const Measurements* m = Find("quorate");
      return m == nullptr || Of(*m, fault).empty() ? Value()
                                                   : Value(bench::Percentile(bench::Sorted(Of(*m, fault)), 99));
    };
    for (const std::string fault : {"kill.default", "kill.tuned"}) {
      const PerContender value = median(fault);
      Row(absl::StrCat("SIGKILL of the leader → first write, ", fault.substr(5), " timeouts, ms"), value, std::nullopt,
          "median ≤ 5, p99 ≤ 20", [&] { return Both(AtMost(value("quorate"), 5.0), AtMost(worst(fault), 20.0)); });
    }
    const PerContender paused = median("pause.default");
    Row("SIGSTOP of the leader → first write, default timeouts, ms", paused, std::nullopt, "≤ 250",
        [&] { return AtMost(paused("quorate"), 250.0); });
    Row("SIGSTOP of the leader → first write, tuned timeouts, ms", median("pause.tuned"), std::nullopt, "",
        [] { return std::nullopt; });
    const PerContender transfer = Each([](const Measurements& m) { return Median(m.transfer_first_write_ms); });
    Row("transfer on request → first write, ms", transfer, std::nullopt, "≤ 1.5",
        [&] { return AtMost(transfer("quorate"), 1.5); });
    Row("transfer on request: the call returns, ms",
        Each([](const Measurements& m) { return Median(m.transfer_call_ms); }), std::nullopt, "",
        [] { return std::nullopt; });
  }

  void CommitRows() {
    const auto p50 = [](const CommitResult& r) { return static_cast<double>(r.latency.Percentile(50)) / 1e6; };
    const auto p99 = [](const CommitResult& r) { return static_cast<double>(r.latency.Percentile(99)) / 1e6; };
    const auto rate = [](const CommitResult& r) { return r.ops_per_s(); };
    const auto cpu = [](const CommitResult& r) { return r.cpu_ms_per_1000(); };
    const auto cell = [this](int callers, size_t bytes, const std::function<double(const CommitResult&)>& of) {
      return [this, callers, bytes, of](const std::string& name) { return Cell(name, callers, bytes, of); };
    };
    const PerContender one = cell(1, 100, p50);
    Row("1 caller, 100 B: p50, ms", one, InProcess("1.100.p50_us", 1e-3), "gRPC ≤ 0.6 × etcd; in process ≤ C raft",
        [&] {
          return Both(AtMost(one("quorate_unary"), Times(one("etcd"), 0.6)),
                      AtMost(InProcess("1.100.p50_us", 1e-3), one("craft")));
        });
    const PerContender many = cell(256, 100, rate);
    Row("256 callers, 100 B: ops/s", many, InProcess("256.100.ops_per_s"),
        "unary ≥ 4 × etcd, stream ≥ 6 × etcd, engine ≥ 2 × C raft", [&] {
          const auto grpc = Both(AtLeast(many("quorate_unary"), Times(many("etcd"), 4)),
                                 AtLeast(many("quorate_stream"), Times(many("etcd"), 6)));
          return Both(grpc, AtLeast(many("quorate"), Times(many("craft"), 2)));
        });
    for (const size_t bytes : {size_t{100}, size_t{1024}}) {
      const PerContender thousand = cell(1000, bytes, rate);
      Row(absl::StrCat("1000 callers, ", bytes, " B: ops/s"), thousand,
          InProcess(absl::StrCat("1000.", bytes, ".ops_per_s")), "engine ≥ 2 × C raft",
          [&] { return AtLeast(thousand("quorate"), Times(thousand("craft"), 2)); });
    }
    const PerContender tail = cell(256, 100, p99);
    Row("256 callers, 100 B: p99, ms", tail, InProcess("256.100.p99_us", 1e-3), "≤ 5",
        [&] { return AtMost(tail("quorate"), 5.0); });
    const PerContender cpu_one = cell(1, 100, cpu), cpu_many = cell(1000, 100, cpu);
    Row("servers' CPU per 1000 commits, 1 caller, ms", cpu_one, InProcess("1.100.cpu_ms_per_1000"), "≤ 200",
        [&] { return AtMost(cpu_one("quorate"), 200.0); });
    Row("servers' CPU per 1000 commits, 1000 callers, ms", cpu_many, InProcess("1000.100.cpu_ms_per_1000"), "≤ 8",
        [&] { return AtMost(cpu_many("quorate"), 8.0); });
  }

  void MemoryAndStartRows() {
    const bool whole = plan_.entries == 1'000'000;
    const PerContender memory = Each([](const Measurements& m) { return m.rss_mib; });
    Row(absl::StrCat("memory of the three nodes after ", plan_.entries, " entries over ", plan_.keys, " keys, MiB"),
        memory, std::nullopt, whole ? "≤ 200" : "",
        [&] { return whole ? AtMost(memory("quorate"), 200.0) : std::nullopt; });
    const PerContender cold = Each([](const Measurements& m) { return Median(m.start_ms); });
    Row("cold start → first write, ms", cold, std::nullopt, "≤ 100, worst ≤ 200", [&] {
      const Measurements* quorate = Find("quorate");
      return Both(AtMost(cold("quorate"), 100.0), AtMost(quorate ? Worst(quorate->start_ms) : Value(), 200.0));
    });
    const PerContender again = Each([](const Measurements& m) { return Median(m.restart_ms); });
    Row(absl::StrCat("restart of all three after SIGKILL, ", plan_.entries, " entries → first write, ms"), again,
        std::nullopt, whole ? "≤ 500" : "", [&] { return whole ? AtMost(again("quorate"), 500.0) : std::nullopt; });
  }

  // Every cell of every contender, and the latencies as a chart.
  void Commits() {
    bench::Table table{"commit",
                       "Closed loop, one client program with several connections to the leader, random of 1000 keys",
                       {"system", "callers", "bytes", "p50 ms", "p90 ms", "p99 ms", "ops/s", "CPU ms per 1000"},
                       {}};
    bench::Chart chart{"latency_256_100",
                       "256 callers, 100 B: latency of a write",
                       "milliseconds",
                       "share of the writes",
                       true,
                       false,
                       true,
                       {}};
    for (const Contender& contender : contenders_) {
      const Measurements* measurements = Find(contender.name);
      if (measurements == nullptr) continue;
      for (const auto& [key, result] : measurements->commits) {
        const auto& [callers, bytes] = key;
        const auto ms = [&result = result](double p) {
          return static_cast<double>(result.latency.Percentile(p)) / 1e6;
        };
        table.rows.push_back(
            {contender.title, callers, bytes, ms(50), ms(90), ms(99), result.ops_per_s(), result.cpu_ms_per_1000()});
        const std::string prefix = absl::StrCat("compare.", contender.name, ".commit.", callers, ".", bytes, ".");
        results_.figures[prefix + "p50_us"] = ms(50) * 1e3;
        results_.figures[prefix + "p99_us"] = ms(99) * 1e3;
        results_.figures[prefix + "ops_per_s"] = result.ops_per_s();
        results_.figures[prefix + "cpu_ms_per_1000"] = result.cpu_ms_per_1000();
        if (callers == 256 && bytes == 100) chart.lines.push_back({contender.title, result.latency.Cdf()});
      }
      if (measurements->rss_mib.has_value()) {
        results_.figures[absl::StrCat("compare.", contender.name, ".rss_mib")] = *measurements->rss_mib;
      }
    }
    results_.tables.push_back(std::move(table));
    results_.charts.push_back(std::move(chart));
  }

  void Samples(const std::string& name, const std::string& caption,
               const std::function<std::vector<double>(const Measurements&)>& of) {
    std::vector<bench::Samples> samples;
    for (const Contender& contender : contenders_) {
      const Measurements* measurements = Find(contender.name);
      if (measurements == nullptr || of(*measurements).empty()) continue;
      samples.push_back({contender.name, of(*measurements)});
    }
    if (!samples.empty()) bench::AddSamples(results_, name, caption, samples);
  }

  const std::vector<Contender>& contenders_;
  const std::map<std::string, Measurements>& measured_;
  const Plan& plan_;
  const Figures& others_;
  bench::Results& results_;
  bench::Table table_;
};

}  // namespace

void Tabulate(const std::vector<Contender>& contenders, const std::map<std::string, Measurements>& measured,
              const Plan& plan, const Figures& others, bench::Results* results) {
  Tabulator(contenders, measured, plan, others, results).Run();
}

}  // namespace quorate::compare
