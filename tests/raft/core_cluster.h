// A quorum of cores in one thread, under virtual time: a network that loses, repeats and reorders, disks that
// complete late and forget what they hadn't synced, crashes and restarts - and a referee.
//
// The referee looks at every event from outside, with knowledge that no node has, and checks the invariants of the
// fault model: I-01 to I-16, I-18, I-24 and linearizable reads. What it finds is in violations(). Everything
// follows from the seed.
#ifndef QUORATE_TESTS_RAFT_CORE_CLUSTER_H_
#define QUORATE_TESTS_RAFT_CORE_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/xoshiro.h"
#include "raft/core.h"
#include "raft/voter_set.h"

namespace quorate::raft {

struct ClusterOptions {
  int voters = 3;
  int observers = 0;
  int spares = 0;  // nodes that may vote, but begin outside the voter set
  bool auto_join = false;
  std::vector<uint8_t> priorities = {};  // of nodes 1, 2, …; the rest: the default
  uint64_t seed = 1;
  absl::Duration delay_min = absl::Microseconds(100);
  absl::Duration delay_max = absl::Microseconds(100);
  absl::Duration disk = absl::Milliseconds(1);
  absl::Duration disk_max = absl::Milliseconds(1);
  int drop_permille = 0;
  int duplicate_permille = 0;
  bool announce_crashes = true;  // peers notice the broken connection
  size_t tail_cache_bytes = 1u << 20;
  uint32_t fetch_credit_bytes = 1u << 20;
  // A node takes a snapshot when so many records were committed since its last; 0: never.
  int snapshot_every = 0;
  size_t snapshot_piece = 1u << 20;  // bytes that a disk reads at once
  uint64_t snapshot_bytes_per_second = 0;
  int snapshot_fault_permille = 0;  // a write, or what verifying finds
  QuorumTimeouts timeouts = {};
};

// A snapshot's file. What it holds is the history of the records that it stands for, so that two files for one position
// are equal exactly if the state machines were (I-18).
struct SnapshotFile {
  SnapshotInfo info;
  std::string bytes;
};

class CoreCluster {
 public:
  explicit CoreCluster(ClusterOptions options);
  ~CoreCluster();

  // ---- Doing things. Nodes are numbered from 1; voters first, then observers, then spares. ------------------------
  void StartAll();
  void Start(int id);
  void Crash(int id);
  void CutLink(int from, int to) { cut_.insert({from, to}); }
  void Isolate(int id);
  void HealLinks() { cut_.clear(); }
  // Breaks the connection that `from` opened to `to`, and says so; the messages in flight are lost.
  void Disconnect(int from, int to);
  void Connect(int from, int to);
  void Pause(int id) { node(id).paused = true; }
  void Resume(int id);
  absl::StatusOr<Offset> Propose(int id, const std::string& record);
  uint64_t Read(int id);
  uint64_t Change(int id, const VoterChange& change, absl::Duration timeout = absl::Seconds(30), bool dry_run = false);
  uint64_t Transfer(int id, std::optional<int> to, absl::Duration timeout = absl::Seconds(5));
  // Node `subject` joins, leaves, or is at the address where it is now.
  VoterChange AddOf(int subject);
  VoterChange RemoveOf(int subject);
  VoterChange UpdateOf(int subject);
  // The stopped node gets another port, and whom others knew under the old one is gone.
  void Move(int id);
  // From now on old addresses lead to whoever moved from there, too: an operator's last resort when voters that can't
  // find each other would have to elect somebody to learn where they are.
  void KeepFormerAddresses() { keep_former_addresses_ = true; }
  // Any other event on one core, with the referee looking.
  void Do(int id, const std::function<void(Core&, Instant)>& event);
  // While set, log completions of this node wait.
  void HoldDisk(int id, bool hold);
  void HoldStores(int id, bool hold);
  // A disk as it would be after a restart: for tests that begin in the middle.
  void SetLog(int id, std::vector<Batch> log, std::optional<ElectionState> election);
  // Rolls the stopped node's disk back to its first `batches` batches (fault F-P11).
  void RollBack(int id, size_t batches);
  // An empty disk under a stopped node: somebody new, with a directory id of its own (F-D16).
  void Wipe(int id);
  // Takes a snapshot of what this node knows to be committed.
  void TakeSnapshot(int id);

  void RunFor(absl::Duration duration);
  bool RunUntil(const std::function<bool()>& condition, absl::Duration at_most);

  // ---- Looking at things. -------------------------------------------------------------------------------
  Core& core(int id) { return *node(id).core; }
  bool alive(int id) { return node(id).core != nullptr; }
  Instant now() const { return now_; }
  const std::vector<SnapshotFile>& snapshots(int id) { return node(id).snapshots; }
  uint64_t partial_bytes(int id) { return node(id).partial.has_value() ? node(id).partial->bytes.size() : 0; }
  int installed() const { return installed_; }  // snapshots put in the place of a log, by all nodes
  ReplicaKey key(int id) const { return nodes_.at(static_cast<size_t>(id - 1))->config.self; }
  Endpoint address(int id) const { return nodes_.at(static_cast<size_t>(id - 1))->address; }
  CoreConfig& config(int id) { return node(id).config; }  // for the next Start
  IncarnationId incarnation(int id) { return node(id).config.incarnation; }
  ClusterId cluster_id() const { return ClusterId(Uuid(1, 0xC1A5)); }
  // The node that leads the highest epoch, 0: none.
  int Leader();
  // A leader is known to all living nodes and all have its log, committed.
  bool Settled();
  Offset committed() const { return committed_end_; }
  const std::vector<Batch>& disk(int id) { return node(id).log; }
  Offset synced(int id) { return node(id).synced; }
  const std::optional<ElectionState>& stored(int id) { return node(id).stored; }
  std::optional<absl::StatusOr<Offset>> ReadResult(uint64_t id);
  // nullopt: not answered yet, or lost in a crash of the node that was asked.
  std::optional<absl::Status> ChangeResult(uint64_t id) { return changes_.at(id); }
  std::optional<absl::Status> TransferResult(uint64_t id) { return transfers_.at(id); }
  // How many changes and transfers ended well.
  int ChangesDone() const;
  int TransfersDone() const;
  // Changes and transfers without an answer, though the node that was asked is the same process.
  int Unanswered();
  // Whether any node's log, or its configuration, has this replica for a voter.
  bool IsVoterAnywhere(int id);
  // The ids of the voters in force on the node that leads.
  std::vector<int> VoterIds();
  const std::vector<Message>& sent() const { return sent_; }
  void ForgetSent() { sent_.clear(); }
  const std::vector<std::string>& violations() const { return violations_; }
  std::optional<absl::Status> halted(int id) { return node(id).halt; }
  // Delivers a message as if the network had brought it now.
  void Inject(int to, const Message& message);
  // A filter that sees each message before the network; false drops it.
  std::function<bool(const Message&)> filter;
  bool record_sent = false;

  Batch MakeBatch(Offset base, Epoch epoch, const std::vector<std::string>& records) const;

 private:
  struct Node {
    int id = 0;
    uint64_t life = 0;
    CoreConfig config;
    Endpoint address;
    std::vector<Endpoint> former_addresses;
    std::map<NodeId, Endpoint> peers;  // as the core wants them
    std::unique_ptr<Xoshiro> random;
    std::unique_ptr<Core> core;
    std::vector<Batch> log;  // as the operating system has it
    LogPosition log_start;   // behind which it begins
    struct OldLog {
      std::vector<Batch> log;
      LogPosition start;
      Offset synced;
    };
    std::optional<OldLog> replaced;       // a reset that isn't done: a crash may bring it back
    std::vector<SnapshotFile> snapshots;  // finished, ascending, at most two
    std::optional<SnapshotFile> partial;  // being received
    bool taking_snapshot = false;
    Instant snapshot_done_at;
    Offset synced;  // as the disk has it
    uint64_t generation = 0;
    std::optional<ElectionState> stored;
    bool paused = false;
    bool hold_disk = false;
    bool hold_stores = false;
    std::vector<std::function<void()>> held;
    std::vector<std::function<void()>> held_stores;
    uint64_t tick_token = 0;
    Instant store_done_at;
    Instant log_done_at;
    Offset high_watermark;
    std::optional<absl::Status> halt;
  };
  struct ReadRecord {
    Offset must_cover;
    std::optional<absl::StatusOr<Offset>> result;
  };
  using Key = std::pair<Instant, uint64_t>;

  Node& node(int id) { return *nodes_.at(static_cast<size_t>(id - 1)); }
  Offset LogEnd(const Node& node) const { return node.log.empty() ? node.log_start.end : node.log.back().end_offset(); }
  void At(Instant when, std::function<void()> event) { events_.emplace(Key{when, ++event_count_}, std::move(event)); }
  absl::Duration DiskTime();
  void OnNode(int id, uint64_t life, const std::function<void(Node&)>& event);
  void AfterEvent(Node& node);
  void Perform(Node& node, Effects effects);
  void PerformLog(Node& node, const Effects& effects);
  void Route(Node& node, const Message& message);
  int NodeAt(const Endpoint& endpoint) const;  // 0: nobody
  void SetPeers(Node& node, const std::vector<PeerAddress>& peers);
  void ConnectLater(Node& node, NodeId peer, const Endpoint& endpoint);
  std::vector<std::pair<Offset, VoterSet>> SetsOf(const Node& node) const;
  void Deliver(int to, const Message& message);
  void Violation(const std::string& what);

  // core_cluster_snapshots.cc: the disk's part of snapshots, and what the referee knows of them.
  RecoveredState Recover(Node& node);
  void CrashSnapshots(Node& node);
  void MaybeTakeSnapshot(Node& node);
  void PerformSnapshots(Node& node, const Effects& effects);
  void ResetLogOf(Node& node, LogPosition start);
  void SnapshotWork(Node& node, const std::function<void(Node&)>& work);
  void WriteChunk(Node& node, const WriteSnapshotChunk& chunk);
  void Verify(Node& node, const VerifySnapshot& verify);
  void ReadChunk(Node& node, const ReadSnapshotChunk& read);
  void Keep(Node& node, SnapshotFile file);
  std::string HistoryOf(Node& node, Offset end);
  void CheckSnapshots(Node& node);

  // core_cluster_referee.cc
  void CheckSent(Node& node, const Message& message);
  void CheckLeadership(Node& node);
  void CheckVoters(Node& node, const Batch& batch);
  void CheckDecidingMajorities();
  bool MayWin(const Node& node, const VoterSet& voters) const;
  void CheckHighWatermark(Node& node);
  void CheckRead(uint64_t id, const absl::StatusOr<Offset>& offset);

  const ClusterOptions options_;
  Xoshiro random_;
  Instant now_ = Instant::FromNanos(1'000'000'000);
  uint64_t event_count_ = 0;
  uint64_t lives_ = 0;
  std::map<Key, std::function<void()>> events_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::set<std::pair<int, int>> cut_;
  std::vector<Message> sent_;
  std::vector<std::string> violations_;

  std::map<Epoch, int> leaders_;                            // I-01
  std::map<std::pair<int, Epoch>, NodeId> votes_;           // I-02
  std::map<std::pair<Offset, Epoch>, uint32_t> bytes_;      // I-05: (base offset, epoch) -> crc
  std::map<Offset, std::pair<Epoch, uint32_t>> committed_;  // I-07: base offset -> what was committed there
  Offset committed_end_;
  std::map<uint64_t, RecoveredState::VotersAt> snapshot_voters_;  // by digest
  int installed_ = 0;
  uint64_t last_read_ = 0;
  std::map<uint64_t, ReadRecord> reads_;
  uint64_t last_change_ = 0;
  std::map<uint64_t, std::optional<absl::Status>> changes_;
  std::map<uint64_t, std::optional<absl::Status>> transfers_;
  std::map<uint64_t, std::pair<int, uint64_t>> asked_;  // node and life
  uint16_t moves_ = 0;
  bool keep_former_addresses_ = false;
};

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_CORE_CLUSTER_H_
