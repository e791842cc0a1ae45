// A quorum of production cores in one thread, under virtual time: an event queue, and a World that says how long
// everything takes. No process, no disk, no waiting: a hundred thousand elections take minutes, so that the tail shows.
// One seed, one result.
//
// Why not the simulator of lib/testing: that one hunts bugs, with a referee that looks at every event and faults drawn
// to be nasty; here delays are drawn to be true, and a step costs a microsecond.
//
// Single-threaded.
#ifndef QUORATE_BENCH_ELECTION_SIM_CLUSTER_H_
#define QUORATE_BENCH_ELECTION_SIM_CLUSTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/xoshiro.h"
#include "raft/core.h"
#include "sim_world.h"

namespace quorate::bench {

struct SimOptions {
  int voters = 3;
  uint64_t seed = 1;
  World world;
  QuorumTimeouts timeouts;
};

class SimCluster {
 public:
  explicit SimCluster(const SimOptions& options);

  // ---- Doing things. Nodes are numbered from 1; all of them run from the start. --------------------------------
  void Start(NodeId id);
  // `noticed`: its connections break. Otherwise the machine is gone, and nobody is told.
  void Crash(NodeId id, bool noticed);
  void Propose(NodeId leader, absl::string_view record);
  // From now on `follower` gets no record at or above `end`: signs of life only.
  void HoldBack(NodeId follower, Offset end) { held_back_[follower] = end; }
  void HoldNothingBack() { held_back_.clear(); }
  // Runs until `done` or for `limit` of virtual time. True if done.
  bool RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit);
  void RunFor(absl::Duration span);

  // ---- Looking. --------------------------------------------------------------------------------------------------
  // Who leads with a committed record of its own epoch; kNoNode when nobody does.
  [[nodiscard]] NodeId ActiveLeader() const;
  // All run, follow one leader, and have everything that it has committed.
  [[nodiscard]] bool Steady() const;
  // All that run know the leader of one epoch above `epoch`.
  [[nodiscard]] bool AllKnowALeaderAfter(Epoch epoch) const;
  // Null while it is down.
  [[nodiscard]] const raft::Core* core(NodeId id) const { return At(id).core.get(); }
  [[nodiscard]] int voters() const { return static_cast<int>(replicas_.size()); }
  [[nodiscard]] Instant now() const { return now_; }
  // When the first message of the newest leader reached somebody.
  struct FirstMessage {
    Epoch epoch;
    Instant when;
  };
  [[nodiscard]] const FirstMessage& first_message() const { return first_message_; }
  // How often a follower stood although it had a leader.
  [[nodiscard]] uint64_t suspicions() const { return suspicions_; }
  // The newest one that any node which runs has entered: above the leader's, an election is under way.
  [[nodiscard]] Epoch NewestEpoch() const;
  // Not OK: a node halted, and the run is worth nothing.
  [[nodiscard]] const absl::Status& fault() const { return fault_; }
  Random& random() { return random_; }

 private:
  // Its core while it lives, and what its disk holds.
  struct Replica {
    ReplicaKey key;
    std::unique_ptr<raft::Core> core;
    uint64_t life = 0;  // counts starts: events of an earlier one are dropped
    std::vector<Batch> disk;
    std::optional<ElectionState> election;
    ReplicaRole role = ReplicaRole::kUnattached;
    Instant disk_free;  // one write at a time
    Instant tick_at = Instant::Infinite();
    Instant paused_until;
  };
  using Event = absl::AnyInvocable<void() &&>;

  Replica& At(NodeId id) { return replicas_[static_cast<size_t>(id.value()) - 1]; }
  [[nodiscard]] const Replica& At(NodeId id) const { return replicas_[static_cast<size_t>(id.value()) - 1]; }
  void Schedule(Instant when, Event event) { events_.emplace(std::make_pair(when, ++last_event_), std::move(event)); }
  // Runs `event` at `when` or when the replica's pause is over, unless it died before; then performs its effects.
  void ScheduleFor(Replica& replica, Instant when, Event event);
  void Deliver(Replica& replica, uint64_t life, Event event);
  void Perform(Replica& replica);
  void WatchRole(Replica& replica);
  void Append(Replica& replica, Batch batch, uint64_t generation);
  void Send(Message message);
  void HoldBackFrom(Message* message) const;
  void ArmTick(Replica& replica);
  void ArmPause(Replica& replica);
  void ConnectionsOf(Replica& replica, bool stand);

  const SimOptions options_;
  Xoshiro random_;
  ClusterId cluster_id_{Uuid(7, 7)};
  std::vector<Voter> voters_;
  std::vector<Replica> replicas_;
  Instant now_ = Instant::FromNanos(1);
  uint64_t last_event_ = 0;
  std::map<std::pair<Instant, uint64_t>, Event> events_;
  std::map<std::pair<NodeId, NodeId>, Instant> link_free_;  // a connection keeps its order
  std::map<NodeId, Offset> held_back_;
  FirstMessage first_message_;
  uint64_t suspicions_ = 0;
  absl::Status fault_;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_SIM_CLUSTER_H_
