#include "raft/core_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
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

void CoreCluster::Resume(int id) {
  node(id).paused = false;
  for (auto& event : std::exchange(node(id).held, {})) event();
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

void CoreCluster::Violation(const std::string& what) {
  violations_.push_back(absl::StrCat("seed ", options_.seed, " at ", now_.nanos() / 1000, " us: ", what));
}

}  // namespace quorate::raft
