#include "raft/core_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/recovery.h"

namespace quorate::raft {

CoreCluster::CoreCluster(ClusterOptions options) : options_(options), random_(options.seed) {
  std::vector<Voter> voters;
  for (int id = 1; id <= options_.voters; ++id) {
    voters.push_back(Voter{key(id), {Endpoint{"CONTROLLER", "host", static_cast<uint16_t>(9000 + id)}}, 0, 1});
  }
  for (int id = 1; id <= options_.voters + options_.observers; ++id) {
    auto node = std::make_unique<Node>();
    node->id = id;
    node->config.cluster_id = cluster_id();
    node->config.self = key(id);
    node->config.may_vote = id <= options_.voters;
    node->config.initial_voters = voters;
    node->config.timeouts = options_.timeouts;
    node->config.fetch_credit_bytes = options_.fetch_credit_bytes;
    node->config.tail_cache_bytes = options_.tail_cache_bytes;
    node->config.snapshot_bytes_per_second = options_.snapshot_bytes_per_second;
    nodes_.push_back(std::move(node));
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
  n.paused = n.hold_disk = n.hold_stores = false;
  n.held.clear();
  n.held_stores.clear();
  n.core = Core::Make(n.config, Recover(n), n.random.get());
  n.core->Start(now_);
  AfterEvent(n);
  for (const auto& other : nodes_) {
    if (other->id == id || other->core == nullptr) continue;
    Connect(id, other->id);
    Connect(other->id, id);
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
  const int to = message.to.id.value();
  if (to < 1 || to > static_cast<int>(nodes_.size()) || cut_.count({n.id, to}) > 0) return;
  if (random_.Below(1000) < static_cast<uint64_t>(options_.drop_permille)) return;
  const int copies = random_.Below(1000) < static_cast<uint64_t>(options_.duplicate_permille) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    const auto spread = static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.delay_max - options_.delay_min));
    const absl::Duration delay = options_.delay_min + absl::Nanoseconds(random_.Below(spread + 1));
    At(now_ + (i == 0 ? delay : delay * 20), [this, message] { Deliver(message); });
  }
}

void CoreCluster::Deliver(const Message& message) {
  const int to = message.to.id.value();
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
  const auto [leader, fresh] = leaders_.try_emplace(n.core->epoch(), n.id);
  if (leader->second != n.id) Violation(absl::StrCat("I-01: two leaders in epoch ", n.core->epoch().value()));
  if (!fresh) return;
  if (n.id > options_.voters) Violation(absl::StrCat("M-12: observer ", n.id, " leads"));
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
    for (int id = 1; id <= options_.voters && newest != n.log.end(); ++id) {
      const std::vector<Batch>& log = node(id).log;
      // Behind a snapshot it is there too: I-18 has looked at what snapshots hold.
      const bool has = node(id).log_start.end >= high || std::any_of(log.begin(), log.end(), [&](const Batch& b) {
                         return b.base_offset() == newest->base_offset() && b.crc() == newest->crc();
                       });
      backing += has && node(id).synced >= high ? 1 : 0;
    }
    if (backing <= options_.voters / 2) Violation(absl::StrCat("I-08: ", high.value(), " is on ", backing, " disks"));
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
