// One node of a scenario: a core, its disk, its clock. Plain data; World (world.h) moves it.
//
// Each node has a clock of its own. The core never compares its time with anybody else's, so a script may let time
// pass on one node and nowhere else, and say "1 stands for election now" without a word about random timeouts.
#ifndef QUORATE_TESTS_SCENARIOS_NODE_H_
#define QUORATE_TESTS_SCENARIOS_NODE_H_

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "raft/core.h"

namespace quorate::scenarios {

// A log as it was before it began anew: what a crash leaves until the disk has done that.
struct FormerLog {
  LogPosition start;
  std::vector<Batch> log;
  Offset synced;
};

struct StoredSnapshot {
  SnapshotInfo info;
  std::string bytes;
  raft::RecoveredState::VotersAt voters;
};

// What a crash leaves; all but the batches above `synced`.
struct Disk {
  LogPosition start;
  std::vector<Batch> log;
  Offset synced;
  std::optional<ElectionState> election;
  std::vector<StoredSnapshot> snapshots;  // ascending
  std::optional<StoredSnapshot> partial;  // being received; `bytes` so far
  std::optional<FormerLog> former;

  [[nodiscard]] LogPosition End() const {
    return log.empty() ? start : LogPosition{log.back().epoch(), log.back().end_offset()};
  }
};

// What a disk has begun and not finished. Kinds are held and finished separately.
enum class DiskJob { kStore, kLog, kRead, kSnapshot };

struct PendingJob {
  DiskJob kind = DiskJob::kLog;
  std::string what;            // for people
  std::function<void()> done;  // tells disk and core
};

struct Node {
  int id = 0;
  raft::CoreConfig config;
  uint64_t lives = 0;
  Instant now;
  std::unique_ptr<Xoshiro> random;
  std::unique_ptr<raft::Core> core;  // null: not running
  bool paused = false;
  std::vector<Message> inbox;        // came while paused
  std::map<NodeId, Endpoint> peers;  // whom the core wants to be connected with
  uint64_t directories = 1;          // a wiped disk is formatted anew, with a new directory id
  Disk disk;
  std::optional<Disk> backup;
  std::set<DiskJob> held;
  std::list<PendingJob> jobs;
  uint64_t truncations = 0;  // of the disk's log
  // As last shown, to tell what changed.
  ReplicaRole seen_role = ReplicaRole::kUnattached;
  Epoch seen_epoch;
  NodeId seen_leader = kNoNode;
  std::optional<absl::Status> halt;

  [[nodiscard]] bool running() const { return core != nullptr && !halt.has_value(); }
};

}  // namespace quorate::scenarios

#endif  // QUORATE_TESTS_SCENARIOS_NODE_H_
