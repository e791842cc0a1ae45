#include "testing/simulator/run.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "testing/simulator/clients.h"
#include "testing/simulator/disk_audit.h"
#include "testing/simulator/hooks.h"
#include "testing/simulator/judge.h"
#include "testing/simulator/nemesis.h"
#include "testing/simulator/spies.h"
#include "testing/simulator/store_workload.h"

namespace quorate::testing::simulator {
namespace {

// More tasks and timers on a machine where nothing happens are a leak (I-25).
constexpr size_t kIdleTasksMax = 100;

class OneRun {
 public:
  OneRun(const SimulationPlan& plan, const Subject& subject, const WorkloadFactory& workload, const RunOptions& options)
      : plan_(plan),
        hooks_(plan.seed, plan.config.buggify != 0, options.mutant),
        scheduler_(plan.seed * 31),
        referee_(&scheduler_),
        cluster_(&scheduler_, plan, subject, &referee_),
        clients_(&cluster_, plan, workload()),
        nemesis_(&cluster_, plan),
        audits_(plan.seed * 31 + 5) {
    scheduler_.on_event = options.on_event;
    cluster_.SetTrace(options.trace);
    if (options.canary) referee_.ForgetWrites();
    cluster_.on_death = [this](int node) { clients_.NodeDied(node); };
    cluster_.on_burial = [this](int node) {
      clients_.NodeBuried(node);
      nemesis_.OnBurial(node);
    };
    nemesis_.flood = [this](int node, int64_t calls) {
      const absl::Duration timeout = absl::Milliseconds(plan_.config.call_timeout);
      // The first of them may be what kills it.
      for (; calls > 0 && cluster_.At(node).up; --calls) (void)clients_.Call(node, ClientCall::Kind::kPropose, timeout);
    };
    referee_.on_moment = [this](int node, Moment moment) { nemesis_.OnMoment(node, moment); };
  }

  // What processes still complete goes to the clients.
  ~OneRun() { cluster_.TearDown(); }
  OneRun(const OneRun&) = delete;
  OneRun& operator=(const OneRun&) = delete;

  RunResult Go() {
    const Instant start = scheduler_.now();
    cluster_.StartAll();
    clients_.Begin();
    nemesis_.Begin();
    ScheduleAudit();
    RunFor(absl::Milliseconds(plan_.config.duration));
    if (Fine()) Heal();
    if (Fine()) StayQuiet();
    if (Fine()) CheckEqual();
    if (Fine()) Judge();
    if (Fine()) Reopen();
    return Result(start);
  }

 private:
  [[nodiscard]] bool Fine() const { return !referee_.violation().has_value(); }

  void RunFor(absl::Duration span) {
    const Instant end = scheduler_.now() + span;
    while (Fine() && scheduler_.RunNext(end)) {
    }
  }
  // Looks at `condition` now and then; false when it doesn't hold in time.
  template <typename Condition>
  bool RunUntil(Condition condition, absl::Duration limit) {
    const Instant end = scheduler_.now() + limit;
    while (Fine() && scheduler_.now() < end) {
      if (condition()) return true;
      RunFor(std::min(limit / 200, end - scheduler_.now()));
    }
    return condition();
  }

  // Somebody's disk is read back now and then.
  void ScheduleAudit() {
    scheduler_.After(absl::Milliseconds(500 + audits_.Below(4'000)), EventKind::kCheck, Scheduler::kNobody, [this] {
      AuditDisk(&cluster_, static_cast<int>(audits_.Below(static_cast<uint64_t>(cluster_.size()))));
      if (!quiet_) ScheduleAudit();
    });
  }

  [[nodiscard]] absl::Duration HealTime(int64_t spread) const {
    const SimulationConfig& c = plan_.config;
    return absl::Milliseconds(10 * spread * (c.fetch_timeout + c.election_timeout + c.backoff_max));
  }

  // Of those that are expected to take part.
  [[nodiscard]] bool IsCore(int node) { return !cluster_.At(node).lost && !cluster_.At(node).gone; }

  // P5: a majority is enough. Whose death the others can do without is up to the set in force now.
  void BuryAMinority() {
    const int leader = cluster_.Leader();
    if (plan_.config.minority_dead == 0 || leader < 0) return;
    if (cluster_.At(leader).process->Describe().voter_change.has_value()) return;
    std::set<ReplicaKey> keys;
    for (int i = 0; i < cluster_.size(); ++i) {
      if (cluster_.At(i).gone) keys.insert(cluster_.At(i).key);
    }
    for (int i = 0; i < cluster_.size(); ++i) {
      const Cluster::Node& node = cluster_.At(i);
      if (!node.up || i == leader) continue;
      keys.insert(node.key);
      if (referee_.CommittedIsSafeWithout(keys)) {
        cluster_.LoseForGood(i, /*announced=*/false);
      } else {
        keys.erase(node.key);
      }
    }
  }

  // All know the same leader, and it knows itself. -1: no.
  int AgreedLeader() {
    const int leader = cluster_.Leader();
    if (leader < 0) return -1;
    const Leadership& truth = cluster_.At(leader).state->leadership();
    for (int i = 0; i < cluster_.size(); ++i) {
      if (!IsCore(i)) continue;
      const Cluster::Node& node = cluster_.At(i);
      if (!node.up || node.state == nullptr || node.state->leadership().leader != truth.leader ||
          node.state->leadership().epoch != truth.epoch) {
        return -1;
      }
    }
    return leader;
  }

  // Calls until it succeeds or time is up.
  bool Succeeds(ClientCall::Kind kind, int node, Instant end) {
    while (Fine()) {
      const int at = node >= 0 ? node : AgreedLeader();
      if (at >= 0 && cluster_.At(at).up && cluster_.At(at).process != nullptr) {
        const size_t call = clients_.Call(at, kind, absl::Seconds(5));
        RunUntil([&] { return clients_.calls()[call].end != ClientCall::End::kOpen; }, absl::Seconds(10));
        if (clients_.calls()[call].end == ClientCall::End::kOk) return true;
      }
      if (scheduler_.now() >= end) return false;
      RunFor(absl::Milliseconds(20));
    }
    return false;
  }

  void Heal() {
    BuryAMinority();
    nemesis_.End();
    clients_.Stop();
    hooks_.StopBuggify();
    for (int i = 0; i < cluster_.size(); ++i) {
      if (!cluster_.At(i).up && !cluster_.At(i).gone) cluster_.StartAgain(i, absl::Milliseconds(1));
    }
    const absl::Duration time = HealTime(plan_.config.timeout_spread) + absl::Milliseconds(500);
    const Instant end = scheduler_.now() + time;
    if (!RunUntil([&] { return AgreedLeader() >= 0; }, time)) {
      return referee_.Fail("I-26", absl::StrCat("no leader that all agree on within ", absl::FormatDuration(time),
                                                " after the last fault", Who()));
    }
    if (!Succeeds(ClientCall::Kind::kPropose, -1, end)) {
      return referee_.Fail("I-26", absl::StrCat("no write succeeds within ", absl::FormatDuration(time),
                                                " after the last fault", Who()));
    }
    for (int i = 0; i < cluster_.size(); ++i) {
      if (IsCore(i) && !Succeeds(ClientCall::Kind::kRead, i, end)) {
        return referee_.Fail("I-26", absl::StrCat("node ", i, " answers no read within ", absl::FormatDuration(time),
                                                  " after the last fault", Who()));
      }
    }
    const absl::Duration longest = absl::Milliseconds(plan_.config.call_timeout) * 1.25 + absl::Seconds(1);
    if (!RunUntil([&] { return clients_.open() == 0; }, std::max(longest, time))) {
      referee_.Fail("I-26", absl::StrCat(clients_.open(), " calls of clients have no answer after their deadlines"));
    }
  }

  std::string Who() {
    std::string text = ":";
    for (int i = 0; i < cluster_.size(); ++i) {
      const Cluster::Node& node = cluster_.At(i);
      absl::StrAppend(&text, " node ", i);
      if (!node.up || node.process == nullptr) {
        absl::StrAppend(&text, " is down;");
        continue;
      }
      const QuorumDescription now = node.process->Describe();
      absl::StrAppend(&text, " is ", ToString(now.role), " in epoch ", now.epoch.value(), ", leader ",
                      now.leader.value(), ", log ", now.log_start.value(), "..", now.log_end.value(), ", committed ",
                      now.high_watermark.value(), ", ", now.voters.size(), " voters;");
    }
    return text;
  }

  void StayQuiet() {
    // What is still on its way from before - a late duplicate may take two minutes - has no part in this. But a
    // connection whose end is noticed only now costs somebody the sight of its leader: those are waited for.
    RunFor(std::max(cluster_.network().last_break() - scheduler_.now(), absl::ZeroDuration()));
    if (!RunUntil([&] { return AgreedLeader() >= 0; }, HealTime(1))) {
      return referee_.Fail("I-26", absl::StrCat("the leader that all agreed on was lost again", Who()));
    }
    const int leader = AgreedLeader();
    const Epoch epoch = referee_.newest_epoch();
    quiet_ = true;
    RunFor(10 * HealTime(1));
    if (!Fine()) return;
    if (referee_.newest_epoch() != epoch || AgreedLeader() != leader) {
      referee_.Fail("I-27", absl::StrCat("node ", leader, " led epoch ", epoch.value(),
                                         " and nothing happened, but now the newest epoch is ",
                                         referee_.newest_epoch().value(), Who()));
    }
    for (int i = 0; i < cluster_.size(); ++i) {
      if (!IsCore(i) || cluster_.At(i).machine.pending() <= kIdleTasksMax) continue;
      referee_.Fail("I-25", absl::StrCat("node ", i, " has ", cluster_.At(i).machine.pending(),
                                         " tasks and timers, and nothing to do"));
    }
    if (cluster_.network().waiting() > 0) referee_.Fail("I-25", "messages wait at a machine that isn't paused");
  }

  // I-28
  void CheckEqual() {
    const Replica& model = referee_.At(AgreedLeader());
    for (int i = 0; i < cluster_.size(); ++i) {
      if (!IsCore(i)) continue;
      const Replica& replica = referee_.At(i);
      if (replica.log.end() != model.log.end() ||
          replica.log.ChainAt(replica.log.end()) != model.log.ChainAt(model.log.end()) ||
          replica.high_watermark != model.high_watermark ||
          (!replica.voters().empty() && !(replica.voters() == model.voters()))) {
        return referee_.Fail("I-28", absl::StrCat("nodes ", i, " and ", model.node, " differ in the end", Who()));
      }
      cluster_.At(i).state->CheckState();
      if (cluster_.At(i).state->end() != cluster_.At(model.node).state->end()) {
        return referee_.Fail("I-28", absl::StrCat("node ", i, " hasn't applied what node ", model.node, " has"));
      }
    }
  }

  void Judge() {
    Machine clock(&scheduler_, Scheduler::kNobody, plan_.seed, Latencies());
    Xoshiro random(plan_.seed);
    std::unique_ptr<StateMachine> fresh =
        cluster_.subject().machine(SimulatedProcess{Scheduler::kNobody, clock.clock(), &random});
    JudgeClients(referee_.history(), &clients_, fresh.get(), &referee_);
  }

  // I-28: what a power failure leaves of each disk opens again, with all that was acknowledged.
  void Reopen() {
    for (int i = 0; i < cluster_.size(); ++i) {
      cluster_.Kill(i, Survival::kNone, true, std::nullopt);
    }
    RunFor(absl::Milliseconds(1));
    for (int i = 0; i < cluster_.size() && Fine(); ++i) {
      if (absl::Status opened = cluster_.OpenStorageOnce(i); !opened.ok()) {
        referee_.Fail("I-28", absl::StrCat("the disk of node ", i, " doesn't open again: ", opened.message()));
      }
    }
  }

  RunResult Result(Instant start) {
    RunResult result;
    result.violation = referee_.violation();
    result.trace_hash = scheduler_.trace().value();
    result.events = scheduler_.events();
    result.simulated = scheduler_.now() - start;
    result.calls = clients_.calls().size();
    result.succeeded = clients_.succeeded();
    result.elections = referee_.elections();
    result.committed = static_cast<uint64_t>(referee_.history().committed_end().value());
    result.network = cluster_.network().counters();
    result.faults = nemesis_.done();
    result.marks = hooks_.marks();
    result.mutant_was_reached = hooks_.mutant_was_reached();
    return result;
  }

  const SimulationPlan& plan_;
  RunHooks hooks_;
  Scheduler scheduler_;
  Referee referee_;
  Cluster cluster_;
  Clients clients_;
  Nemesis nemesis_;
  Xoshiro audits_;
  bool quiet_ = false;
};

}  // namespace

RunResult Run(const SimulationPlan& plan, const Subject& subject, const WorkloadFactory& workload,
              const RunOptions& options) {
  return OneRun(plan, subject, workload, options).Go();
}

Subject OwnSubject() {
  Subject subject;
  subject.machine = [](const SimulatedProcess&) { return std::make_unique<StoreMachine>(); };
  subject.storage = FileStorageAdapter();
  return subject;
}

WorkloadFactory OwnWorkload(const SimulationPlan& plan) {
  const auto keys = static_cast<int>(plan.config.keys);
  const auto reads = static_cast<int>(plan.config.read_permille);
  return [keys, reads] { return std::make_unique<StoreWorkload>(keys, reads); };
}

}  // namespace quorate::testing::simulator
