// One core, and a test that plays everybody else: its peers, its disk, its clock. For rules that need a message that
// no honest peer would send, or an order of events that a cluster only meets by luck.
//
// The core is node 1 of voters 1, 2 and 3 unless told otherwise. Stores and appends complete when Store() and Sync()
// say so.
#ifndef QUORATE_TESTS_RAFT_ONE_CORE_H_
#define QUORATE_TESTS_RAFT_ONE_CORE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/xoshiro.h"
#include "raft/core.h"
#include "raft/recovery.h"

namespace quorate::raft {

struct OneCoreSetup {
  int self = 1;
  std::vector<int> voters = {1, 2, 3};
  std::vector<Batch> log = {};
  std::optional<ElectionState> election = {};
  bool may_vote = true;
  std::vector<Endpoint> bootstrap_servers = {};
  uint32_t credit = 1u << 20;
  size_t tail_bytes = 1u << 20;
  // A log that begins behind `start`, and what is on disk of snapshots.
  LogPosition start = {};
  std::optional<RecoveredState::Snapshot> snapshot = {};
  std::optional<SnapshotInfo> partial = {};
  uint64_t partial_bytes = 0;
  uint64_t snapshot_bytes_per_second = 0;
};

class OneCore {
 public:
  using Setup = OneCoreSetup;

  explicit OneCore(Setup setup = {}) : random_(42) {
    config_.cluster_id = Cluster();
    config_.self = Key(setup.self);
    config_.incarnation = IncarnationId(Uuid(9, 1));
    config_.may_vote = setup.may_vote;
    config_.bootstrap_servers = setup.bootstrap_servers;
    config_.fetch_credit_bytes = setup.credit;
    config_.tail_cache_bytes = setup.tail_bytes;
    for (int id : setup.voters) config_.initial_voters.push_back(Voter{Key(id), {Address(id)}, 0, 1});
    Recovery recovery;
    LogBounds bounds{setup.start, setup.start};
    for (const Batch& batch : setup.log) {
      (void)recovery.Visit(batch);
      bounds.end = {batch.epoch(), batch.end_offset()};
    }
    config_.snapshot_bytes_per_second = setup.snapshot_bytes_per_second;
    RecoveredState recovered = recovery.Finish(bounds, setup.election, setup.snapshot);
    recovered.partial_snapshot = setup.partial;
    recovered.partial_snapshot_bytes = setup.partial_bytes;
    core = Core::Make(config_, std::move(recovered), &random_);
    core->Start(now);
    Take();
  }

  static ClusterId Cluster() { return ClusterId(Uuid(1, 0xC1A5)); }
  static ReplicaKey Key(int id) {
    return ReplicaKey{NodeId(id), DirectoryId(Uuid(7, 1000 + static_cast<uint64_t>(id)))};
  }
  static Endpoint Address(int id) { return Endpoint{"CONTROLLER", "host", static_cast<uint16_t>(9000 + id)}; }
  static Batch Data(int64_t base, int epoch, const std::string& text = "x") {
    const absl::string_view view = text;
    return *Batch::Make({Offset(base), Epoch(epoch), BatchKind::kData, Cluster().value().low(), 0},
                        absl::MakeConstSpan(&view, 1));
  }
  // `count` batches of one record each, from `base` on.
  static std::vector<Batch> Log(int64_t base, int count, int epoch) {
    std::vector<Batch> log;
    for (int i = 0; i < count; ++i) log.push_back(Data(base + i, epoch));
    return log;
  }
  static std::vector<Batch> Concat(std::vector<Batch> a, const std::vector<Batch>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  // ---- Peers. -----------------------------------------------------------------------------------------
  Message From(int id, MessageBody body, uint64_t life = 0) {
    Message m;
    m.cluster_id = Cluster();
    m.from = Key(id);
    m.from_incarnation = IncarnationId(Uuid(8, static_cast<uint64_t>(id) + 100 * life));
    m.to = config_.self;
    m.request_incarnation = m.from_incarnation;
    m.request_id = ++request_id_;
    m.body = std::move(body);
    if (m.IsResponse()) m.request_incarnation = config_.incarnation;
    return m;
  }
  void Receive(const Message& message) {
    core->Receive(now, message);
    Take();
  }
  void Request(int id, MessageBody body) { Receive(From(id, std::move(body))); }
  // An answer to the newest request of the core to `id`.
  void Respond(int id, MessageBody body) {
    for (auto it = sent.rbegin(); it != sent.rend(); ++it) {
      if (it->to.id == NodeId(id) && !it->IsResponse()) return RespondTo(*it, id, std::move(body));
    }
  }
  void RespondTo(const Message& request, int id, MessageBody body) {
    Message m = From(id, std::move(body));
    m.request_incarnation = request.from_incarnation;
    m.request_id = request.request_id;
    Receive(m);
  }

  // ---- Disk and clock. ----------------------------------------------------------------------------------
  void Store() {
    if (!store.has_value()) return;
    stored = store->state;
    const uint64_t sequence = store->sequence;
    store.reset();
    core->ElectionStateStored(now, sequence);
    Take();
  }
  void Sync() {
    core->LogDurable(now, core->log_end().end, log_generation);
    Take();
  }
  void Wait(absl::Duration duration) {
    now = now + duration;
    core->Tick(now);
    Take();
  }
  // Lets time pass from timer to timer until the core has `role`.
  bool WaitForRole(ReplicaRole role) {
    for (int i = 0; i < 200 && core->role() != role && !core->NextDeadline().is_infinite(); ++i) {
      now = std::max(now, core->NextDeadline());
      core->Tick(now);
      Take();
    }
    return core->role() == role;
  }

  // ---- Shortcuts. -----------------------------------------------------------------------------------------
  // Elects the core, with pre-votes and votes of `helper`; its LeaderChange is synced here, not there.
  void Elect(int helper = 2) {
    WaitForRole(ReplicaRole::kProspective);
    Respond(helper, VoteResponse{PeerError::kNone, core->epoch(), {}, true, true});
    Store();
    Respond(helper, VoteResponse{PeerError::kNone, core->epoch(), {}, false, true});
    Sync();
  }
  // Makes the core follow `leader` in `epoch`.
  void Follow(int leader, int epoch) {
    Request(leader, BeginEpochRequest{Epoch(epoch), {Address(leader)}});
    Store();
  }
  // A FetchRequest of `id` to the core as leader.
  FetchRequest Fetch(int64_t offset, int64_t durable, uint64_t session = 1, uint64_t read_round = 0) {
    FetchRequest f;
    f.epoch = core->epoch();
    f.session = session;
    f.fetch_offset = Offset(offset);
    f.last_fetched_epoch = offset == 0 ? Epoch(0) : core->epoch();
    f.durable_end = Offset(durable);
    f.high_watermark = Offset(0);
    f.credit_bytes = 1u << 20;
    f.read_round = read_round;
    return f;
  }
  // A push of `leader` in the core's present session.
  FetchResponse Push(std::vector<Batch> batches, int64_t high_watermark) {
    const FetchRequest* session = Last<FetchRequest>();
    FetchResponse push;
    push.epoch = core->epoch();
    push.leader = core->leader();
    push.session = session == nullptr ? 0 : session->session;
    push.base_offset = batches.empty() ? core->log_end().end : batches.front().base_offset();
    push.high_watermark = Offset(high_watermark);
    push.batches = std::move(batches);
    return push;
  }
  // The newest message of that kind that was sent, or null.
  template <typename T>
  const T* Last() const {
    for (auto it = sent.rbegin(); it != sent.rend(); ++it) {
      if (const T* body = std::get_if<T>(&it->body)) return body;
    }
    return nullptr;
  }
  template <typename T>
  int Count() const {
    int count = 0;
    for (const Message& m : sent) count += std::holds_alternative<T>(m.body) ? 1 : 0;
    return count;
  }
  // Moves the core's effects into the fields below.
  void Take() {
    Effects effects = core->TakeEffects();
    log_generation = effects.log_generation;
    for (auto& message : effects.send) sent.push_back(std::move(message));
    for (auto& operation : effects.log) log.push_back(std::move(operation));
    for (auto& outcome : effects.reads) reads.push_back(std::move(outcome));
    for (auto& read : effects.read_log) read_log.push_back(read);
    for (auto& peer : effects.peers) peers.push_back(std::move(peer));
    for (auto& read : effects.read_snapshot) read_snapshot.push_back(read);
    if (effects.abandon_snapshot) ++abandoned;
    if (effects.write_snapshot.has_value()) write_snapshot = effects.write_snapshot;
    if (effects.verify_snapshot.has_value()) verify_snapshot = effects.verify_snapshot;
    if (effects.install_snapshot.has_value()) installed.push_back(effects.install_snapshot->info);
    if (effects.store.has_value()) store = effects.store;
    if (effects.halt.has_value()) halt = effects.halt;
  }

  std::unique_ptr<Core> core;
  Instant now = Instant::FromNanos(1'000'000'000);
  std::vector<Message> sent;
  std::vector<LogOperation> log;
  std::vector<ReadOutcome> reads;
  std::vector<ReadLog> read_log;
  std::vector<PeerAddress> peers;
  std::vector<ReadSnapshotChunk> read_snapshot;
  std::optional<WriteSnapshotChunk> write_snapshot;
  std::optional<VerifySnapshot> verify_snapshot;
  std::vector<SnapshotInfo> installed;
  int abandoned = 0;
  std::optional<StoreElectionState> store;
  ElectionState stored;
  std::optional<absl::Status> halt;
  uint64_t log_generation = 0;

 private:
  CoreConfig config_;
  Xoshiro random_;
  uint64_t request_id_ = 1000;
};

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_ONE_CORE_H_
