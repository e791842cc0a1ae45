// The referee: looks at every step of every core, every message and every completed write from outside, with knowledge
// that no node has, and checks the invariants (docs/testing.md has the table). It stops the run at the first one that
// doesn't hold.
//
// It believes nodes as little as it can. What a log holds it takes from the effects that the core asked for; what is
// durable, from the completions of the store, and - sampled, and at every crash - from the disk itself, read back
// without anything that wasn't synced (disk_audit.h). All checks are incremental: a step that changes nothing costs a
// few comparisons.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_REFEREE_H_
#define QUORATE_TESTING_SIMULATOR_REFEREE_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quorate/messages.h"
#include "quorate/storage.h"
#include "raft/core.h"
#include "raft/observer.h"
#include "testing/simulator/history.h"
#include "testing/simulator/plan.h"
#include "testing/simulator/scheduler.h"

namespace quorate::testing::simulator {

struct Violation {
  std::string invariant;  // "I-08"
  std::string what;
  Instant when;
};

// What a process is started with.
struct LifeFacts {
  ReplicaKey key;
  std::vector<Voter> initial_voters;
  absl::Duration fetch_timeout = absl::InfiniteDuration();
  uint8_t priority = kPriorityDefault;
};

// What the referee knows of one replica: one disk, over all lives of the processes that ran on it.
struct Replica {
  ReplicaKey key;
  int node = 0;
  ShadowLog log;
  Offset durable;   // of that log, as its store said
  Offset on_disk;   // what lies there: a truncation that was asked for has not happened yet
  Offset reset_to;  // a snapshot up to there stands for the log, whatever the crash left of that
  std::optional<ElectionState> persisted;
  std::map<Epoch, ReplicaKey> votes;  // granted, each sent at least once
  Epoch epoch;                        // the highest that it showed
  std::vector<std::pair<Offset, raft::VoterSet>> voter_records;
  raft::VoterSet initial_voters;
  // The present life.
  bool alive = false;
  Epoch epoch_at_start;
  ReplicaRole role = ReplicaRole::kUnattached;
  Offset high_watermark;
  Offset applied;
  std::optional<Epoch> leads;  // the epoch that it was seen to lead
  uint64_t truncations = 0;
  IncarnationId incarnation;         // as it signs its messages
  uint64_t session = 0;              // of its latest fetch
  const raft::Core* core = nullptr;  // null until its first step, and after its end
  absl::Duration fetch_timeout;
  uint8_t priority = kPriorityDefault;
  std::pair<Epoch, NodeId> followed{Epoch(-1), kNoNode};  // as last looked at
  std::map<uint64_t, LogPosition> asked_votes;            // by request, the latest
  // As leader.
  Instant leads_since;
  std::map<ReplicaKey, Instant> heard;             // the latest fetch that reached it
  std::optional<Instant> overdue_since;            // without a majority's fetches for too long
  std::map<ReplicaKey, Offset> lost_acknowledged;  // what a disk that went back had told this leader

  [[nodiscard]] const raft::VoterSet& voters() const {
    return voter_records.empty() ? initial_voters : voter_records.back().second;
  }
};

class Referee {
 public:
  explicit Referee(Scheduler* scheduler) : scheduler_(scheduler) {}
  Referee(const Referee&) = delete;
  Referee& operator=(const Referee&) = delete;

  // Called where a targeted fault may strike.
  std::function<void(int node, Moment moment)> on_moment;

  // From some time on the referee hears of no completed write any more, and so must blame whoever acknowledges one.
  void ForgetWrites() { forgets_writes_ = true; }

  // ---- Lives ----
  // A process begins on `node`, with the disk of `key`. The observer is for that life.
  std::unique_ptr<raft::Observer> LifeBegins(int node, const LifeFacts& facts);
  void LifeEnds(int node);
  // The disk of this replica is rolled back, or lost: what it acknowledged doesn't count any more.
  void ForgetDisk(const ReplicaKey& key);

  // Its process was stopped for a while: what is overdue then has its time from now on.
  void Resumed(int node) {
    if (Has(node)) At(node).overdue_since.reset();
  }

  // ---- What is seen ----
  void Sends(int node, const Message& message);
  void Delivers(int node, const Message& message);
  // An operator wants this replica to vote.
  void Asked(const ReplicaKey& key) { asked_.insert(key); }
  // The log was opened and holds this.
  void LogOpened(int node, const LogBounds& bounds, const std::vector<Batch>& batches);
  // This is what is synced on the disk of a node that runs.
  void Audited(int node, const std::optional<ElectionState>& vote, const LogBounds& bounds,
               const std::vector<Batch>& batches);
  void BecameDurable(int node, Offset end, uint64_t truncations);
  void Truncated(int node, Offset end);  // on the disk
  void Trims(int node, LogPosition start);
  void ResetsLog(int node, LogPosition start);
  void ElectionStateLoaded(int node, const std::optional<ElectionState>& state);
  void ElectionStatePersisted(int node, const ElectionState& state);
  // A snapshot of this position has these bytes, on this node: they are the same everywhere.
  void SnapshotFinished(int node, const LogPosition& id, uint64_t digest);
  // The state machine of `node` has this state at `end`: I-17, I-18.
  void StateDigest(int node, Offset end, uint64_t digest, absl::string_view how);

  // Anything that others found.
  void Fail(absl::string_view invariant, std::string what);

  // ---- What is known ----
  [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
  [[nodiscard]] const History& history() const { return history_; }
  [[nodiscard]] Replica& At(int node) { return *replicas_.at(nodes_.at(node)); }
  [[nodiscard]] bool Has(int node) const { return nodes_.contains(node); }
  [[nodiscard]] Epoch newest_epoch() const { return leaders_.empty() ? Epoch(0) : leaders_.rbegin()->first; }
  [[nodiscard]] size_t elections() const { return leaders_.size(); }
  // Entries of `replica`'s log that are committed and durable there, as far as the referee knows, up to which offset?
  [[nodiscard]] bool HoldsCommitted(const Replica& replica) const;
  // Whether a majority of the voters holds everything that was committed, without the replicas `without`; by whatever
  // set any of the others that hold it has in force.
  [[nodiscard]] bool CommittedIsSafeWithout(const std::set<ReplicaKey>& without) const;

 private:
  class Watch;
  friend class Watch;

  void Step(int node, const raft::Core& core, const raft::Effects& effects);
  void Applied(int node, Offset end);

  // referee.cc
  void CheckLogOperations(Replica* replica, const raft::Core& core, const raft::Effects& effects);
  void Append(Replica* replica, const raft::Core& core, const Batch& batch);
  void Reset(Replica* replica, Offset start);
  void CheckPositions(const Replica& replica, const raft::Core& core);
  // referee_membership.cc
  void NoteVoters(Replica* replica, const raft::Core& core, const Batch& batch);
  void CheckNewVoters(const Replica& leader, const raft::Core& core, const raft::VoterSet& before,
                      const raft::VoterSet& after);
  void CheckVotersInForce(const Replica& replica, const raft::Core& core);
  void CheckMajoritiesIntersect();
  // referee_leaders.cc
  void CheckLeading(Replica* replica, const raft::Core& core);
  void CheckHeardMajority(Replica* replica);
  void NoteLoss(const ReplicaKey& key);
  void CheckFenced(const Replica& leader, const Message& message);
  // referee_elections.cc
  void CheckEpoch(Replica* replica, const raft::Core& core);
  void CheckNewLeader(Replica* replica, const raft::Core& core);
  void NoteVote(Replica* replica, Epoch epoch, const ReplicaKey& candidate);
  void CheckGrant(const Replica& replica, const Message& message, const VoteResponse& vote);
  void CheckNamedLeader(const Replica& replica, const Message& message);
  // referee_commits.cc
  void CheckHighWatermark(Replica* replica, const raft::Core& core);
  void CheckBacking(const Replica& replica, Offset high_watermark);

  Replica* Find(const ReplicaKey& key);

  Scheduler* const scheduler_;
  std::optional<Violation> violation_;
  bool forgets_writes_ = false;
  uint64_t writes_ = 0;
  History history_;
  std::map<ReplicaKey, std::unique_ptr<Replica>> replicas_;
  std::map<int, ReplicaKey> nodes_;                         // whose disk is in which machine
  std::map<Epoch, ReplicaKey> leaders_;                     // I-01
  std::map<std::pair<Offset, Epoch>, uint64_t> snapshots_;  // position -> digest
  std::set<ReplicaKey> asked_;                              // to vote, by an operator
  std::map<Offset, uint64_t> states_;                       // applied end -> digest
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_REFEREE_H_
