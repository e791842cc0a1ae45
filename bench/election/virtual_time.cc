#include "virtual_time.h"

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/xoshiro.h"
#include "quorate/quorum_types.h"
#include "raft/core.h"
#include "raft/recovery.h"

namespace quorate::bench {
namespace {

// A fixed part and an exponential tail, in microseconds.
struct Delay {
  double fixed_us;
  double tail_us;
};
constexpr Delay kNetwork{50, 10};         // half a bidi round trip on loopback, and its spread
constexpr Delay kFsync{220, 60};          // write and fdatasync of a small batch
constexpr Delay kCrashNoticed{300, 400};  // the kernel closes a dead process's sockets

// One replica: its core while it lives, and what its disk holds.
struct Replica {
  ReplicaKey key;
  std::unique_ptr<raft::Core> core;
  uint64_t life = 0;  // counts starts: events of an earlier one are dropped
  std::vector<Batch> disk;
  std::optional<ElectionState> election;
};

class VirtualCluster {
 public:
  VirtualCluster(int voters, uint64_t seed);

  void Start(NodeId id);
  void Crash(NodeId id);
  // Runs until `done` or for `limit` of virtual time. True if done.
  template <typename Condition>
  bool RunUntil(Condition done, absl::Duration limit);

  // Who leads with a committed record of its own epoch; kNoNode when nobody does.
  NodeId ActiveLeader();
  Replica& At(NodeId id) { return replicas_[static_cast<size_t>(id.value()) - 1]; }
  std::vector<Replica>& replicas() { return replicas_; }
  Instant now() const { return now_; }
  const absl::Status& fault() const { return fault_; }

 private:
  using Event = absl::AnyInvocable<void() &&>;
  void At(Instant when, Event event) { events_.emplace(std::make_pair(when, ++last_event_), std::move(event)); }
  Instant After(const Delay& delay);
  void Perform(Replica& replica);
  void Append(Replica& replica, Batch batch, uint64_t generation);
  void Send(Message message);
  void ArmTick(Replica& replica);

  Xoshiro random_;
  ClusterId cluster_id_{Uuid(7, 7)};
  std::vector<Voter> voters_;
  std::vector<Replica> replicas_;
  Instant now_ = Instant::FromNanos(1);
  uint64_t last_event_ = 0;
  std::map<std::pair<Instant, uint64_t>, Event> events_;
  std::map<NodeId, Instant> disk_free_;                     // one write at a time per replica
  std::map<std::pair<NodeId, NodeId>, Instant> link_free_;  // a connection keeps its order
  std::map<NodeId, Instant> tick_at_;
  absl::Status fault_;
};

VirtualCluster::VirtualCluster(int voters, uint64_t seed) : random_(seed) {
  for (int id = 1; id <= voters; ++id) {
    Voter voter;
    voter.key = {NodeId(id), DirectoryId(Uuid(1000, static_cast<uint64_t>(id)))};
    voter.endpoints = {{"CONTROLLER", "virtual", static_cast<uint16_t>(9000 + id)}};
    voters_.push_back(voter);
    Replica replica;
    replica.key = voter.key;
    replicas_.push_back(std::move(replica));
  }
  for (const Voter& voter : voters_) Start(voter.key.id);
}

Instant VirtualCluster::After(const Delay& delay) {
  const double uniform = static_cast<double>(random_.Next() >> 11) * 0x1.0p-53;
  return now_ + absl::Microseconds(delay.fixed_us - delay.tail_us * std::log1p(-uniform));
}

void VirtualCluster::Start(NodeId id) {
  Replica& replica = At(id);
  ++replica.life;
  raft::CoreConfig config;
  config.cluster_id = cluster_id_;
  config.self = replica.key;
  config.incarnation = IncarnationId(Uuid(random_.Next(), random_.Next()));
  config.initial_voters = voters_;
  raft::Recovery recovery;
  LogBounds bounds;
  for (const Batch& batch : replica.disk) {
    if (absl::Status visited = recovery.Visit(batch); !visited.ok()) fault_ = visited;
    bounds.end = {batch.epoch(), batch.end_offset()};
  }
  replica.core = raft::Core::Make(std::move(config), recovery.Finish(bounds, replica.election), &random_);
  replica.core->Start(now_);
  for (Replica& other : replicas_) {
    if (other.key.id == id || other.core == nullptr) continue;
    replica.core->PeerConnected(now_, other.key.id);
    other.core->PeerConnected(now_, id);
    Perform(other);
  }
  Perform(replica);
}

void VirtualCluster::Crash(NodeId id) {
  Replica& crashed = At(id);
  crashed.core = nullptr;
  disk_free_.erase(id);
  tick_at_.erase(id);
  for (Replica& other : replicas_) {
    if (other.core == nullptr) continue;
    At(After(kCrashNoticed), [this, &other, id, life = other.life] {
      if (other.core == nullptr || other.life != life) return;
      other.core->PeerDisconnected(now_, id);
      Perform(other);
    });
  }
}

void VirtualCluster::Send(Message message) {
  const NodeId to = message.to.id;
  if (to.value() < 1 || static_cast<size_t>(to.value()) > replicas_.size()) return;
  Instant& free = link_free_[{message.from.id, to}];
  free = std::max(free, After(kNetwork));
  Replica& receiver = At(to);
  At(free, [this, &receiver, life = receiver.life, message = std::move(message)] {
    if (receiver.core == nullptr || receiver.life != life) return;
    receiver.core->Receive(now_, message);
    Perform(receiver);
  });
}

void VirtualCluster::Append(Replica& replica, Batch batch, uint64_t generation) {
  Instant& free = disk_free_[replica.key.id];
  free = std::max(free, now_) + (After(kFsync) - now_);
  At(free, [this, &replica, life = replica.life, batch = std::move(batch), generation] {
    if (replica.core == nullptr || replica.life != life) return;
    while (!replica.disk.empty() && replica.disk.back().end_offset() > batch.base_offset()) replica.disk.pop_back();
    replica.disk.push_back(batch);
    replica.core->LogDurable(now_, batch.end_offset(), generation);
    Perform(replica);
  });
}

void VirtualCluster::Perform(Replica& replica) {
  raft::Effects effects = replica.core->TakeEffects();
  for (raft::LogOperation& operation : effects.log) {
    if (auto* append = std::get_if<raft::AppendLog>(&operation)) {
      Append(replica, std::move(append->batch), effects.log_generation);
    }
    // A truncation takes effect with the append that follows it: nothing reads the disk before.
  }
  if (effects.store.has_value()) {
    At(After(kFsync), [this, &replica, life = replica.life, store = *effects.store] {
      if (replica.core == nullptr || replica.life != life) return;
      replica.election = store.state;
      replica.core->ElectionStateStored(now_, store.sequence);
      Perform(replica);
    });
  }
  for (Message& message : effects.send) Send(std::move(message));
  for (const raft::ReadLog& read : effects.read_log) {
    std::vector<Batch> batches;
    for (const Batch& batch : replica.disk) {
      if (batch.base_offset() >= read.from) batches.push_back(batch);
    }
    replica.core->LogRead(now_, read.id, std::move(batches));
  }
  if (effects.halt.has_value()) fault_ = *effects.halt;
  if (!effects.read_log.empty()) Perform(replica);
  ArmTick(replica);
}

void VirtualCluster::ArmTick(Replica& replica) {
  const Instant next = std::max(replica.core->NextDeadline(), now_);
  auto [at, inserted] = tick_at_.try_emplace(replica.key.id, Instant::Infinite());
  if (next.is_infinite() || at->second <= next) return;
  at->second = next;
  At(next, [this, &replica, life = replica.life, next] {
    if (replica.core == nullptr || replica.life != life || tick_at_[replica.key.id] != next) return;
    tick_at_[replica.key.id] = Instant::Infinite();
    replica.core->Tick(now_);
    Perform(replica);
  });
}

NodeId VirtualCluster::ActiveLeader() {
  NodeId leader = kNoNode;
  Epoch newest;
  for (Replica& replica : replicas_) {
    if (replica.core == nullptr || replica.core->role() != ReplicaRole::kLeader) continue;
    if (replica.core->high_watermark() <= replica.core->epoch_start()) continue;
    if (leader == kNoNode || replica.core->epoch() > newest) {
      leader = replica.key.id;
      newest = replica.core->epoch();
    }
  }
  return leader;
}

template <typename Condition>
bool VirtualCluster::RunUntil(Condition done, absl::Duration limit) {
  const Instant deadline = now_ + limit;
  while (!done()) {
    if (!fault_.ok() || events_.empty() || events_.begin()->first.first > deadline) return false;
    auto next = events_.extract(events_.begin());
    now_ = std::max(now_, next.key().first);
    std::move(next.mapped())();
  }
  return true;
}

}  // namespace

absl::StatusOr<std::vector<Series>> RunVirtual(const VirtualRunOptions& options) {
  std::vector<Series> series = {{"virtual: crash -> new leader known to all", {}},
                                {"virtual: crash -> first write committed", {}}};
  VirtualCluster cluster(options.voters, options.seed);
  auto stuck = [&](absl::string_view what) {
    return cluster.fault().ok()
               ? absl::DeadlineExceededError(absl::StrCat("no progress for 60 virtual seconds: ", what))
               : cluster.fault();
  };
  for (int i = 0; i < options.elections; ++i) {
    // Everybody is in step with the leader before it dies.
    auto steady = [&] {
      const NodeId leader = cluster.ActiveLeader();
      if (leader == kNoNode) return false;
      const Offset committed = cluster.At(leader).core->high_watermark();
      for (Replica& replica : cluster.replicas()) {
        if (replica.core->leader().id != leader || replica.core->high_watermark() < committed) return false;
      }
      return true;
    };
    if (!cluster.RunUntil(steady, absl::Seconds(60))) return stuck("waiting for a steady leader");
    const NodeId victim = cluster.ActiveLeader();
    const Epoch old_epoch = cluster.At(victim).core->epoch();
    const Instant crashed_at = cluster.now();
    cluster.Crash(victim);

    auto known = [&] {
      NodeId leader = kNoNode;
      for (Replica& replica : cluster.replicas()) {
        if (replica.core == nullptr) continue;
        if (replica.core->epoch() <= old_epoch || replica.core->leader().id == kNoNode) return false;
        if (leader != kNoNode && replica.core->leader().id != leader) return false;
        leader = replica.core->leader().id;
      }
      return true;
    };
    if (!cluster.RunUntil(known, absl::Seconds(60))) return stuck("waiting for a new leader");
    series[0].milliseconds.push_back(absl::ToDoubleMilliseconds(cluster.now() - crashed_at));
    if (!cluster.RunUntil([&] { return cluster.ActiveLeader() != kNoNode; }, absl::Seconds(60))) {
      return stuck("waiting for the new leader's first commit");
    }
    series[1].milliseconds.push_back(absl::ToDoubleMilliseconds(cluster.now() - crashed_at));
    cluster.Start(victim);
  }
  return series;
}

}  // namespace quorate::bench
