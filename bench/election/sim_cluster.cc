#include "sim_cluster.h"

#include <algorithm>

#include "raft/recovery.h"

namespace quorate::bench {

SimCluster::SimCluster(const SimOptions& options) : options_(options), random_(options.seed) {
  for (int id = 1; id <= options.voters; ++id) {
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

void SimCluster::Start(NodeId id) {
  Replica& replica = At(id);
  ++replica.life;
  raft::CoreConfig config;
  config.cluster_id = cluster_id_;
  config.self = replica.key;
  config.incarnation = IncarnationId(Uuid(random_.Next(), random_.Next()));
  config.initial_voters = voters_;
  config.timeouts = options_.timeouts;
  raft::Recovery recovery;
  LogBounds bounds;
  for (const Batch& batch : replica.disk) {
    if (absl::Status visited = recovery.Visit(batch); !visited.ok()) fault_ = visited;
    bounds.end = {batch.epoch(), batch.end_offset()};
  }
  replica.core = raft::Core::Make(std::move(config), recovery.Finish(bounds, replica.election), &random_);
  replica.role = ReplicaRole::kUnattached;
  replica.tick_at = Instant::Infinite();
  replica.paused_until = now_;
  replica.disk_free = now_;
  replica.core->Start(now_);
  Perform(replica);  // it names its peers first: nobody is connected with whom it didn't ask for
  // What it was before broke at the latest now.
  ConnectionsOf(replica, /*stand=*/false);
  ConnectionsOf(replica, /*stand=*/true);
  Perform(replica);
  ArmPause(replica);
}

void SimCluster::ConnectionsOf(Replica& replica, bool stand) {
  for (Replica& other : replicas_) {
    if (other.key.id == replica.key.id || other.core == nullptr) continue;
    if (!stand) {
      other.core->PeerDisconnected(now_, replica.key.id);
    } else {
      other.core->PeerConnected(now_, replica.key.id);
      replica.core->PeerConnected(now_, other.key.id);
    }
    Perform(other);
  }
}

void SimCluster::Crash(NodeId id, bool noticed) {
  Replica& crashed = At(id);
  crashed.core = nullptr;
  if (!noticed) return;
  for (Replica& other : replicas_) {
    if (other.core == nullptr) continue;
    ScheduleFor(other, now_ + options_.world.crash_noticed.Draw(random_),
                [this, &other, id] { other.core->PeerDisconnected(now_, id); });
  }
}

void SimCluster::Propose(NodeId leader, absl::string_view record) {
  Replica& replica = At(leader);
  if (replica.core == nullptr) return;
  (void)replica.core->Propose(now_, absl::MakeConstSpan(&record, 1), 0);  // refused: then it isn't written
  Perform(replica);
}

// ---- Time ---------------------------------------------------------------------------------------------------------

void SimCluster::ScheduleFor(Replica& replica, Instant when, Event event) {
  Schedule(when, [this, &replica, life = replica.life, event = std::move(event)]() mutable {
    Deliver(replica, life, std::move(event));
  });
}

void SimCluster::Deliver(Replica& replica, uint64_t life, Event event) {
  if (replica.core == nullptr || replica.life != life) return;
  if (now_ < replica.paused_until) return ScheduleFor(replica, replica.paused_until, std::move(event));
  std::move(event)();
  Perform(replica);
}

void SimCluster::ArmPause(Replica& replica) {
  if (options_.world.pauses_per_second <= 0) return;
  const absl::Duration gap = Delay{0, 1e6 / options_.world.pauses_per_second}.Draw(random_);
  Schedule(now_ + gap, [this, &replica, life = replica.life] {
    if (replica.core == nullptr || replica.life != life) return;
    replica.paused_until = now_ + options_.world.pause.Draw(random_);
    ArmPause(replica);
  });
}

void SimCluster::ArmTick(Replica& replica) {
  const Instant next = std::max(replica.core->NextDeadline(), now_);
  if (next.is_infinite() || replica.tick_at <= next) return;
  replica.tick_at = next;
  ScheduleFor(replica, next, [this, &replica, next] {
    if (replica.tick_at != next) return;  // an earlier one came in between
    replica.tick_at = Instant::Infinite();
    replica.core->Tick(now_);
  });
}

bool SimCluster::RunUntil(absl::FunctionRef<bool()> done, absl::Duration limit) {
  const Instant deadline = now_ + limit;
  while (!done()) {
    if (!fault_.ok() || events_.empty() || events_.begin()->first.first > deadline) return false;
    auto next = events_.extract(events_.begin());
    now_ = std::max(now_, next.key().first);
    std::move(next.mapped())();
  }
  return true;
}

void SimCluster::RunFor(absl::Duration span) {
  const Instant end = now_ + span;
  RunUntil([] { return false; }, span);
  now_ = std::max(now_, end);
}

// ---- Effects ------------------------------------------------------------------------------------------------------

void SimCluster::Perform(Replica& replica) {
  bool more = true;
  while (more) {
    raft::Effects effects = replica.core->TakeEffects();
    WatchRole(replica);
    for (raft::LogOperation& operation : effects.log) {
      if (auto* append = std::get_if<raft::AppendLog>(&operation)) {
        Append(replica, std::move(append->batch), effects.log_generation);
      }
      // A truncation takes effect with the append that follows it: nothing reads the disk before.
    }
    if (effects.store.has_value()) {
      ScheduleFor(replica, now_ + options_.world.disk.Draw(random_), [this, &replica, store = *effects.store] {
        replica.election = store.state;
        replica.core->ElectionStateStored(now_, store.sequence);
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
    more = !effects.read_log.empty();
  }
  ArmTick(replica);
}

void SimCluster::WatchRole(Replica& replica) {
  const ReplicaRole role = replica.core->role();
  if (replica.role == ReplicaRole::kFollower && role == ReplicaRole::kProspective) ++suspicions_;
  replica.role = role;
}

void SimCluster::Append(Replica& replica, Batch batch, uint64_t generation) {
  replica.disk_free = std::max(replica.disk_free, now_) + options_.world.disk.Draw(random_);
  ScheduleFor(replica, replica.disk_free, [this, &replica, batch = std::move(batch), generation] {
    while (!replica.disk.empty() && replica.disk.back().end_offset() > batch.base_offset()) replica.disk.pop_back();
    replica.disk.push_back(batch);
    replica.core->LogDurable(now_, batch.end_offset(), generation);
  });
}

void SimCluster::Send(Message message) {
  const NodeId to = message.to.id;
  if (to.value() < 1 || static_cast<size_t>(to.value()) > replicas_.size()) return;
  HoldBackFrom(&message);
  Instant& free = link_free_[{message.from.id, to}];
  free = std::max(free, now_ + options_.world.network.Draw(random_));
  Replica& receiver = At(to);
  ScheduleFor(receiver, free, [this, &receiver, message = std::move(message)] {
    const auto* begin = std::get_if<BeginEpochRequest>(&message.body);
    if (begin != nullptr && begin->epoch > first_message_.epoch) first_message_ = {begin->epoch, now_};
    receiver.core->Receive(now_, message);
  });
}

void SimCluster::HoldBackFrom(Message* message) const {
  const auto limit = held_back_.find(message->to.id);
  auto* response = std::get_if<FetchResponse>(&message->body);
  if (limit == held_back_.end() || response == nullptr) return;
  std::erase_if(response->batches, [&](const Batch& batch) { return batch.end_offset() > limit->second; });
}

// ---- Looking ------------------------------------------------------------------------------------------------------

NodeId SimCluster::ActiveLeader() const {
  NodeId leader = kNoNode;
  Epoch newest;
  for (const Replica& replica : replicas_) {
    if (replica.core == nullptr || replica.core->role() != ReplicaRole::kLeader) continue;
    if (replica.core->high_watermark() <= replica.core->epoch_start()) continue;
    if (leader == kNoNode || replica.core->epoch() > newest) {
      leader = replica.key.id;
      newest = replica.core->epoch();
    }
  }
  return leader;
}

Epoch SimCluster::NewestEpoch() const {
  Epoch newest;
  for (const Replica& replica : replicas_) {
    if (replica.core != nullptr) newest = std::max(newest, replica.core->epoch());
  }
  return newest;
}

bool SimCluster::Steady() const {
  const NodeId leader = ActiveLeader();
  if (leader == kNoNode) return false;
  const Offset committed = core(leader)->high_watermark();
  return std::all_of(replicas_.begin(), replicas_.end(), [&](const Replica& replica) {
    return replica.core != nullptr && replica.core->leader().id == leader &&
           replica.core->high_watermark() >= committed;
  });
}

bool SimCluster::AllKnowALeaderAfter(Epoch epoch) const {
  NodeId leader = kNoNode;
  for (const Replica& replica : replicas_) {
    if (replica.core == nullptr) continue;
    if (replica.core->epoch() <= epoch || replica.core->leader().id == kNoNode) return false;
    if (leader != kNoNode && replica.core->leader().id != leader) return false;
    leader = replica.core->leader().id;
  }
  return true;
}

}  // namespace quorate::bench
