// What a run does, drawn from its seed before it begins: the configuration (swarm testing, Groce et al. 2012: each run
// switches on a random half of what can go wrong, so that common faults don't hide rare ones) and the list of faults
// with their times.
//
// Everything is a number with a name. So a plan can be printed, read back, and made smaller field by field and
// fault by fault while it still fails (shrink.h). What is left to chance in the run itself - delays, losses, which
// call a client makes - comes from streams seeded by the same seed.
//
// Values; any thread.
#ifndef QUORATE_TESTING_SIMULATOR_PLAN_H_
#define QUORATE_TESTING_SIMULATOR_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace quorate::testing::simulator {

// Times in milliseconds unless the name says otherwise.
struct SimulationConfig {
  int64_t voters = 3;
  int64_t observers = 0;
  int64_t duration = 20'000;  // of the phase with faults
  // The nodes.
  int64_t election_timeout = 300;
  int64_t fetch_timeout = 600;
  int64_t backoff_max = 300;
  int64_t request_timeout = 600;
  int64_t retry_backoff = 20;
  int64_t silence_min = 150;
  int64_t disk_stall_timeout = 600;
  int64_t timeout_spread = 1;  // each node's timeouts are 1 to this many times those (F-N12)
  int64_t segment_bytes = 1 << 20;
  int64_t batch_bytes = 1 << 20;
  int64_t fetch_credit_bytes = 4 << 20;
  int64_t tail_cache_bytes = 1 << 20;
  int64_t snapshot_log_bytes = 0;  // 0: none by themselves
  int64_t snapshot_interval = 0;
  int64_t dynamic_voters = 0;  // 1: the voter set is in the log from the start
  int64_t auto_join = 0;
  int64_t priorities = 0;     // 1: node 0 never leads, the others like to more or less
  int64_t minority_dead = 0;  // 1: after the faults a minority of the voters stays down
  // The network.
  int64_t delay_us = 100;
  int64_t delay_tail_permille = 0;
  int64_t loss_permille = 0;
  int64_t duplicate_permille = 0;
  int64_t tamper_permille = 0;
  int64_t reorder = 0;
  // Disks and machines.
  int64_t disk_us = 500;
  int64_t disk_tail_permille = 0;
  int64_t apply_us = 5;
  int64_t apply_tail_permille = 0;
  int64_t recovery_crash_permille = 0;  // F-P04
  // Clients.
  int64_t clients = 4;
  int64_t think = 50;  // between two calls of one client, twice that at most
  int64_t keys = 3;
  int64_t read_permille = 300;
  int64_t stale_permille = 50;
  int64_t call_timeout = 2'000;
  // Choices in the library that are unusual and legal (QUORATE_BUGGIFY).
  int64_t buggify = 0;

  friend bool operator==(const SimulationConfig&, const SimulationConfig&) = default;
};

struct ConfigField {
  absl::string_view name;
  int64_t SimulationConfig::*member;
  int64_t calm;  // the value that asks least of the library: where shrinking goes
};
absl::Span<const ConfigField> ConfigFields();

enum class FaultKind : uint8_t {
  kKill,         // the process dies; the page cache survives. a: how long it is down
  kPowerLoss,    // the machine dies; each unsynced change has its own fate. a: how long; b: 1 if the others are told
  kCrashAtCall,  // dies at its a-th file-system call from now; b: 0 before it, 1 after it
  kCrashAtSend,  // dies at its a-th message from now; b: 0 before it, 1 after it
  kStop,         // graceful shutdown. a: how long it is down
  kPause,        // SIGSTOP for a
  kIsolate,      // for a; b: 0 both ways, 1 it isn't heard, 2 it doesn't hear
  kPartition,    // a: for how long; b: the shape and its lot
  kCutLink,      // one way, from node to b, for a
  kClog,         // what node sends to b waits for a
  kBreak,        // the node's connections break, and nothing else
  kSwap,         // the addresses of node and b are exchanged, for a
  kDiskStall,    // no I/O completes for a
  kDiskError,    // its a-th call of kind b fails: 0 any, 1 write, 2 sync, 3 read
  kDiskFull,     // a: for how long; b: bytes that are left
  kBitFlip,      // its machine dies, and wakes up with a flipped bit in a file. a: how long; b: the lot
  kTornSlot,     // the same with one copy of its election state overwritten
  kRollBack,     // its machine dies, and wakes up with an older disk (F-P11). a: how long
  kClockRate,    // its clocks run at a per mille of their rate; for b
  kWallJump,     // its wall clock jumps by a seconds
  kStrike,       // when the node next does a (see Moment), b happens to it (see Blow)
  kSnapshot,     // the node takes a snapshot
  kTransfer,     // leadership is to go to node b
  kSuspect,      // the node is told that its leader is dead
  kAddVoter,     // an observer becomes a voter; b: 1 with a second change at once
  kRemoveVoter,  // the node is no longer a voter; b: as above
  kFalseLeader,  // it is told, by another voter, that that one leads: two leaders in one epoch (F-N17)
  kReplaceDisk,  // its disk is replaced by an empty one: a new replica
  // Plots: several blows that belong together (nemesis_plots.cc).
  kBlackout,      // the node is cut off for a; then the power goes everywhere else, for b
  kForsake,       // the leader is cut off for a with b proposals, and the others go on and take snapshots
  kFalseHistory,  // it is told, in its leader's name, that its log parts from that one's below what is committed
                  // (F-N17)
  kLoseFiles,     // its machine dies, and wakes up without some files (F-D15). a: how long; b: which
  kStranger,  // a node of another cluster takes this one's for its own (F-N09), for a; b: 1 if it is to be added, too
};
inline constexpr int kFaultKinds = static_cast<int>(FaultKind::kStranger) + 1;
absl::string_view ToString(FaultKind kind);

// When a targeted fault strikes: the nemesis may look inside.
enum class Moment : uint8_t {
  kAppends,
  kVotes,
  kBecomesLeader,
  kCommits,
  kTruncates,
  kInstalls,
  kResigns,
  kChangesVoters,
};
inline constexpr int kMoments = static_cast<int>(Moment::kChangesVoters) + 1;
enum class Blow : uint8_t {
  kPowerLoss,
  kPause,
  kIsolate,
  kMute,
  kChangeVoters,
  // A leader that lets somebody vote: that one doesn't hear of it, and when it is committed the leader dies for good.
  kLastWord,
};
inline constexpr int kBlows = static_cast<int>(Blow::kLastWord) + 1;

// Whom: a node's number from 0, or who fits when it happens.
inline constexpr int kTheLeader = -1;
inline constexpr int kAFollower = -2;

struct FaultAction {
  int64_t at = 0;  // since the start
  FaultKind kind = FaultKind::kKill;
  int node = 0;
  int64_t a = 0;
  int64_t b = 0;
  friend bool operator==(const FaultAction&, const FaultAction&) = default;
};

struct SimulationPlan {
  uint64_t seed = 0;
  SimulationConfig config;
  std::vector<FaultAction> faults;  // by time
  friend bool operator==(const SimulationPlan&, const SimulationPlan&) = default;
};

SimulationPlan DrawPlan(uint64_t seed);

// Text, one thing a line, that ParsePlan understands: fields that have their calm value are left out.
std::string PrintPlan(const SimulationPlan& plan);
// What isn't named has its calm value. Lines that begin with # are comments.
absl::StatusOr<SimulationPlan> ParsePlan(absl::string_view text);
// The configuration in one line, for progress and reports.
std::string Summary(const SimulationPlan& plan);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_PLAN_H_
