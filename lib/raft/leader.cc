// The leader: appends, serves fetch sessions, counts what is durable, and notices when nobody listens any more.
// docs/replication.md tells the story.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "raft/control_records.h"
#include "raft/core_impl.h"
#include "raft/quorum.h"

namespace quorate::raft {
namespace {

// One push. Large enough to keep a disk busy, small enough that the high watermark isn't stuck behind it.
constexpr size_t kPushBytesMax = 1u << 20;

}  // namespace

// ---- Appending --------------------------------------------------------------------------------------

absl::StatusOr<Offset> CoreImpl::Propose(Instant now, absl::Span<const absl::string_view> records, int64_t wall_ms) {
  Begin(now);
  if (role_ != ReplicaRole::kLeader) return NotLeaderError();
  if (transferring()) {
    StatusDetail detail;
    detail.reason = Reason::kLeadershipLost;
    detail.outcome = Outcome::kNotApplied;
    detail.leader = LeaderHint{transfer_->target.id, epoch_, Endpoint()};
    return MakeError(detail, absl::StrCat("leadership is being handed over to node ", transfer_->target.id.value()));
  }
  return AppendAsLeader(BatchKind::kData, records, wall_ms);
}

absl::StatusOr<Offset> CoreImpl::AppendAsLeader(BatchKind kind, absl::Span<const absl::string_view> records,
                                                int64_t wall_ms) {
  const Offset base = log_.end_offset();
  absl::StatusOr<Batch> batch = Batch::Make({.base_offset = base,
                                             .epoch = epoch_,
                                             .kind = kind,
                                             .cluster_hash = config_.cluster_id.value().low(),
                                             .append_time_ms = wall_ms},
                                            records);
  if (!batch.ok()) return batch.status();
  if (absl::Status appended = log_.Append(*std::move(batch)); !appended.ok()) return appended;
  disk_wait_.Appended(now_, log_.end_offset());
  watermark_pace_.Appended(now_);
  push_needed_ = true;
  return base;
}

void CoreImpl::AppendLeaderChange(const std::vector<ReplicaKey>& granting) {
  // M-15: a record of our own epoch, so that the high watermark has something to move to.
  LeaderChange change{.leader = config_.self.id, .voters = {}, .granting_voters = granting};
  for (const Voter& voter : voters_in_force().voters()) change.voters.push_back(voter.key);
  std::vector<std::string> records = {EncodeControlRecord(change)};
  if (!log_.has_voters_record()) {
    // The first leader writes the configured voters down; from here on the log says who votes (KIP-853).
    records.push_back(EncodeControlRecord(KRaftVersion{kKRaftVersion}));
    records.push_back(EncodeControlRecord(VotersRecord{voters_in_force().voters(), voters_in_force().removed()}));
  }
  const std::vector<absl::string_view> views(records.begin(), records.end());
  absl::StatusOr<Offset> appended = AppendAsLeader(BatchKind::kControl, views, /*wall_ms=*/0);
  if (!appended.ok()) HaltWith(Reason::kCorruption, appended.status().message());
}

// ---- Telling the voters who leads -------------------------------------------------------------------

void CoreImpl::SendBeginEpoch() {
  leader_tick_at_ = now_ + timing_.Resend();
  for (const ReplicaKey& voter : OtherVoters()) {
    raft::Progress& replica = replicas_.ForVoter(voter);
    const absl::Duration period = replica.begin_acknowledged ? timing_.BeginEpochPeriod() : timing_.Resend();
    const bool fetches = now_ - replica.last_fetch.value_or(leader_since_) < timing_.BeginEpochPeriod();
    if (replica.begin_acknowledged && fetches) continue;
    if (replica.begin_sent.has_value() && now_ - *replica.begin_sent < period) continue;
    replica.begin_sent = now_;
    SendRequest(voter, begin_id_, BeginEpochRequest{.epoch = epoch_, .leader_endpoints = leader_.endpoints});
  }
}

void CoreImpl::On(const Message& message, const BeginEpochResponse& response) {
  if (role_ != ReplicaRole::kLeader || message.request_id != begin_id_) return;
  if (!AcceptAnswer(message, response.epoch, response.leader) || role_ != ReplicaRole::kLeader) return;
  const Voter* voter = voters_in_force().Find(message.from);
  if (voter != nullptr && response.error == PeerError::kNone) replicas_.ForVoter(voter->key).begin_acknowledged = true;
}

// ---- Fetch sessions ---------------------------------------------------------------------------------

void CoreImpl::On(const Message& message, const FetchRequest& request) {
  const auto refuse = [&](PeerError error) { Reply(message, FetchAnswer(error, request.session)); };
  if (request.session == 0 || request.fetch_offset < Offset(0) || request.last_fetched_epoch < Epoch(0) ||
      request.last_fetched_epoch > request.epoch || request.durable_end < Offset(0) ||
      request.durable_end > request.fetch_offset) {
    return refuse(PeerError::kInvalidRequest);
  }
  if (const PeerError error = LeaderCheck(request.epoch); error != PeerError::kNone) return refuse(error);
  if (!message.to.Matches(config_.self) && message.to.id >= kNoNode) return refuse(PeerError::kWrongVoter);
  // A round that was never begun can't have been seen.
  if (request.read_round > read_round_) return refuse(PeerError::kInvalidRequest);
  raft::Progress* replica = replicas_.FindOrAdd(message.from, voters_in_force(), now_);
  if (replica == nullptr) return refuse(PeerError::kShuttingDown);
  if (replica->fenced()) return refuse(PeerError::kFencedReplica);

  replica->priority = request.priority;
  switch (replica->Classify(message, request)) {
    case raft::Progress::Arrival::kStale:
      return;
    case raft::Progress::Arrival::kUnproven:
      return AskForProof(message, request, *replica);
    case raft::Progress::Arrival::kNewSession:
      return OpenFetch(message, request, *replica);
    case raft::Progress::Arrival::kSameSession:
      // Refused, but here again: our answer was lost.
      if (!replica->open()) return OpenFetch(message, request, *replica);
      break;
  }
  // What acknowledges nothing new asks for a sign of life.
  if (!replica->Acknowledge(request)) replica->owes_answer = true;
  replica->last_fetch = now_;
  if (replica->fetch_offset() >= log_.end_offset()) replica->last_caught_up = now_;
  push_needed_ = true;
  AdvanceHighWatermark();
}

void CoreImpl::OpenFetch(const Message& message, const FetchRequest& request, raft::Progress& replica) {
  if (std::optional<FetchResponse> elsewhere = CheckPosition(request)) {
    replica.Refuse(message, request, read_round_);
    // Who loads or verifies a snapshot has no open session for a while, and is there nevertheless.
    replica.last_fetch = now_;
    replica.begin_acknowledged = true;
    return Reply(message, *std::move(elsewhere));
  }
  if (!replica.Open(message, request, read_round_))
    return Reply(message, FetchAnswer(PeerError::kFencedReplica, request.session));
  replica.owes_answer = true;
  replica.begin_acknowledged = true;
  replica.last_fetch = now_;
  if (replica.fetch_offset() >= log_.end_offset()) replica.last_caught_up = now_;
  push_needed_ = true;
  AdvanceHighWatermark();
}

void CoreImpl::AskForProof(const Message& message, const FetchRequest& request, const raft::Progress& replica) {
  if (read_round_ == replica.adopted_round()) ++read_round_;
  FetchResponse response = FetchAnswer(PeerError::kNone, request.session);
  response.base_offset = request.fetch_offset;
  response.read_round = read_round_;
  // No high watermark: the position hasn't been validated (M-18).
  Reply(message, std::move(response));
}

std::optional<FetchResponse> CoreImpl::CheckPosition(const FetchRequest& request) const {
  FetchResponse response = FetchAnswer(PeerError::kNone, request.session);
  response.base_offset = request.fetch_offset;
  response.high_watermark = high_watermark_;
  if (NeedsSnapshot(request)) {
    response.snapshot = snapshot();
    return response;
  }
  if (request.fetch_offset == Offset(0)) return std::nullopt;  // an empty log is a prefix of every log
  if (QUORATE_MUTANT("M-19") && request.fetch_offset <= log_.end_offset()) return std::nullopt;
  const LogPosition ours = log_.epochs().EndOffsetFor(request.last_fetched_epoch, log_.end_offset());
  if (ours.epoch == request.last_fetched_epoch && request.fetch_offset <= ours.end) return std::nullopt;
  response.diverging = ours;  // M-19
  return response;
}

// ---- Pushing ----------------------------------------------------------------------------------------

void CoreImpl::PushAll() {
  if (role_ != ReplicaRole::kLeader || !std::exchange(push_needed_, false)) return;
  for (auto& [key, replica] : replicas_.replicas()) {
    if (replica.open()) PushTo(key, replica);
  }
}

void CoreImpl::PushTo(const ReplicaKey& key, raft::Progress& replica) {
  while (replica.send_position() < log_.end_offset()) {
    const size_t room = std::min(replica.SendRoom(), QUORATE_BUGGIFY("small-push") ? 1 : kPushBytesMax);
    if (room == 0 || replica.pending_read != 0) break;
    std::vector<Batch> batches = log_.tail().Read(replica.send_position(), room);
    if (batches.empty()) {
      replica.pending_read = ++last_read_id_;
      effects_.read_log.push_back({replica.pending_read, replica.send_position(), room});
      break;
    }
    SendBatches(key, replica, std::move(batches));
  }
  const bool committed = replica.told_high_watermark < high_watermark_ && !watermark_pace_.waits();
  const bool news = committed || replica.told_read_round < read_round_;
  if (news || replica.owes_answer) SendPush(key, replica, PushMessage(replica));
}

void CoreImpl::SendBatches(const ReplicaKey& key, raft::Progress& replica, std::vector<Batch> batches) {
  FetchResponse response = PushMessage(replica);
  size_t bytes = 0;
  for (const Batch& batch : batches) bytes += batch.size();
  const Offset end = batches.back().end_offset();
  response.batches = std::move(batches);
  SendPush(key, replica, std::move(response));
  replica.Sent(end, bytes);
}

FetchResponse CoreImpl::FetchAnswer(PeerError error, uint64_t session) const {
  FetchResponse response;
  response.error = error;
  response.epoch = epoch_;
  response.leader = LeaderForPeers();
  response.session = session;
  return response;
}

FetchResponse CoreImpl::PushMessage(const raft::Progress& replica) const {
  FetchResponse response;
  response.epoch = epoch_;
  response.session = replica.session();
  response.leader.id = leader_.id;
  // Whoever asks may not follow us yet; whoever is being pushed to does, and knows where we are.
  if (replica.owes_answer) response.leader.endpoints = leader_.endpoints;
  response.base_offset = replica.send_position();
  response.high_watermark = high_watermark_;
  response.read_round = read_round_;
  return response;
}

void CoreImpl::SendPush(const ReplicaKey& key, raft::Progress& replica, FetchResponse response) {
  replica.told_high_watermark = response.high_watermark;
  replica.told_read_round = response.read_round;
  replica.owes_answer = false;
  outbox_.Send(Message{.cluster_id = config_.cluster_id,
                       .from = config_.self,
                       .from_incarnation = config_.incarnation,
                       .to = key,
                       .request_incarnation = replica.incarnation(),
                       .request_id = replica.session(),
                       .body = std::move(response)});
}

void CoreImpl::LogRead(Instant now, uint64_t id, absl::StatusOr<std::vector<Batch>> batches) {
  if (!Begin(now) || role_ != ReplicaRole::kLeader) return;
  for (auto& [key, replica] : replicas_.replicas()) {
    if (replica.pending_read != id) continue;
    replica.pending_read = 0;
    // What was asked for in an earlier session or epoch has lost its number (M-17).
    if (!batches.ok()) {
      // F-D07: trying for ever would starve the replica without a word; another leader may have what we lost.
      return HaltWith(Reason::kStorage,
                      absl::StrCat("the log can't be read from offset ", replica.send_position().value(),
                                   " on: ", batches.status().message()));
    }
    if (batches->empty() || batches->front().base_offset() != replica.send_position()) {
      replica.Close();
    } else {
      SendBatches(key, replica, *std::move(batches));
      push_needed_ = true;
    }
    return;
  }
}

// ---- Counting ---------------------------------------------------------------------------------------

void CoreImpl::AdvanceHighWatermark() {
  std::vector<Offset> ends;  // one for each voter in force, and nobody else (M-07, I-16)
  for (const Voter& voter : voters_in_force().voters()) {
    const raft::Progress* replica = replicas_.Find(voter.key);
    if (voter.key.Matches(config_.self)) {
      ends.push_back(log_.durable_end());  // M-14: the leader too counts as far as it is durable
    } else {
      ends.push_back(replica == nullptr || replica->fenced() ? kNoOffset : replica->durable_end());  // M-13
    }
  }
  if (!is_voter() && QUORATE_MUTANT("M-07")) ends.push_back(log_.durable_end());
  const Offset reached = ReachedByMajority(std::move(ends), kNoOffset);
  // M-15: older records are only committed by one of this epoch on top of them (Raft section 5.4.2, figure 8).
  if ((reached <= epoch_start_ && !QUORATE_MUTANT("M-15")) || reached <= high_watermark_) return;
  high_watermark_ = reached;
  effects_.high_watermark = high_watermark_;
  watermark_pace_.Moved(now_);
  push_needed_ = true;
}

Instant CoreImpl::MajorityContact() const {
  std::vector<Instant> contacts;
  for (const Voter& voter : voters_in_force().voters()) {
    const raft::Progress* replica = replicas_.Find(voter.key);
    if (voter.key.Matches(config_.self) || QUORATE_MUTANT("M-09")) {
      contacts.push_back(now_);  // M-09: itself only if it is a voter
    } else {
      contacts.push_back(replica == nullptr ? leader_since_ : replica->last_fetch.value_or(leader_since_));
    }
  }
  return ReachedByMajority(std::move(contacts), leader_since_);
}

void CoreImpl::RunLeaderTimers() {
  if (now_ >= quorum_deadline_) {
    // Contacts only get newer: until the last computed deadline there was nothing to compute.
    quorum_deadline_ = MajorityContact() + timing_.CheckQuorum();
    if (now_ >= quorum_deadline_) {
      QUORATE_MARK("C-18");
      return BecomeResigned(/*requested=*/false);
    }
  }
  if (DiskHangs()) return BecomeResigned(/*requested=*/false);
  if (now_ >= leader_tick_at_) SendBeginEpoch();
  if (now_ >= snapshot_send_at_) ReadSnapshots();
  if (now_ >= relief_at_) SeekRelief();
  if (watermark_pace_.Tick(now_)) push_needed_ = true;
}

bool CoreImpl::DiskHangs() const {
  // The followers hear such a leader and would keep it for ever, though every proposal waits for one disk more than
  // it has to. Alone, there is nobody to hand over to.
  const std::optional<Instant> since = disk_wait_.since();
  return since.has_value() && now_ - *since >= timing_.DiskStall() && !voters_in_force().IsSoleVoter(config_.self);
}

}  // namespace quorate::raft
