#include "testing/simulator/shrink.h"

#include <algorithm>
#include <utility>

namespace quorate::testing::simulator {
namespace {

constexpr int kRounds = 4;

class Shrinker {
 public:
  Shrinker(const SimulationPlan& plan, const RunResult& failed, const RunOnce& run, int runs_max)
      : best_{plan, failed, 0}, run_(run), runs_max_(runs_max) {}

  Shrunk Go() {
    DropFaultsAfterTheEnd();
    DropClasses();
    // What couldn't go at first often can when other things are gone.
    for (int round = 0; round < kRounds; ++round) {
      const SimulationPlan before = best_.plan;
      DropFaults();
      CalmDown();
      DropNodes();
      ShortenTime();
      if (best_.plan == before) break;
    }
    return std::move(best_);
  }

 private:
  // True when the smaller plan fails likewise: then it is the best so far.
  bool Try(SimulationPlan plan) {
    if (best_.runs >= runs_max_ || plan == best_.plan) return false;
    ++best_.runs;
    RunResult result = run_(plan);
    if (!result.violation.has_value() || result.violation->invariant != best_.result.violation->invariant) return false;
    best_.plan = std::move(plan);
    best_.result = std::move(result);
    return true;
  }

  void DropFaultsAfterTheEnd() {
    SimulationPlan plan = best_.plan;
    const int64_t end = best_.result.violation->when.nanos() / 1'000'000;
    std::erase_if(plan.faults, [end](const FaultAction& fault) { return fault.at > end; });
    Try(std::move(plan));
  }

  void DropClasses() {
    for (int kind = 0; kind < kFaultKinds; ++kind) {
      SimulationPlan plan = best_.plan;
      std::erase_if(plan.faults,
                    [kind](const FaultAction& fault) { return fault.kind == static_cast<FaultKind>(kind); });
      Try(std::move(plan));
    }
  }

  void DropFaults() {
    for (size_t piece = best_.plan.faults.size() / 2; piece > 0; piece /= 2) {
      for (size_t at = 0; at < best_.plan.faults.size();) {
        SimulationPlan plan = best_.plan;
        const size_t end = std::min(plan.faults.size(), at + piece);
        plan.faults.erase(plan.faults.begin() + static_cast<ptrdiff_t>(at),
                          plan.faults.begin() + static_cast<ptrdiff_t>(end));
        if (!Try(std::move(plan))) at += piece;
      }
    }
  }

  // Every number goes to where it asks least, and where that is too much, half the way.
  void CalmDown() {
    for (const ConfigField& field : ConfigFields()) {
      if (field.member == &SimulationConfig::voters || field.member == &SimulationConfig::observers ||
          field.member == &SimulationConfig::duration) {
        continue;
      }
      SimulationPlan plan = best_.plan;
      plan.config.*field.member = field.calm;
      if (Try(plan)) continue;
      const int64_t value = best_.plan.config.*field.member;
      plan.config.*field.member = field.calm + (value - field.calm) / 2;
      Try(std::move(plan));
    }
  }

  void DropNodes() {
    for (int64_t SimulationConfig::*member : {&SimulationConfig::observers, &SimulationConfig::voters}) {
      for (int64_t fewer = member == &SimulationConfig::voters ? 1 : 0; fewer < best_.plan.config.*member; ++fewer) {
        SimulationPlan plan = best_.plan;
        plan.config.*member = fewer;
        if (Try(std::move(plan))) break;
      }
    }
  }

  void ShortenTime() {
    for (int tries = 0; tries < 6; ++tries) {
      SimulationPlan plan = best_.plan;
      plan.config.duration = plan.config.duration * 2 / 3;
      if (!Try(std::move(plan))) return;
    }
  }

  Shrunk best_;
  const RunOnce& run_;
  const int runs_max_;
};

}  // namespace

Shrunk Shrink(const SimulationPlan& plan, const RunResult& failed, const RunOnce& run, int runs_max) {
  return Shrinker(plan, failed, run, runs_max).Go();
}

}  // namespace quorate::testing::simulator
