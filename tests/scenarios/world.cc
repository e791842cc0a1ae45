// Lives, disks, clocks and messages. What the cores' effects do to them is world_effects.cc.
#include "scenarios/world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/recovery.h"

namespace quorate::scenarios {
namespace {

// More messages than any script means to send without a command in between.
constexpr int kStepsMax = 20'000;

ClusterId Cluster() { return ClusterId(Uuid(1, 0xC1A5)); }

ReplicaKey KeyOf(int id, uint64_t directory) {
  return ReplicaKey{NodeId(id), DirectoryId(Uuid(7, 1000 * directory + static_cast<uint64_t>(id)))};
}

Endpoint AddressOf(int id) { return Endpoint{"CONTROLLER", absl::StrCat("host", id), 9093}; }

}  // namespace

World::World(WorldOptions options) : options_(std::move(options)), referee_(&nodes_) {
  std::vector<Voter> voters;
  for (int id = 1; id <= options_.voters; ++id) voters.push_back(Voter{KeyOf(id, 1), {AddressOf(id)}, 0, 1});
  const int count = options_.voters + options_.spares + options_.observers;
  for (int id = 1; id <= count; ++id) {
    auto node = std::make_unique<Node>();
    node->id = id;
    // No two clocks show the same.
    node->now = Instant::FromNanos(int64_t{1'000'000'000} * id);
    node->config.cluster_id = Cluster();
    node->config.self = KeyOf(id, 1);
    node->config.may_vote = id <= options_.voters + options_.spares;
    node->config.advertised_endpoints = {AddressOf(id)};
    node->config.auto_join = options_.auto_join;
    node->config.initial_voters = voters;
    node->config.timeouts = options_.timeouts;
    node->config.fetch_credit_bytes = options_.fetch_credit_bytes;
    node->config.tail_cache_bytes = options_.tail_cache_bytes;
    if (const auto priority = options_.priorities.find(id); priority != options_.priorities.end()) {
      node->config.priority = priority->second;
    }
    nodes_.push_back(std::move(node));
  }
}

Node* World::Find(int id) {
  return id >= 1 && id <= static_cast<int>(nodes_.size()) ? nodes_[static_cast<size_t>(id - 1)].get() : nullptr;
}

// ---- Lives and disks ----------------------------------------------------------------------------------

void World::GiveLog(Node& node, const std::vector<Epoch>& epochs) {
  for (const Epoch epoch : epochs) {
    const LogPosition end = node.disk.End();
    const std::string text = absl::StrCat("given ", end.end.value(), "@", epoch.value());
    const absl::string_view view = text;
    node.disk.log.push_back(
        *Batch::Make({end.end, epoch, BatchKind::kData, Cluster().value().low(), 0}, absl::MakeConstSpan(&view, 1)));
  }
  node.disk.synced = node.disk.End().end;
  referee_.OnGivenLog(node);
}

void World::Start(Node& node) {
  ++node.lives;
  node.config.incarnation = IncarnationId(Uuid(9, 1000 * static_cast<uint64_t>(node.id) + node.lives));
  node.random = std::make_unique<Xoshiro>(options_.seed * 10'000 + static_cast<uint64_t>(node.id) * 100 + node.lives);
  node.paused = false;
  node.halt.reset();
  node.held.clear();
  node.peers.clear();
  node.seen_role = ReplicaRole::kUnattached;
  node.seen_leader = kNoNode;
  node.seen_epoch = node.disk.election.has_value() ? node.disk.election->epoch : Epoch();

  Disk& disk = node.disk;
  if (!disk.snapshots.empty() && disk.snapshots.back().info.id.end > disk.End().end) {
    // Its installation was cut short: the log is taken to where the snapshot ends.
    disk.log.clear();
    disk.start = disk.snapshots.back().info.id;
  }
  disk.synced = disk.End().end;
  raft::Recovery recovery;
  for (const Batch& batch : disk.log) {
    if (const absl::Status visited = recovery.Visit(batch); !visited.ok()) {
      Say(absl::StrCat("node ", node.id, " can't read its log: ", visited.message()));
    }
  }
  raft::RecoveredState state = recovery.Finish(LogBounds{disk.start, disk.End()}, disk.election);
  if (!disk.snapshots.empty()) {
    state.snapshot = raft::RecoveredState::Snapshot{disk.snapshots.back().info, disk.snapshots.back().voters};
  }
  if (disk.partial.has_value()) {
    state.partial_snapshot = disk.partial->info;
    state.partial_snapshot_bytes = disk.partial->bytes.size();
  }
  node.core = raft::Core::Make(node.config, std::move(state), node.random.get());
  referee_.OnStart(node);
  Do(node, [](raft::Core& core, Instant now) { core.Start(now); });
}

void World::Crash(Node& node, size_t kept) {
  node.core.reset();
  node.jobs.clear();
  node.inbox.clear();
  if (node.disk.former.has_value() && kept == 0) {
    FormerLog former = *std::exchange(node.disk.former, std::nullopt);
    node.disk.start = former.start;
    node.disk.log = std::move(former.log);
    node.disk.synced = former.synced;
  }
  node.disk.former.reset();
  std::vector<Batch>& log = node.disk.log;
  const auto lost =
      std::find_if(log.begin(), log.end(), [&](const Batch& batch) { return batch.end_offset() > node.disk.synced; });
  const size_t unsynced = static_cast<size_t>(log.end() - lost);
  log.resize(log.size() - unsynced + std::min(kept, unsynced));
}

void World::Wipe(Node& node) {
  ++node.directories;
  node.config.self = KeyOf(node.id, node.directories);
  node.disk = Disk();
}

void World::Connect(Node& node, const Node& peer) {
  Do(node, [&](raft::Core& core, Instant now) { core.PeerConnected(now, NodeId(peer.id)); });
}

void World::Disconnect(Node& node, const Node& peer) {
  Do(node, [&](raft::Core& core, Instant now) { core.PeerDisconnected(now, NodeId(peer.id)); });
}

void World::Resume(Node& node, absl::Duration slept) {
  node.paused = false;
  node.now = node.now + slept;
  // Whatever the kernel has buffered is read first; the core runs its overdue timers before it looks at any of it.
  for (const Message& message : std::exchange(node.inbox, {})) Receive(node, message);
  Do(node, [](raft::Core& core, Instant now) { core.Tick(now); });
}

bool World::Finish(Node& node, DiskJob kind, std::optional<size_t> n) {
  size_t place = 0;
  std::vector<std::list<PendingJob>::iterator> chosen;
  for (auto it = node.jobs.begin(); it != node.jobs.end(); ++it) {
    if (it->kind == kind && (!n.has_value() || ++place == *n)) chosen.push_back(it);
  }
  std::vector<std::function<void()>> done;
  for (const auto& it : chosen) {
    done.push_back(std::move(it->done));
    node.jobs.erase(it);
  }
  for (const auto& callback : done) {
    if (node.core != nullptr) callback();
  }
  Settle(node);
  return !chosen.empty();
}

void World::Unhold(Node& node) {
  node.held.clear();
  Settle(node);
}

absl::Status World::TakeSnapshot(Node& node, Offset end, Offset trim_to) {
  Disk& disk = node.disk;
  const auto at =
      std::find_if(disk.log.begin(), disk.log.end(), [&](const Batch& batch) { return batch.end_offset() == end; });
  const auto trim =
      std::find_if(disk.log.begin(), disk.log.end(), [&](const Batch& batch) { return batch.end_offset() == trim_to; });
  if (at == disk.log.end() || (trim == disk.log.end() && trim_to != disk.start.end) || trim_to > end) {
    return absl::InvalidArgumentError("a snapshot, and the log after trimming, begin and end where batches do");
  }
  if (end > node.core->high_watermark()) {
    return absl::InvalidArgumentError("a snapshot holds only what is committed here");
  }
  StoredSnapshot snapshot;
  snapshot.info.id = {node.core->EpochAt(at->base_offset()), end};
  snapshot.voters = node.core->VotersAsOf(end);
  snapshot.bytes =
      absl::StrCat("snapshot ", Words::Of(snapshot.info.id), " voters ", Words::Of(snapshot.voters.voters), ":");
  for (Offset offset; offset < end; offset = offset + 1) absl::StrAppend(&snapshot.bytes, " record ", offset.value());
  snapshot.info.bytes = snapshot.bytes.size();
  uint64_t digest = 14695981039346656037u;  // FNV-1a
  for (const char c : snapshot.bytes) digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211u;
  snapshot.info.digest = digest | 1;
  made_[snapshot.info.digest] = snapshot;
  disk.snapshots.push_back(snapshot);
  LogPosition start = disk.start;
  if (trim != disk.log.end()) {
    start = {trim->epoch(), trim_to};
    disk.log.erase(disk.log.begin(), trim + 1);
    disk.start = start;
  }
  Tell(absl::StrCat(node.id, " has snapshot ", Words::Of(snapshot.info.id), ", its log begins at ", start.end.value()));
  Do(node, [&](raft::Core& core, Instant now) { core.SnapshotTaken(now, snapshot.info, start); });
  return absl::OkStatus();
}

// ---- Time ---------------------------------------------------------------------------------------------

Node* World::NextTimer(const std::vector<Node*>& nodes, const std::map<int, Instant>& began, absl::Duration limit,
                       absl::Duration* at) {
  Node* next = nullptr;
  for (Node* node : nodes) {
    if (!node->running() || node->paused) continue;
    const Instant deadline = node->core->NextDeadline();
    if (deadline.is_infinite()) continue;
    const absl::Duration due = std::max(deadline, node->now) - began.at(node->id);
    if (due > limit || (next != nullptr && due >= *at)) continue;
    next = node;
    *at = due;
  }
  return next;
}

void World::Tick(const std::vector<Node*>& nodes, absl::Duration duration) {
  std::map<int, Instant> began;
  for (const Node* node : nodes) began[node->id] = node->now;
  absl::Duration at;
  for (int steps = 0; steps < kStepsMax; ++steps) {
    Node* next = NextTimer(nodes, began, duration, &at);
    if (next == nullptr) break;
    next->now = began[next->id] + at;
    Do(*next, [](raft::Core& core, Instant now) { core.Tick(now); });
  }
  for (Node* node : nodes) node->now = began[node->id] + duration;
}

bool World::Campaign(Node& node) {
  const auto stands = [&] {
    return node.core->role() == ReplicaRole::kProspective || node.core->role() == ReplicaRole::kCandidate;
  };
  for (int timers = 0; timers < 1000 && node.running(); ++timers) {
    if (node.core->NextDeadline().is_infinite()) return false;
    // Its search for a leader, its keep-alives: nobody hears them, and nobody wants to read them.
    const std::vector<std::string> before = lines_;
    const size_t packets = network_.All().size();
    const ReplicaRole role = node.core->role();
    const bool stood = stands();
    node.now = std::max(node.now, node.core->NextDeadline());
    Do(node, [](raft::Core& core, Instant now) { core.Tick(now); });
    // A new round of one that stands already is a new pre-election, or the step to a candidate.
    if (stands() && (!stood || role != node.core->role())) return true;
    lines_ = before;
    const auto all = network_.All();
    for (size_t i = packets; i < all.size(); ++i) network_.Take(all[i]);
  }
  return false;
}

// ---- Messages -----------------------------------------------------------------------------------------

void World::Deliver(Network::Packets::iterator packet) {
  const Message message = network_.Take(packet);
  Node* node = Find(message.to.id.value());
  const bool arrives = node != nullptr && node->running();
  if (!quiet_) {
    const char* const fate = !arrives ? ", nobody is there" : node->paused ? ", to be read later" : "";
    Say(absl::StrCat(words_.Of(message), fate));
  }
  if (!arrives) return;
  if (node->paused) {
    node->inbox.push_back(message);
  } else {
    Receive(*node, message);
  }
}

void World::Receive(Node& node, const Message& message) {
  Do(node, [&](raft::Core& core, Instant now) { core.Receive(now, message); });
}

bool World::Stabilize() {
  for (int steps = 0; steps < kStepsMax; ++steps) {
    const auto packets = network_.Select(Selection(), /*held=*/false);
    if (packets.empty()) return true;
    Deliver(packets.front());
  }
  return false;
}

bool World::Run(absl::Duration duration) {
  std::vector<Node*> all;
  std::map<int, Instant> began;
  for (const auto& node : nodes_) {
    all.push_back(node.get());
    began[node->id] = node->now;
  }
  absl::Duration at;
  for (int steps = 0; steps < kStepsMax; ++steps) {
    if (!Stabilize()) return false;
    Node* next = NextTimer(all, began, duration, &at);
    const absl::Duration until = next == nullptr ? duration : at;
    // Messages and disks take no time here, so that all clocks go on together.
    for (Node* node : all) node->now = std::max(node->now, began[node->id] + until);
    if (next == nullptr) return true;
    Do(*next, [](raft::Core& core, Instant now) { core.Tick(now); });
  }
  return false;
}

// ---- Reads --------------------------------------------------------------------------------------------

uint64_t World::Read(Node& node) {
  const uint64_t id = ++last_read_;
  referee_.OnReadAsked(id);
  Do(node, [&](raft::Core& core, Instant now) { core.RequestRead(now, id); });
  return id;
}

const absl::StatusOr<Offset>* World::ReadAnswer(uint64_t id) const {
  const auto found = read_answers_.find(id);
  return found == read_answers_.end() ? nullptr : &found->second;
}

}  // namespace quorate::scenarios
