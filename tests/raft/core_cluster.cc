#include "raft/core_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/control_records.h"
#include "raft/quorum.h"
#include "raft/recovery.h"

namespace quorate::raft {

CoreCluster::CoreCluster(ClusterOptions options) : options_(std::move(options)), random_(options_.seed) {
  std::vector<Voter> voters;
  std::vector<Endpoint> servers;
  const int count = options_.voters + options_.observers + options_.spares;
  for (int id = 1; id <= count; ++id) {
    auto node = std::make_unique<Node>();
    node->id = id;
    node->address = Endpoint{"CONTROLLER", "host", static_cast<uint16_t>(9000 + id)};
    node->config.self = ReplicaKey{NodeId(id), DirectoryId(Uuid(7, 1000 + static_cast<uint64_t>(id)))};
    if (id <= options_.voters) voters.push_back(Voter{node->config.self, {node->address}, 0, 1});
    if (id <= options_.voters) servers.push_back(node->address);
    nodes_.push_back(std::move(node));
  }
  for (const auto& node : nodes_) {
    const bool spare = node->id > options_.voters + options_.observers;
    const auto place = static_cast<size_t>(node->id - 1);
    node->config.cluster_id = cluster_id();
    node->config.may_vote = node->id <= options_.voters || spare;
    node->config.advertised_endpoints = {node->address};
    if (!spare) node->config.initial_voters = voters;
    if (spare) node->config.bootstrap_servers = servers;
    node->config.auto_join = options_.auto_join;
    if (place < options_.priorities.size()) node->config.priority = options_.priorities[place];
    node->config.timeouts = options_.timeouts;
    node->config.fetch_credit_bytes = options_.fetch_credit_bytes;
    node->config.tail_cache_bytes = options_.tail_cache_bytes;
    node->config.snapshot_bytes_per_second = options_.snapshot_bytes_per_second;
  }
}

CoreCluster::~CoreCluster() = default;

void CoreCluster::StartAll() {
  for (const auto& node : nodes_) Start(node->id);
}

void CoreCluster::Start(int id) {
  Node& n = node(id);
  n.life = ++lives_;
  n.config.incarnation = IncarnationId(Uuid(9, 1000 + n.life));
  n.random = std::make_unique<Xoshiro>(options_.seed * 1000 + n.life);
  n.high_watermark = Offset(0);
  n.peers.clear();
  n.paused = n.hold_disk = n.hold_stores = false;
  n.held.clear();
  n.held_stores.clear();
  n.core = Core::Make(n.config, Recover(n), n.random.get());
  n.core->Start(now_);
  AfterEvent(n);
  for (const auto& other : nodes_) {
    if (other->id == id || other->core == nullptr) continue;
    for (const auto& [peer, endpoint] : other->peers) {
      if (NodeAt(endpoint) == id) ConnectLater(*other, peer, endpoint);
    }
  }
}

void CoreCluster::Move(int id) {
  node(id).former_addresses.push_back(node(id).address);
  node(id).address.port = static_cast<uint16_t>(20'000 + ++moves_);
  node(id).config.advertised_endpoints = {node(id).address};
}

int CoreCluster::NodeAt(const Endpoint& endpoint) const {
  for (const auto& n : nodes_) {
    if (n->address == endpoint) return n->id;
    const auto& former = n->former_addresses;
    if (keep_former_addresses_ && std::find(former.begin(), former.end(), endpoint) != former.end()) return n->id;
  }
  return 0;
}

void CoreCluster::SetPeers(Node& n, const std::vector<PeerAddress>& peers) {
  for (const PeerAddress& peer : peers) {
    const bool moved = n.peers.erase(peer.id) > 0;
    if (!peer.endpoint.has_value()) continue;
    n.peers[peer.id] = *peer.endpoint;
    if (moved) {
      At(now_, [this, from = n.id, life = n.life, id = peer.id] {
        OnNode(from, life, [this, id](Node& target) { target.core->PeerDisconnected(now_, id); });
      });
    }
    ConnectLater(n, peer.id, *peer.endpoint);
  }
}

void CoreCluster::ConnectLater(Node& n, NodeId peer, const Endpoint& endpoint) {
  At(now_ + options_.delay_min, [this, from = n.id, life = n.life, peer, endpoint] {
    const int to = NodeAt(endpoint);
    if (to == 0 || to == from || node(to).core == nullptr) return;
    OnNode(from, life, [=, this](Node& target) {
      const auto wanted = target.peers.find(peer);
      if (wanted != target.peers.end() && wanted->second == endpoint) target.core->PeerConnected(now_, peer);
    });
  });
}

void CoreCluster::Crash(int id) {
  Node& n = node(id);
  n.core.reset();
  n.life = ++lives_;
  // What wasn't synced may survive or not, from the front on (F-P02).
  std::vector<Batch> kept;
  for (const Batch& batch : n.log) {
    if (batch.end_offset() > n.synced && random_.Below(2) == 0) break;
    kept.push_back(batch);
  }
  n.log = std::move(kept);
  CrashSnapshots(n);
  if (!options_.announce_crashes) return;
  for (const auto& other : nodes_) {
    if (other->id != id && other->core != nullptr) Disconnect(other->id, id);
  }
}

void CoreCluster::Isolate(int id) {
  for (const auto& other : nodes_) {
    CutLink(id, other->id);
    CutLink(other->id, id);
  }
}

void CoreCluster::Disconnect(int from, int to) {
  const uint64_t life = node(from).life;
  At(now_ + options_.delay_min, [this, from, to, life] {
    OnNode(from, life, [this, to](Node& n) { n.core->PeerDisconnected(now_, NodeId(to)); });
  });
}

void CoreCluster::Connect(int from, int to) {
  const uint64_t life = node(from).life;
  const uint64_t peer_life = node(to).life;
  At(now_ + options_.delay_min, [this, from, to, life, peer_life] {
    if (node(to).life != peer_life) return;
    OnNode(from, life, [this, to](Node& n) { n.core->PeerConnected(now_, NodeId(to)); });
  });
}

void CoreCluster::Resume(int id) {
  node(id).paused = false;
  for (auto& event : std::exchange(node(id).held, {})) event();
}

void CoreCluster::HoldDisk(int id, bool hold) {
  node(id).hold_disk = hold;
  if (hold) return;
  for (auto& event : std::exchange(node(id).held, {})) event();
}

void CoreCluster::HoldStores(int id, bool hold) {
  node(id).hold_stores = hold;
  if (hold) return;
  for (auto& event : std::exchange(node(id).held_stores, {})) event();
}

void CoreCluster::SetLog(int id, std::vector<Batch> log, std::optional<ElectionState> election) {
  node(id).log = std::move(log);
  node(id).synced = LogEnd(node(id));
  node(id).stored = std::move(election);
  for (const Batch& batch : node(id).log) bytes_[{batch.base_offset(), batch.epoch()}] = batch.crc();
}

void CoreCluster::RollBack(int id, size_t batches) {
  node(id).log.resize(std::min(batches, node(id).log.size()));
  node(id).synced = LogEnd(node(id));
}

absl::StatusOr<Offset> CoreCluster::Propose(int id, const std::string& record) {
  if (!alive(id) || node(id).paused) return absl::UnavailableError("the node is stopped or paused");
  absl::StatusOr<Offset> offset = Offset(0);
  Do(id, [&](Core& core, Instant now) {
    const absl::string_view view = record;
    offset = core.Propose(now, absl::MakeConstSpan(&view, 1), 0);
  });
  return offset;
}

uint64_t CoreCluster::Read(int id) {
  const uint64_t read = ++last_read_;
  reads_[read].must_cover = committed_end_;
  Do(id, [read](Core& core, Instant now) { core.RequestRead(now, read); });
  return read;
}

uint64_t CoreCluster::Change(int id, const VoterChange& change, absl::Duration timeout, bool dry_run) {
  const uint64_t number = ++last_change_;
  changes_[number];
  asked_[number] = {id, node(id).life};
  Do(id, [=](Core& core, Instant now) { core.RequestVoterChange(now, number, change, now + timeout, dry_run); });
  return number;
}

uint64_t CoreCluster::Transfer(int id, std::optional<int> to, absl::Duration timeout) {
  const uint64_t number = ++last_change_;
  transfers_[number];
  asked_[number] = {id, node(id).life};
  Do(id, [=](Core& core, Instant now) {
    core.TransferLeadership(now, number, to.has_value() ? std::make_optional(NodeId(*to)) : std::nullopt,
                            now + timeout);
  });
  return number;
}

VoterChange CoreCluster::AddOf(int subject) {
  return {VoterChange::Kind::kAdd, Voter{key(subject), {address(subject)}, 0, 1}, false};
}
VoterChange CoreCluster::RemoveOf(int subject) {
  return {VoterChange::Kind::kRemove, Voter{key(subject), {}, 0, 1}, false};
}
VoterChange CoreCluster::UpdateOf(int subject) {
  return {VoterChange::Kind::kUpdate, Voter{key(subject), {address(subject)}, 0, 1}, false};
}

namespace {
int CountOk(const std::map<uint64_t, std::optional<absl::Status>>& results) {
  return static_cast<int>(std::count_if(results.begin(), results.end(), [](const auto& entry) {
    return entry.second.has_value() && entry.second->ok();
  }));
}
}  // namespace

int CoreCluster::ChangesDone() const { return CountOk(changes_); }
int CoreCluster::TransfersDone() const { return CountOk(transfers_); }

int CoreCluster::Unanswered() {
  int count = 0;
  for (const auto* results : {&changes_, &transfers_}) {
    for (const auto& [id, result] : *results) {
      const auto& [asked, life] = asked_.at(id);
      count += !result.has_value() && node(asked).core != nullptr && node(asked).life == life ? 1 : 0;
    }
  }
  return count;
}

bool CoreCluster::IsVoterAnywhere(int id) {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& n) {
    for (const auto& [offset, set] : SetsOf(*n)) {
      // A committed set is final; what came before it is history.
      if (offset >= committed_end_ && set.Contains(key(id))) return true;
    }
    return SetsOf(*n).back().second.Contains(key(id));
  });
}

std::vector<int> CoreCluster::VoterIds() {
  std::vector<int> ids;
  if (Leader() == 0) return ids;
  for (const Voter& voter : core(Leader()).voters()) ids.push_back(voter.key.id.value());
  return ids;
}

void CoreCluster::Do(int id, const std::function<void(Core&, Instant)>& event) {
  OnNode(id, node(id).life, [this, event](Node& n) { event(*n.core, now_); });
}

void CoreCluster::Inject(int to, const Message& message) {
  Do(to, [&](Core& core, Instant now) { core.Receive(now, message); });
}

void CoreCluster::RunFor(absl::Duration duration) {
  RunUntil([] { return false; }, duration);
}

bool CoreCluster::RunUntil(const std::function<bool()>& condition, absl::Duration at_most) {
  const Instant end = now_ + at_most;
  while (!condition()) {
    if (events_.empty() || events_.begin()->first.first > end) {
      now_ = end;
      return condition();
    }
    auto event = events_.extract(events_.begin());
    now_ = event.key().first;
    event.mapped()();
  }
  return true;
}

int CoreCluster::Leader() {
  int leader = 0;
  Epoch epoch(-1);
  for (const auto& n : nodes_) {
    if (n->core == nullptr || n->core->role() != ReplicaRole::kLeader || n->core->epoch() < epoch) continue;
    leader = n->id;
    epoch = n->core->epoch();
  }
  return leader;
}

bool CoreCluster::Settled() {
  const int leader = Leader();
  if (leader == 0) return false;
  for (const auto& n : nodes_) {
    if (n->core == nullptr) continue;
    if (n->core->leader().id != NodeId(leader) || n->core->epoch() != core(leader).epoch()) return false;
    if (n->core->log_end() != core(leader).log_end() || n->core->high_watermark() != core(leader).log_end().end)
      return false;
    if (n->core->durable_end() != core(leader).log_end().end) return false;
  }
  return true;
}

std::optional<absl::StatusOr<Offset>> CoreCluster::ReadResult(uint64_t id) { return reads_.at(id).result; }

Batch CoreCluster::MakeBatch(Offset base, Epoch epoch, const std::vector<std::string>& records) const {
  const std::vector<absl::string_view> views(records.begin(), records.end());
  return *Batch::Make({base, epoch, BatchKind::kData, cluster_id().value().low(), 0}, views);
}

// ---- The machinery ------------------------------------------------------------------------------------

absl::Duration CoreCluster::DiskTime() {
  const auto spread = static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.disk_max - options_.disk));
  return options_.disk + absl::Nanoseconds(random_.Below(spread + 1));
}

void CoreCluster::OnNode(int id, uint64_t life, const std::function<void(Node&)>& event) {
  Node& n = node(id);
  if (n.core == nullptr || n.life != life) return;
  if (n.paused) {
    n.held.push_back([this, id, life, event] { OnNode(id, life, event); });
    return;
  }
  event(n);
  AfterEvent(n);
}

void CoreCluster::AfterEvent(Node& n) {
  Perform(n, n.core->TakeEffects());
  CheckLeadership(n);
  CheckHighWatermark(n);
  CheckSnapshots(n);
  MaybeTakeSnapshot(n);
  const uint64_t token = ++n.tick_token;
  const Instant deadline = n.core->NextDeadline();
  if (deadline.is_infinite()) return;
  const uint64_t life = n.life;
  At(std::max(deadline, now_), [this, id = n.id, life, token] {
    if (node(id).life != life || node(id).tick_token != token) return;
    OnNode(id, life, [this](Node& target) { target.core->Tick(now_); });
  });
}

void CoreCluster::Perform(Node& n, Effects effects) {
  const uint64_t life = n.life;
  PerformLog(n, effects);
  PerformSnapshots(n, effects);
  SetPeers(n, effects.peers);
  if (effects.halt.has_value()) n.halt = effects.halt;
  if (effects.store.has_value()) {
    const StoreElectionState store = *effects.store;
    if (n.stored.has_value() && store.state.epoch < n.stored->epoch) Violation("I-03: a stored epoch fell");
    auto complete = [this, id = n.id, life, store] {
      OnNode(id, life, [this, store](Node& target) {
        target.stored = store.state;
        target.core->ElectionStateStored(now_, store.sequence);
      });
    };
    n.store_done_at = std::max(n.store_done_at, now_ + DiskTime());  // in the order of the calls
    At(n.store_done_at, [this, id = n.id, complete] {
      if (node(id).hold_stores) {
        node(id).held_stores.push_back(complete);
      } else {
        complete();
      }
    });
  }
  for (const ReadLog& read : effects.read_log) {
    At(now_ + DiskTime(), [this, id = n.id, life, read] {
      OnNode(id, life, [=, this](Node& target) {
        if (read.from < target.log_start.end) {
          return target.core->LogRead(now_, read.id, absl::OutOfRangeError("the log was trimmed"));
        }
        std::vector<Batch> batches;
        size_t bytes = 0;
        for (const Batch& batch : target.log) {
          if (batch.base_offset() < read.from) continue;
          if (!batches.empty() && bytes + batch.size() > read.bytes_max) break;
          bytes += batch.size();
          batches.push_back(batch);
        }
        target.core->LogRead(now_, read.id, std::move(batches));
      });
    });
  }
  for (const ReadOutcome& outcome : effects.reads) CheckRead(outcome.id, outcome.offset);
  for (const VoterChangeOutcome& outcome : effects.voter_changes) {
    if (changes_.at(outcome.id).has_value()) Violation(absl::StrCat("I-24: change ", outcome.id, " answered twice"));
    changes_[outcome.id] = outcome.status;
  }
  for (const TransferOutcome& outcome : effects.transfers) {
    if (transfers_.at(outcome.id).has_value())
      Violation(absl::StrCat("I-24: transfer ", outcome.id, " answered twice"));
    transfers_[outcome.id] = outcome.status;
  }
  for (const Message& message : effects.send) Route(n, message);
}

void CoreCluster::PerformLog(Node& n, const Effects& effects) {
  for (const LogOperation& operation : effects.log) {
    if (const auto* truncate = std::get_if<TruncateLog>(&operation)) {
      if (n.core->role() == ReplicaRole::kLeader) Violation("I-04: a leader truncated its log");
      if (truncate->new_end < n.high_watermark) Violation("I-13: truncated below the high watermark");
      while (!n.log.empty() && n.log.back().end_offset() > truncate->new_end) n.log.pop_back();
      n.synced = std::min(n.synced, truncate->new_end);
      ++n.generation;
    } else if (const auto* reset = std::get_if<ResetLog>(&operation)) {
      if (n.core->role() == ReplicaRole::kLeader) Violation("I-04: a leader dropped its log");
      if (reset->start.end < n.high_watermark) Violation("I-13: reset to below the high watermark");
      ResetLogOf(n, reset->start);
    } else {
      const Batch& batch = std::get<AppendLog>(operation).batch;
      if (batch.base_offset() != LogEnd(n)) Violation("an append leaves a gap");
      const auto [known, fresh] = bytes_.try_emplace({batch.base_offset(), batch.epoch()}, batch.crc());
      if (!fresh && known->second != batch.crc()) Violation("I-05: same offset and epoch, other bytes");
      n.log.push_back(batch);
      CheckVoters(n, batch);
    }
  }
  if (effects.log.empty()) return;
  auto complete = [this, id = n.id, life = n.life, end = LogEnd(n), disk_generation = n.generation,
                   generation = effects.log_generation] {
    OnNode(id, life, [=, this](Node& target) {
      if (target.generation == disk_generation) {
        target.synced = std::max(target.synced, end);
        target.replaced.reset();
      }
      target.core->LogDurable(now_, end, generation);
    });
  };
  n.log_done_at = std::max(n.log_done_at, now_ + DiskTime());
  At(n.log_done_at, [this, id = n.id, complete] {
    if (node(id).hold_disk) {
      node(id).held.push_back(complete);
    } else {
      complete();
    }
  });
}

void CoreCluster::Route(Node& n, const Message& message) {
  CheckSent(n, message);
  if (record_sent) sent_.push_back(message);
  if (filter && !filter(message)) return;
  int to = message.to.id.value();
  if (!message.IsResponse()) {
    // A request goes to an address; who is there and isn't meant drops it (F-N10).
    const auto peer = n.peers.find(message.to.id);
    to = peer == n.peers.end() ? 0 : NodeAt(peer->second);
    if (message.to.id >= NodeId(0) && message.to.id != NodeId(to)) return;
  }
  if (to < 1 || to > static_cast<int>(nodes_.size()) || cut_.count({n.id, to}) > 0) return;
  if (random_.Below(1000) < static_cast<uint64_t>(options_.drop_permille)) return;
  const int copies = random_.Below(1000) < static_cast<uint64_t>(options_.duplicate_permille) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    const auto spread = static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.delay_max - options_.delay_min));
    const absl::Duration delay = options_.delay_min + absl::Nanoseconds(random_.Below(spread + 1));
    At(now_ + (i == 0 ? delay : delay * 20), [this, to, message] { Deliver(to, message); });
  }
}

void CoreCluster::Deliver(int to, const Message& message) {
  // Messages in the network survive a restart of either end (F-N08).
  OnNode(to, node(to).life, [this, message](Node& n) { n.core->Receive(now_, message); });
}

void CoreCluster::Violation(const std::string& what) {
  violations_.push_back(absl::StrCat("seed ", options_.seed, " at ", now_.nanos() / 1000, " us: ", what));
}

// ---- The referee --------------------------------------------------------------------------------------

void CoreCluster::CheckSent(Node& n, const Message& message) {
  const Epoch persisted = n.stored.has_value() ? n.stored->epoch : Epoch(0);
  const auto epoch_of = [](const auto& body) {
    if constexpr (requires { body.epoch; }) return body.epoch;
    return Epoch(0);  // a probe asks nobody's epoch
  };
  const Epoch epoch = std::visit(epoch_of, message.body);
  if (epoch > persisted) Violation(absl::StrCat("I-03: node ", n.id, " speaks in an epoch that it hasn't stored"));
  if (const auto* fetch = std::get_if<FetchRequest>(&message.body); fetch != nullptr && fetch->durable_end > n.synced) {
    Violation(
        absl::StrCat("I-12: node ", n.id, " acknowledged ", fetch->durable_end.value(), ", synced ", n.synced.value()));
  }
  const auto vote_for = [&](NodeId candidate, Epoch in) {
    const auto [vote, fresh] = votes_.try_emplace({n.id, in}, candidate);
    if (!fresh && vote->second != candidate) Violation(absl::StrCat("I-02: node ", n.id, " voted twice"));
    if (!n.stored.has_value() || n.stored->epoch < in ||
        (n.stored->epoch == in && n.stored->voted_for.id != candidate)) {
      Violation(absl::StrCat("M-01: node ", n.id, " sent a vote that it hasn't stored"));
    }
  };
  if (const auto* vote = std::get_if<VoteResponse>(&message.body);
      vote != nullptr && vote->granted && !vote->pre_vote) {
    vote_for(message.to.id, vote->epoch);
  }
  if (const auto* vote = std::get_if<VoteRequest>(&message.body); vote != nullptr && !vote->pre_vote) {
    vote_for(NodeId(n.id), vote->epoch);
  }
}

void CoreCluster::CheckLeadership(Node& n) {
  if (n.core->role() != ReplicaRole::kLeader) return;
  if (!n.core->is_voter() && n.core->committed_voters() == nullptr) {
    Violation(absl::StrCat("M-35: node ", n.id, " leads though the set without it is committed"));
  }
  const auto [leader, fresh] = leaders_.try_emplace(n.core->epoch(), n.id);
  if (leader->second != n.id) Violation(absl::StrCat("I-01: two leaders in epoch ", n.core->epoch().value()));
  if (!fresh) return;
  const auto votes = [&](const std::vector<Voter>* voters) {
    return voters != nullptr &&
           std::any_of(voters->begin(), voters->end(), [&](const Voter& v) { return v.key == key(n.id); });
  };
  if (!n.config.may_vote || (!votes(&n.core->voters()) && !votes(n.core->committed_voters()))) {
    Violation(absl::StrCat("M-12: observer ", n.id, " leads"));
  }
  std::map<Offset, std::pair<Epoch, uint32_t>> held;
  for (const Batch& batch : n.log) held[batch.base_offset()] = {batch.epoch(), batch.crc()};
  for (const auto& [offset, record] : committed_) {
    if (offset < n.log_start.end) continue;  // I-11 and I-18 say that a snapshot has it
    const auto at = held.find(offset);
    if (at == held.end() || at->second != record) {
      Violation(absl::StrCat("I-06: new leader ", n.id, " lacks committed offset ", offset.value()));
    }
  }
}

std::vector<std::pair<Offset, VoterSet>> CoreCluster::SetsOf(const Node& n) const {
  std::vector<std::pair<Offset, VoterSet>> sets = {{kNoOffset, VoterSet(n.config.initial_voters)}};
  if (!n.snapshots.empty()) {
    const RecoveredState::VotersAt& voters = snapshot_voters_.at(n.snapshots.back().info.digest);
    if (voters.offset != kNoOffset) sets = {{voters.offset, VoterSet(voters.voters, voters.removed)}};
  }
  for (const Batch& batch : n.log) {
    if (batch.kind() != BatchKind::kControl) continue;
    auto found = VoterSetsIn(batch);
    for (auto& set : *found) {
      if (set.first > sets.front().first) sets.push_back(std::move(set));
    }
  }
  return sets;
}

void CoreCluster::CheckVoters(Node& n, const Batch& batch) {
  if (batch.kind() != BatchKind::kControl || VoterSetsIn(batch)->empty()) return;
  CheckDecidingMajorities();
  const auto sets = SetsOf(n);
  if (n.core->role() != ReplicaRole::kLeader || sets.size() < 2) return;
  // I-14: one at a time, on a committed set, by one voter.
  const auto& [offset, before] = sets[sets.size() - 2];
  if (offset == kNoOffset) return;  // the first leader writes the configured voters down
  if (n.core->high_watermark() <= offset)
    Violation(absl::StrCat("I-14: node ", n.id, " changes an uncommitted voter set"));
  int added = 0;
  int removed = 0;
  for (const Voter& voter : sets.back().second.voters()) {
    const Voter* same = before.FindById(voter.key.id);
    added += same == nullptr || !same->key.Matches(voter.key) ? 1 : 0;
  }
  for (const Voter& voter : before.voters()) removed += sets.back().second.Contains(voter.key) ? 0 : 1;
  if (added + removed > 1) Violation(absl::StrCat("I-14: +", added, " -", removed, " voters in one change"));
}

bool CoreCluster::MayWin(const Node& candidate, const VoterSet& voters) const {
  const auto end = [this](const Node& n) {
    return LogPosition{n.log.empty() ? n.log_start.epoch : n.log.back().epoch(), LogEnd(n)};
  };
  size_t votes = 0;
  for (const Voter& voter : voters.voters()) {
    const Node& n = *nodes_.at(static_cast<size_t>(voter.key.id.value() - 1));
    votes += n.config.self == voter.key && end(n) <= end(candidate) ? 1 : 0;
  }
  return votes >= MajorityOf(voters.size());
}

void CoreCluster::CheckDecidingMajorities() {
  // I-15: whoever can win an election, by its log, shares a voter with any other majority that can decide.
  std::vector<std::pair<int, VoterSet>> winners;
  for (const auto& n : nodes_) {
    VoterSet set = SetsOf(*n).back().second;
    if (!set.empty() && MayWin(*n, set)) winners.emplace_back(n->id, std::move(set));
  }
  for (const auto& [a, first] : winners) {
    for (const auto& [b, second] : winners) {
      size_t common = 0;
      for (const Voter& voter : first.voters()) common += second.Contains(voter.key) ? 1 : 0;
      const auto needed = [common](const VoterSet& set) {  // of the common ones, after all others
        const size_t majority = MajorityOf(set.size());
        return majority - std::min(majority, set.size() - common);
      };
      if (needed(first) + needed(second) <= common) {
        Violation(absl::StrCat("I-15: nodes ", a, " and ", b, " can win with majorities that share nobody"));
      }
    }
  }
}

void CoreCluster::CheckHighWatermark(Node& n) {
  const Offset high = n.core->high_watermark();
  if (high < n.high_watermark) Violation(absl::StrCat("I-10: high watermark of node ", n.id, " fell"));
  if (high > n.core->log_end().end) Violation(absl::StrCat("I-10: high watermark of node ", n.id, " above its log"));
  if (high == n.high_watermark) return;
  const Offset before = std::exchange(n.high_watermark, high);
  if (n.core->role() == ReplicaRole::kLeader) {
    int backing = 0;  // I-08, I-16: voters, and on disk
    const auto newest =
        std::find_if(n.log.begin(), n.log.end(), [&](const Batch& b) { return b.end_offset() >= high; });
    if (newest == n.log.end() || newest->epoch() != n.core->epoch())
      Violation("I-09: committed by counting old records");
    for (const Voter& voter : n.core->voters()) {  // of the set in force, by replica key
      const int id = voter.key.id.value();
      if (newest == n.log.end() || key(id) != voter.key) continue;
      const std::vector<Batch>& log = node(id).log;
      // Behind a snapshot it is there too: I-18 has looked at what snapshots hold.
      const bool has = node(id).log_start.end >= high || std::any_of(log.begin(), log.end(), [&](const Batch& b) {
                         return b.base_offset() == newest->base_offset() && b.crc() == newest->crc();
                       });
      backing += has && node(id).synced >= high ? 1 : 0;
    }
    if (backing <= static_cast<int>(n.core->voters().size() / 2))
      Violation(absl::StrCat("I-08: ", high.value(), " is on ", backing, " disks"));
  }
  for (const Batch& batch : n.log) {
    if (batch.end_offset() <= before || batch.base_offset() >= high) continue;
    const std::pair<Epoch, uint32_t> what{batch.epoch(), batch.crc()};
    const auto [known, fresh] = committed_.try_emplace(batch.base_offset(), what);
    if (known->second != what) Violation(absl::StrCat("I-07: two records at offset ", batch.base_offset().value()));
  }
  committed_end_ = std::max(committed_end_, high);
}

void CoreCluster::CheckRead(uint64_t id, const absl::StatusOr<Offset>& offset) {
  ReadRecord& read = reads_.at(id);
  if (read.result.has_value()) Violation(absl::StrCat("I-24: read ", id, " answered twice"));
  read.result = offset;
  if (offset.ok() && *offset < read.must_cover) {
    Violation(absl::StrCat("I-20: read ", id, " got ", offset->value(), ", committed was ", read.must_cover.value()));
  }
}

}  // namespace quorate::raft
