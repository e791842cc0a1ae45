#include "compare/rounds.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "compare/closed_loop.h"
#include "compare/failover.h"

namespace quorate::compare {
namespace {

constexpr absl::Duration kWholeMax = absl::Seconds(90);
// Of a commit cell: on a machine that is overwhelmed a leader may lose its office in the middle of one.
constexpr int kAttempts = 3;

class Round {
 public:
  Round(const Contender& contender, const Plan& plan, int round, const std::string& directory, Measurements* out)
      : contender_(contender), plan_(plan), round_(round), directory_(directory), out_(*out) {}

  absl::Status Run() {
    if (absl::Status s = RunDefault(); !s.ok() || contender_.commits_only) return s;
    if (absl::Status s = RunTuned(); !s.ok()) return s;
    return round_ == 0 && plan_.entries > 0 ? RunLarge() : absl::OkStatus();
  }

 private:
  absl::Status RunDefault() {
    if (absl::Status s = StartFresh(Tuning::kDefault); !s.ok()) return s;
    if (absl::Status s = Commits(); !s.ok() || contender_.commits_only) return s;
    if (absl::Status s = Failovers(Fault::kKill, "kill.default", plan_.kills); !s.ok()) return s;
    if (absl::Status s = Failovers(Fault::kPause, "pause.default", plan_.pauses); !s.ok()) return s;
    return Transfers();
  }

  absl::Status RunTuned() {
    if (absl::Status s = StartFresh(Tuning::kTuned); !s.ok()) return s;
    if (absl::Status s = Failovers(Fault::kKill, "kill.tuned", plan_.kills); !s.ok()) return s;
    return Failovers(Fault::kPause, "pause.tuned", plan_.pauses);
  }

  // Memory and restarts with a log that isn't empty.
  absl::Status RunLarge() {
    if (absl::Status s = StartFresh(Tuning::kDefault); !s.ok()) return s;
    Say(absl::StrCat("writing ", plan_.entries, " entries over ", plan_.keys, " keys"));
    const absl::StatusOr<int> leader = system_->WaitUntilWhole(kWholeMax);
    if (!leader.ok()) return leader.status();
    {
      const std::unique_ptr<PutClient> client = system_->Connect({*leader}, plan_.connections);
      if (absl::Status s = Fill(*client, plan_.entries, plan_.keys, 100); !s.ok()) return s;
    }
    if (absl::StatusOr<int> whole = system_->WaitUntilWhole(kWholeMax); !whole.ok()) return whole.status();
    const absl::StatusOr<bench::Usage> usage = system_->TotalUsage();
    if (!usage.ok()) return usage.status();
    out_.rss_mib = static_cast<double>(usage->rss_bytes) / (1 << 20);
    for (int i = 0; i < plan_.restarts; ++i) {
      system_->KillAll();
      const absl::StatusOr<absl::Duration> took = RunStart(*system_, absl::StrCat("restart-", i));
      if (!took.ok()) return took.status();
      Keep(*took, "restart of all three", &out_.restart_ms);
      if (absl::StatusOr<int> whole = system_->WaitUntilWhole(kWholeMax); !whole.ok()) return whole.status();
    }
    return absl::OkStatus();
  }

  absl::Status StartFresh(Tuning tuning) {
    system_.reset();  // before its successor: the ports may be the same
    const std::vector<int> ports = testing::FreePorts(kNodes * kPortsPerNode);
    if (ports.size() != static_cast<size_t>(kNodes * kPortsPerNode)) {
      return absl::UnavailableError("there are not enough free ports on loopback; does another benchmark run?");
    }
    const std::string folder = absl::StrCat(directory_, "/quorate-compare-", getpid(), "-", contender_.name);
    system_ = contender_.make(folder, ports, tuning);
    if (absl::Status s = system_->Format(); !s.ok()) return s;
    const absl::StatusOr<absl::Duration> took = RunStart(*system_, absl::StrCat("start-", round_));
    if (!took.ok()) return took.status();
    if (tuning == Tuning::kDefault && !contender_.commits_only) Keep(*took, "cold start", &out_.start_ms);
    if (absl::StatusOr<int> whole = system_->WaitUntilWhole(kWholeMax); !whole.ok()) return whole.status();
    return absl::OkStatus();
  }

  absl::Status Commits() {
    for (const CommitCell& cell : plan_.cells) {
      absl::StatusOr<CommitResult> result = absl::UnavailableError("not tried");
      for (int attempt = 1; attempt <= kAttempts && !result.ok(); ++attempt) {
        if (attempt > 1) {
          Say(absl::StrCat(cell.callers, " callers, ", cell.bytes, " B: again, since ", result.status().message()));
        }
        result = Commit(cell);
      }
      if (!result.ok()) return result.status();
      Say(absl::StrFormat("%d callers, %d B: p50 %.2f ms, p99 %.2f ms, %.0f ops/s, %.0f ms of CPU per 1000",
                          cell.callers, cell.bytes, static_cast<double>(result->latency.Percentile(50)) / 1e6,
                          static_cast<double>(result->latency.Percentile(99)) / 1e6, result->ops_per_s(),
                          result->cpu_ms_per_1000()));
      out_.commits[{cell.callers, cell.bytes}].Merge(*result);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<CommitResult> Commit(const CommitCell& cell) {
    const absl::StatusOr<int> leader = system_->WaitUntilWhole(kWholeMax);
    if (!leader.ok()) return leader.status();
    const std::unique_ptr<PutClient> client = system_->Connect({*leader}, std::min(cell.callers, plan_.connections));
    if (absl::Status s = MakeKeys(*client); !s.ok()) return s;
    return RunClosedLoop(*system_, *client, cell, absl::Seconds(plan_.seconds / 4), absl::Seconds(plan_.seconds));
  }

  absl::Status Failovers(Fault fault, const std::string& name, int trials) {
    for (int i = 0; i < trials; ++i) {
      const absl::StatusOr<absl::Duration> took = RunFailover(*system_, fault, absl::StrCat(name, "-", round_, "-", i));
      if (!took.ok()) return took.status();
      Keep(*took, name, &out_.failovers_ms[name]);
    }
    return absl::OkStatus();
  }

  absl::Status Transfers() {
    for (int i = 0; system_->CanTransfer() && i < plan_.transfers; ++i) {
      const absl::StatusOr<TransferResult> result = RunTransfer(*system_, absl::StrCat("transfer-", round_, "-", i));
      if (!result.ok()) return result.status();
      out_.transfer_call_ms.push_back(absl::ToDoubleMilliseconds(result->call));
      Keep(result->first_write, "transfer", &out_.transfer_first_write_ms);
    }
    return absl::OkStatus();
  }

  void Keep(absl::Duration took, const std::string& what, std::vector<double>* samples) {
    samples->push_back(absl::ToDoubleMilliseconds(took));
    Say(absl::StrFormat("%s: %.2f ms to the first write", what, samples->back()));
  }
  void Say(const std::string& text) const {
    absl::FPrintF(stderr, "round %d/%d %s: %s\n", round_ + 1, plan_.rounds, contender_.name, text);
  }

  const Contender& contender_;
  const Plan& plan_;
  const int round_;
  const std::string directory_;
  Measurements& out_;
  std::unique_ptr<System> system_;
};

}  // namespace

Plan QuickPlan() {
  Plan plan;
  plan.rounds = 2;
  plan.seconds = 1.5;
  plan.kills = 3;
  plan.pauses = 1;
  plan.transfers = 5;
  plan.entries = 20'000;
  plan.keys = 2'000;
  plan.restarts = 1;
  plan.cells = {{1, 100}, {256, 100}, {1000, 100}, {1000, 1024}};
  return plan;
}

absl::Status RunRound(const Contender& contender, const Plan& plan, int round, const std::string& directory,
                      Measurements* out) {
  return Round(contender, plan, round, directory, out).Run();
}

}  // namespace quorate::compare
