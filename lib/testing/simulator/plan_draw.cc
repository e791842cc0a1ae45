// The swarm: what a seed's run looks like.
#include <algorithm>

#include "base/xoshiro.h"
#include "testing/simulator/plan.h"

namespace quorate::testing::simulator {
namespace {

class Lots {
 public:
  explicit Lots(uint64_t seed) : random_(seed) {}
  bool Half() { return random_.Below(2) == 0; }
  bool OneIn(uint64_t n) { return random_.Below(n) == 0; }
  int64_t Between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(most - least + 1)));
  }
  // Each order of magnitude as likely as any other.
  int64_t Magnitude(int64_t least, int64_t most) {
    int steps = 0;
    for (int64_t value = least; value < most; value *= 2) ++steps;
    const int64_t value = least << Between(0, steps);
    return std::min(most, value + Between(0, value - 1));
  }
  template <typename T, size_t n>
  T OneOf(const T (&all)[n]) {
    return all[random_.Below(n)];
  }

 private:
  Xoshiro random_;
};

void DrawNodes(Lots* lots, SimulationConfig* config) {
  config->voters = lots->OneOf<int64_t>({1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 5, 7});
  config->observers = lots->OneOf<int64_t>({0, 0, 0, 0, 1, 1, 2, 4});
  config->duration = lots->OneOf<int64_t>({5'000, 10'000, 20'000, 20'000, 40'000, 60'000});
  const int64_t base = lots->Magnitude(50, 800);
  config->election_timeout = base;
  config->fetch_timeout = base * lots->Between(1, 3);
  config->backoff_max = std::max<int64_t>(1, base * lots->Between(1, 20) / 10);
  config->request_timeout = base * lots->Between(1, 3);
  config->retry_backoff = std::max<int64_t>(1, base / lots->Between(5, 50));
  config->silence_min = std::max<int64_t>(1, config->fetch_timeout / lots->Between(1, 4));
  config->disk_stall_timeout = base * lots->Between(1, 5);
  if (lots->OneIn(4)) config->timeout_spread = lots->Between(2, 5);
  config->segment_bytes = lots->Magnitude(8 << 10, 1 << 20);
  config->batch_bytes = lots->Half() ? 1024 : lots->Magnitude(1024, 1 << 20);
  config->fetch_credit_bytes = lots->Half() ? 1024 : lots->Magnitude(1024, 4 << 20);
  config->tail_cache_bytes = lots->Half() ? 1 << 20 : lots->Magnitude(512, 1 << 16);
  config->snapshot_log_bytes = lots->Half() ? 0 : lots->Magnitude(512, 1 << 18);
  config->snapshot_interval = lots->OneIn(4) ? lots->Between(200, 5'000) : 0;
  config->dynamic_voters = lots->Half() ? 1 : 0;
  config->priorities = config->voters >= 3 && lots->OneIn(5) ? 1 : 0;
  config->minority_dead = config->voters >= 3 && config->priorities == 0 && lots->OneIn(4) ? 1 : 0;
  config->auto_join = config->dynamic_voters != 0 && lots->OneIn(3) ? 1 : 0;
  config->buggify = lots->Half() ? 1 : 0;
}

void DrawWorld(Lots* lots, SimulationConfig* config) {
  config->delay_us = lots->Magnitude(20, 20'000);
  if (lots->Half()) config->delay_tail_permille = lots->Between(1, 50);
  if (lots->Half()) config->loss_permille = lots->OneIn(3) ? lots->Between(1, 300) : lots->Between(1, 50);
  if (lots->Half()) config->duplicate_permille = lots->OneIn(3) ? lots->Between(1, 500) : lots->Between(1, 50);
  if (lots->Half()) config->tamper_permille = lots->Between(1, 50);
  config->reorder = lots->Half() ? 1 : 0;
  config->disk_us = lots->Magnitude(20, 20'000);
  if (lots->Half()) config->disk_tail_permille = lots->Between(1, 30);
  config->apply_us = lots->Magnitude(1, 2'000);
  if (lots->OneIn(3)) config->apply_tail_permille = lots->Between(1, 30);
  if (lots->Half()) config->recovery_crash_permille = lots->Between(50, 500);
  config->clients = lots->Between(1, 10);
  config->think = lots->Magnitude(5, 500);
  config->keys = lots->Between(1, 5);
  config->read_permille = lots->Between(0, 700);
  config->stale_permille = lots->Between(0, 200);
  config->call_timeout = lots->Magnitude(50, 10'000);
}

int AnyNode(Lots* lots, const SimulationConfig& config) {
  if (lots->OneIn(4)) return kTheLeader;
  if (lots->OneIn(8)) return kAFollower;
  return static_cast<int>(lots->Between(0, config.voters + config.observers - 1));
}

// How long a fault lasts: often about as long as the timeouts, sometimes far longer.
int64_t Length(Lots* lots, const SimulationConfig& config) {
  const int64_t timeout = config.fetch_timeout + config.election_timeout;
  return lots->OneIn(5) ? lots->Between(timeout, timeout * 10) : lots->Between(1, timeout * 2);
}

// The links of one node are cut one after the other, and healed in another order (FoundationDB's swizzle).
void AddSwizzle(Lots* lots, const SimulationConfig& config, const FaultAction& seed, std::vector<FaultAction>* out) {
  const int64_t nodes = config.voters + config.observers;
  const int64_t victim = lots->Between(0, nodes - 1);
  int64_t at = seed.at;
  for (int64_t other = 0; other < nodes; ++other) {
    if (other == victim) continue;
    const bool outwards = lots->Half();
    FaultAction cut = seed;
    cut.at = at += lots->Between(0, config.fetch_timeout);
    cut.kind = FaultKind::kCutLink;
    cut.node = static_cast<int>(outwards ? victim : other);
    cut.b = outwards ? other : victim;
    cut.a = Length(lots, config);
    out->push_back(cut);
  }
}

void AddFault(Lots* lots, const SimulationConfig& config, FaultKind kind, int64_t at, std::vector<FaultAction>* out) {
  const int64_t nodes = config.voters + config.observers;
  FaultAction fault{at, kind, AnyNode(lots, config), Length(lots, config), lots->Between(0, 1)};
  switch (kind) {
    case FaultKind::kCrashAtCall:
      fault.a = lots->Between(1, 40);
      break;
    case FaultKind::kCrashAtSend:
      fault.a = lots->Between(1, 20);
      break;
    case FaultKind::kIsolate:
      fault.b = lots->Between(0, 2);
      break;
    case FaultKind::kPartition:
    case FaultKind::kBitFlip:
    case FaultKind::kTornSlot:
    case FaultKind::kLoseFiles:
      fault.b = lots->Between(0, 1 << 30);
      break;
    case FaultKind::kCutLink:
      if (lots->OneIn(3)) return AddSwizzle(lots, config, fault, out);
      [[fallthrough]];
    case FaultKind::kClog:
    case FaultKind::kSwap:
    case FaultKind::kTransfer:
      fault.b = lots->Between(0, nodes - 1);
      break;
    case FaultKind::kDiskError:
      fault.a = lots->Between(1, 10);
      fault.b = lots->Between(0, 3);
      break;
    case FaultKind::kDiskFull:
      fault.b = lots->Magnitude(1, 1 << 16);
      break;
    case FaultKind::kClockRate:
      fault.b = fault.a;
      fault.a = lots->OneIn(2) ? lots->Between(500, 1'000) : lots->Between(1'000, 2'000);
      break;
    case FaultKind::kAddVoter:
    case FaultKind::kRemoveVoter:
      // And something befalls the leader while the new set is only in its log.
      if (lots->Half()) {
        const bool dies = config.minority_dead != 0 && lots->Half();
        const int64_t blow = dies ? static_cast<int64_t>(Blow::kLastWord) : lots->Between(0, kBlows - 3);
        out->push_back({at, FaultKind::kStrike, kTheLeader, static_cast<int64_t>(Moment::kChangesVoters), blow});
      }
      // Or the next leader is asked before it may (M-32).
      if (lots->OneIn(4)) {
        out->push_back({at, FaultKind::kStrike, kTheLeader, static_cast<int64_t>(Moment::kBecomesLeader),
                        static_cast<int64_t>(Blow::kChangeVoters)});
      }
      break;
    case FaultKind::kReplaceDisk:
      // Its operator forgets that the old disk has to go first, and asks again (M-37).
      if (fault.node < 0) fault.node = static_cast<int>(lots->Between(0, nodes - 1));
      if (lots->Half()) {
        const int64_t pause = config.fetch_timeout + config.election_timeout;
        out->push_back({at + fault.a + pause, FaultKind::kAddVoter, fault.node, 0, 0});
        out->push_back({at + fault.a + pause * 3, FaultKind::kAddVoter, fault.node, 0, 0});
      }
      break;
    case FaultKind::kBlackout:
      fault.b = Length(lots, config);
      break;
    case FaultKind::kForsake:
      fault.node = kTheLeader;
      fault.a = (config.fetch_timeout + config.election_timeout) * lots->Between(3, 8);
      fault.b = lots->Magnitude(16, 512);
      break;
    case FaultKind::kStranger:
      fault.a = (config.fetch_timeout + config.election_timeout) * lots->Between(2, 10);
      break;
    case FaultKind::kWallJump:
      fault.a = lots->OneOf<int64_t>({-1'577'836'800, 2'700'000'000, -3'600, 3'600, 1});
      break;
    case FaultKind::kStrike:
      fault.node = lots->Half() ? kTheLeader : fault.node;
      fault.a = lots->Between(0, kMoments - 1);
      fault.b = lots->Between(0, kBlows - 1);
      break;
    default:
      break;
  }
  out->push_back(fault);
}

}  // namespace

SimulationPlan DrawPlan(uint64_t seed) {
  Lots lots(seed * 0x9e3779b97f4a7c15 + 0x5eed);
  SimulationPlan plan;
  plan.seed = seed;
  DrawNodes(&lots, &plan.config);
  DrawWorld(&lots, &plan.config);
  std::vector<FaultKind> enabled;
  const bool all_disks_matter = plan.config.priorities != 0 || plan.config.minority_dead != 0;
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    const bool loses_disk =
        kind == static_cast<int>(FaultKind::kReplaceDisk) || kind == static_cast<int>(FaultKind::kRollBack);
    if (lots.Half() && !(loses_disk && all_disks_matter)) enabled.push_back(static_cast<FaultKind>(kind));
  }
  if (enabled.empty()) return plan;
  const int64_t interval = lots.Magnitude(200, 4'000);
  // The cluster gets a moment to come up in most runs: faults during the first election are tested by the others.
  int64_t at = lots.OneIn(4) ? 0 : plan.config.election_timeout * 3;
  for (at += lots.Between(0, interval); at < plan.config.duration; at += lots.Between(1, 2 * interval)) {
    const FaultKind kind = enabled[static_cast<size_t>(lots.Between(0, static_cast<int64_t>(enabled.size()) - 1))];
    AddFault(&lots, plan.config, kind, at, &plan.faults);
  }
  std::stable_sort(plan.faults.begin(), plan.faults.end(),
                   [](const FaultAction& x, const FaultAction& y) { return x.at < y.at; });
  return plan;
}

}  // namespace quorate::testing::simulator
