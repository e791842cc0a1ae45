// Plans as text, and back.
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "quorate/status.h"
#include "testing/simulator/plan.h"

namespace quorate::testing::simulator {
namespace {

using C = SimulationConfig;

constexpr ConfigField kFields[] = {
    {"voters", &C::voters, 3},
    {"observers", &C::observers, 0},
    {"duration", &C::duration, 5'000},
    {"election_timeout", &C::election_timeout, 300},
    {"fetch_timeout", &C::fetch_timeout, 600},
    {"backoff_max", &C::backoff_max, 300},
    {"request_timeout", &C::request_timeout, 600},
    {"retry_backoff", &C::retry_backoff, 20},
    {"silence_min", &C::silence_min, 150},
    {"disk_stall_timeout", &C::disk_stall_timeout, 600},
    {"timeout_spread", &C::timeout_spread, 1},
    {"segment_bytes", &C::segment_bytes, 1 << 20},
    {"batch_bytes", &C::batch_bytes, 1 << 20},
    {"fetch_credit_bytes", &C::fetch_credit_bytes, 4 << 20},
    {"tail_cache_bytes", &C::tail_cache_bytes, 1 << 20},
    {"snapshot_log_bytes", &C::snapshot_log_bytes, 0},
    {"snapshot_interval", &C::snapshot_interval, 0},
    {"dynamic_voters", &C::dynamic_voters, 0},
    {"auto_join", &C::auto_join, 0},
    {"priorities", &C::priorities, 0},
    {"minority_dead", &C::minority_dead, 0},
    {"delay_us", &C::delay_us, 100},
    {"delay_tail_permille", &C::delay_tail_permille, 0},
    {"loss_permille", &C::loss_permille, 0},
    {"duplicate_permille", &C::duplicate_permille, 0},
    {"tamper_permille", &C::tamper_permille, 0},
    {"reorder", &C::reorder, 0},
    {"disk_us", &C::disk_us, 500},
    {"disk_tail_permille", &C::disk_tail_permille, 0},
    {"apply_us", &C::apply_us, 5},
    {"apply_tail_permille", &C::apply_tail_permille, 0},
    {"recovery_crash_permille", &C::recovery_crash_permille, 0},
    {"clients", &C::clients, 1},
    {"think", &C::think, 50},
    {"keys", &C::keys, 1},
    {"read_permille", &C::read_permille, 0},
    {"stale_permille", &C::stale_permille, 0},
    {"call_timeout", &C::call_timeout, 2'000},
    {"buggify", &C::buggify, 0},
};

constexpr std::array<absl::string_view, kFaultKinds> kKindNames = {
    "kill",      "power-loss", "crash-at-call", "crash-at-send", "stop",         "pause",        "isolate",
    "partition", "cut-link",   "clog",          "break",         "swap",         "disk-stall",   "disk-error",
    "disk-full", "bit-flip",   "torn-slot",     "roll-back",     "clock-rate",   "wall-jump",    "strike",
    "snapshot",  "transfer",   "suspect",       "add-voter",     "remove-voter", "false-leader", "replace-disk",
    "blackout",  "forsake",    "false-history", "lose-files",    "stranger"};

absl::Status BadLine(absl::string_view line, absl::string_view why) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                   absl::StrCat("the plan's line \"", line, "\" ", why));
}

std::string NodeText(int node) {
  if (node == kTheLeader) return "leader";
  if (node == kAFollower) return "follower";
  return absl::StrCat(node);
}

// "at 1200 crash-at-call node=leader a=3 b=1"
absl::StatusOr<FaultAction> ParseFault(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  FaultAction fault;
  if (words.size() != 6 || !absl::SimpleAtoi(words[1], &fault.at)) {
    return BadLine(line, "isn't: at TIME KIND node=N a=N b=N");
  }
  int kind = 0;
  while (kind < kFaultKinds && kKindNames[static_cast<size_t>(kind)] != words[2]) ++kind;
  if (kind == kFaultKinds) return BadLine(line, "names no known fault");
  fault.kind = static_cast<FaultKind>(kind);
  const std::pair<absl::string_view, absl::string_view> node = absl::StrSplit(words[3], absl::MaxSplits('=', 1));
  const std::pair<absl::string_view, absl::string_view> a = absl::StrSplit(words[4], absl::MaxSplits('=', 1));
  const std::pair<absl::string_view, absl::string_view> b = absl::StrSplit(words[5], absl::MaxSplits('=', 1));
  if (node.second == "leader") {
    fault.node = kTheLeader;
  } else if (node.second == "follower") {
    fault.node = kAFollower;
  } else if (!absl::SimpleAtoi(node.second, &fault.node)) {
    return BadLine(line, "names no node");
  }
  if (!absl::SimpleAtoi(a.second, &fault.a) || !absl::SimpleAtoi(b.second, &fault.b)) {
    return BadLine(line, "has no numbers a and b");
  }
  return fault;
}

}  // namespace

absl::Span<const ConfigField> ConfigFields() { return kFields; }

absl::string_view ToString(FaultKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::string PrintPlan(const SimulationPlan& plan) {
  std::string text = absl::StrCat("seed=", plan.seed, "\n");
  for (const ConfigField& field : kFields) {
    const int64_t value = plan.config.*field.member;
    if (value != field.calm) absl::StrAppend(&text, field.name, "=", value, "\n");
  }
  for (const FaultAction& fault : plan.faults) {
    absl::StrAppend(&text, "at ", fault.at, " ", ToString(fault.kind), " node=", NodeText(fault.node), " a=", fault.a,
                    " b=", fault.b, "\n");
  }
  return text;
}

absl::StatusOr<SimulationPlan> ParsePlan(absl::string_view text) {
  SimulationPlan plan;
  for (const ConfigField& field : kFields) plan.config.*field.member = field.calm;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    if (absl::StartsWith(line, "at ")) {
      absl::StatusOr<FaultAction> fault = ParseFault(line);
      if (!fault.ok()) return fault.status();
      plan.faults.push_back(*fault);
      continue;
    }
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits('=', 1));
    bool known = parts.first == "seed" && absl::SimpleAtoi(parts.second, &plan.seed);
    for (const ConfigField& field : kFields) {
      if (field.name == parts.first) known = absl::SimpleAtoi(parts.second, &(plan.config.*field.member));
    }
    if (!known) return BadLine(line, "is neither a field and its number nor a fault");
  }
  return plan;
}

std::string Summary(const SimulationPlan& plan) {
  std::string text = absl::StrCat("seed ", plan.seed, ":");
  for (const ConfigField& field : kFields) {
    const int64_t value = plan.config.*field.member;
    if (value != field.calm) absl::StrAppend(&text, " ", field.name, "=", value);
  }
  absl::StrAppend(&text, ", ", plan.faults.size(), " faults");
  return text;
}

}  // namespace quorate::testing::simulator
