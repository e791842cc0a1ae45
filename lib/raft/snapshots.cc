// Snapshots on the side of those that have them: taken by this node, trimmed behind, handed out to followers (KIP-630).
// docs/snapshots.md tells the story.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "raft/core_impl.h"

namespace quorate::raft {
namespace {

// The newest, and the one before, which some follower may be loading.
constexpr size_t kSnapshotsMax = 2;

std::string ToText(LogPosition position) {
  return absl::StrCat("offset ", position.end.value(), " in epoch ", position.epoch.value());
}

}  // namespace

// ---- This node's own ----------------------------------------------------------------------------------

bool CoreImpl::CheckRecovered() {
  if (download_.has_value() && download_->file.id().end <= high_watermark_) AbandonDownload();
  const LogPosition covered = snapshot();
  const bool fits = covered.end >= log_.start().end && log_.Covers(covered);
  if (fits || QUORATE_MUTANT("M-26")) return true;
  // M-26: committed records are missing. To go on would be to forget them.
  HaltWith(Reason::kCorruption, absl::StrCat("the newest snapshot ends at ", ToText(covered), ", the log goes from ",
                                             ToText(log_.start()), " to ", ToText(log_.end()),
                                             "; they must fit together. Format the directory anew and join as a "
                                             "new replica"));
  return false;
}

LogPosition CoreImpl::snapshot() const { return snapshots_.empty() ? LogPosition() : snapshots_.front().id; }

RecoveredState::VotersAt CoreImpl::VotersAsOf(Offset end) const {
  return log_.voter_history().AsOf(QUORATE_MUTANT("M-40") ? log_.end_offset() : end);
}

Epoch CoreImpl::EpochAt(Offset offset) const {
  return QUORATE_MUTANT("M-21") ? log_.start().epoch : log_.epochs().EpochAt(offset);
}

void CoreImpl::SnapshotTaken(Instant now, const SnapshotInfo& info, LogPosition trim_to) {
  // One that was installed meanwhile may be newer; and the same one twice changes nothing (M-23).
  if (!Begin(now) || info.id.end <= snapshot().end) return;
  const bool trims = trim_to.end > log_.start().end;
  // M-21: of committed state, at the end of a batch, with the epoch that is there (KAFKA-14619).
  const bool sane = info.id.end <= high_watermark_ && !log_.Contradicts(info.id) && !log_.tail().Splits(info.id.end) &&
                    trim_to.end <= info.id.end && !(trims && log_.Contradicts(trim_to));
  if (!sane && !QUORATE_MUTANT("M-21")) {
    return HaltWith(Reason::kCorruption,
                    absl::StrCat("a snapshot was taken at ", ToText(info.id), ", and the log is to begin at ",
                                 ToText(trim_to), "; the high watermark is ", high_watermark_.value(),
                                 ", and the log goes from ", ToText(log_.start()), " to ", ToText(log_.end())));
  }
  snapshots_.insert(snapshots_.begin(), info);
  if (snapshots_.size() > kSnapshotsMax) snapshots_.pop_back();
  if (trims) TrimLog(trim_to);
}

void CoreImpl::TrimLog(LogPosition start) {
  log_.TrimTo(start);
  if (role_ != ReplicaRole::kLeader) return;
  for (auto& [key, replica] : replicas_.replicas()) {
    if (!replica.open() || replica.send_position() >= start.end) continue;
    // What it would be sent next is gone, and so is what is being read for it.
    FetchResponse response = PushMessage(replica);
    response.snapshot = snapshot();
    SendPush(key, replica, std::move(response));
    replica.pending_read = 0;
    replica.Close();
  }
}

// ---- Handing them out ---------------------------------------------------------------------------------

bool CoreImpl::NeedsSnapshot(const FetchRequest& request) const {
  if (snapshots_.empty()) return false;                // then the log is whole
  if (request.fetch_offset == Offset(0)) return true;  // shorter than the log from its beginning, as in KRaft
  // M-24: who was caught up by a snapshot is past it, and isn't asked to load it again (etcd #10308).
  if (QUORATE_MUTANT("M-24") && request.fetch_offset <= snapshot().end) return true;
  const LogPosition start = log_.start();
  if (start.end == Offset(0) || request.fetch_offset > start.end) return request.last_fetched_epoch < start.epoch;
  if (request.fetch_offset < start.end) return true;
  // M-24: exactly where the log begins. Nothing is missing if the record before is the same; its epoch is all that is
  // left of it here.
  QUORATE_MARK("C-31");
  return request.last_fetched_epoch != start.epoch;
}

const SnapshotInfo* CoreImpl::FindSnapshot(LogPosition id) const {
  // One that ends below the log's start is of no use: who has loaded it would have to load the next.
  if (id.end < log_.start().end) return nullptr;
  const auto at = std::find_if(snapshots_.begin(), snapshots_.end(), [id](const auto& info) { return info.id == id; });
  return at == snapshots_.end() ? nullptr : &*at;
}

SnapshotResponse CoreImpl::SnapshotAnswer(PeerError error, const SnapshotRequest& request) const {
  SnapshotResponse response;
  response.error = error;
  response.epoch = epoch_;
  response.leader = LeaderForPeers();
  response.snapshot = request.snapshot;
  response.position = request.position;
  return response;
}

void CoreImpl::On(const Message& message, const SnapshotRequest& request) {
  const auto refuse = [&](PeerError error) { Reply(message, SnapshotAnswer(error, request)); };
  if (request.bytes_max == 0 || request.snapshot.end <= Offset(0) || request.snapshot.epoch < Epoch(0)) {
    return refuse(PeerError::kInvalidRequest);
  }
  if (const PeerError error = LeaderCheck(request.epoch); error != PeerError::kNone) return refuse(error);
  if (!message.to.Matches(config_.self) && message.to.id >= kNoNode) return refuse(PeerError::kWrongVoter);
  raft::Progress* replica = replicas_.FindOrAdd(message.from, voters_in_force(), now_);
  if (replica == nullptr) return refuse(PeerError::kShuttingDown);
  if (replica->fenced()) return refuse(PeerError::kFencedReplica);
  replica->last_fetch = now_;  // a sign of life like any other (KIP-630)
  replica->begin_acknowledged = true;

  const SnapshotInfo* info = FindSnapshot(request.snapshot);
  if (info == nullptr) return refuse(PeerError::kSnapshotNotFound);
  const bool other_file = request.digest != 0 && request.digest != info->digest;
  if (request.position >= info->bytes || other_file) return refuse(PeerError::kPositionOutOfRange);
  snapshot_asked_at_ = now_;
  snapshot_reads_.Ask(message);
  ReadSnapshots();
}

void CoreImpl::ReadSnapshots() {
  snapshot_send_at_ = Instant::Infinite();
  while (const Message* next = snapshot_reads_.Next()) {
    if (now_ < snapshot_budget_.ready_at()) {
      snapshot_send_at_ = snapshot_budget_.ready_at();
      return;
    }
    const auto& request = std::get<SnapshotRequest>(next->body);
    const SnapshotInfo* info = FindSnapshot(request.snapshot);
    if (info == nullptr) {  // replaced while it waited for its turn
      const Message message = snapshot_reads_.Drop();
      Reply(message, SnapshotAnswer(PeerError::kSnapshotNotFound, std::get<SnapshotRequest>(message.body)));
      continue;
    }
    const uint32_t bytes_max =
        std::min({request.bytes_max, limits::kSnapshotChunkBytesMax, snapshot_budget_.PieceBytesMax()});
    snapshot_budget_.Spend(now_, std::min<uint64_t>(bytes_max, info->bytes - request.position));
    effects_.read_snapshot.push_back({++last_snapshot_work_, request.snapshot, request.position, bytes_max});
    snapshot_reads_.Begin(last_snapshot_work_);
  }
}

void CoreImpl::SnapshotChunkRead(Instant now, uint64_t id, absl::StatusOr<SnapshotChunk> chunk) {
  if (!Begin(now) || role_ != ReplicaRole::kLeader) return;
  if (const std::optional<Message> message = snapshot_reads_.Finish(id)) AnswerPiece(*message, std::move(chunk));
  if (role_ == ReplicaRole::kLeader) ReadSnapshots();
}

void CoreImpl::AnswerPiece(const Message& message, absl::StatusOr<SnapshotChunk> chunk) {
  const auto& request = std::get<SnapshotRequest>(message.body);
  if (absl::IsNotFound(chunk.status())) {
    return Reply(message, SnapshotAnswer(PeerError::kSnapshotNotFound, request));
  }
  const SnapshotInfo* known = FindSnapshot(request.snapshot);
  if (known == nullptr) return Reply(message, SnapshotAnswer(PeerError::kSnapshotNotFound, request));
  if (!chunk.ok() || chunk->info != *known || chunk->data.size() == 0) {
    // F-D07: as with the log, another leader may have what we lost.
    const std::string why = chunk.ok() ? "it is not the file that it was" : std::string(chunk.status().message());
    return HaltWith(Reason::kStorage, absl::StrCat("the snapshot at ", ToText(request.snapshot),
                                                   " can't be read from byte ", request.position, " on: ", why));
  }
  SnapshotResponse response = SnapshotAnswer(PeerError::kNone, request);
  response.total = known->bytes;
  response.digest = known->digest;
  response.data_crc = Crc32c(chunk->data.view());
  response.data = std::move(chunk->data);
  Reply(message, std::move(response));
}

}  // namespace quorate::raft
