// Loading a snapshot from the leader, and putting it in the place of the log. docs/snapshots.md tells the story.
//
// The fetch session stays open meanwhile, as far as this side is concerned: its keep-alives are answered with the name
// of the snapshot that is to be had. So a long write or verification doesn't look like silence, to either side, and a
// dead leader is noticed as always.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "raft/core_impl.h"

namespace quorate::raft {

// ---- Asking -------------------------------------------------------------------------------------------

void CoreImpl::OnSnapshotOffered(LogPosition id) {
  const bool sane = id.end > Offset(0) && id.epoch >= Epoch(0) && id.epoch <= epoch_;
  if (sane && id.end <= high_watermark_ && log_.Contradicts(id) && !QUORATE_MUTANT("M-25")) {
    // M-25: what is committed here and what is committed there can't differ.
    return HaltWith(Reason::kCorruption,
                    absl::StrCat("node ", leader_.id.value(), ", leader of epoch ", epoch_.value(),
                                 ", has a snapshot up to offset ", id.end.value(), " of epoch ", id.epoch.value(),
                                 ", but the committed record there has epoch ",
                                 log_.epochs().EpochAt(id.end - 1).value(), " here; committed records never change"));
  }
  // What it stands for is here already: the same one twice, or an answer from before we caught up (M-23).
  if (!sane || log_.Covers(id)) {
    session_->reopen_at = now_ + timing_.RetryBackoff();
    return;
  }
  if (verified_.has_value()) return InstallVerified();
  if (download_.has_value() && download_->work_id == 0 && download_->file.id() != id) {
    const bool nothing_here = download_->file.position() == 0;
    if (nothing_here || download_->file.id().end <= high_watermark_) AbandonDownload();
    // Else the leader may still have the one that has begun to arrive, and says so if it hasn't.
  }
  if (now_ < download_not_before_) return;  // the next keep-alive brings the same offer
  if (!download_.has_value()) download_ = RunningDownload{.file = SnapshotDownload(id)};
  if (download_->request_id == 0 && download_->work_id == 0) AskForPiece();
}

void CoreImpl::AskForPiece() {
  if (download_->file.complete()) {
    // All of it was received in an earlier life: open it again, with nothing to add.
    return WritePiece(Bytes());
  }
  if (download_->request_id == 0) download_->request_id = NewRequestId();
  download_->ask_at = now_ + timing_.Resend();
  const uint32_t bytes_max = QUORATE_BUGGIFY("snapshot-small-piece") ? 512 : limits::kSnapshotChunkBytesMax;
  AskLeader(download_->request_id, download_->file.Request(epoch_, bytes_max));
}

void CoreImpl::On(const Message& message, const SnapshotResponse& response) {
  const auto asked = [&] { return download_.has_value() && download_->request_id == message.request_id; };
  if (!session_.has_value() || message.request_id == 0 || !asked() || message.from.id != leader_.id) {
    QUORATE_MARK("C-09");
    return;
  }
  if (!AcceptAnswer(message, response.epoch, response.leader) || !session_.has_value() || !asked()) return;
  switch (response.error) {
    case PeerError::kNone:
      HeardLeader();
      return OnPiece(response);
    case PeerError::kSnapshotNotFound:
      // Superseded: the next fetch will name another. Nothing of this one can be used for that (M-23).
      QUORATE_MARK("C-11");
      HeardLeader();
      AbandonDownload();
      session_->reopen_at = now_ + timing_.RetryBackoff();
      return;
    case PeerError::kPositionOutOfRange:
      HeardLeader();
      return OnOtherFile();
    case PeerError::kNotLeader:
    case PeerError::kShuttingDown:
      leader_deposed_ = true;
      return LeaderIsGone();
    default:
      download_->request_id = 0;
      download_->ask_at = now_ + timing_.RetryBackoff();
      return;
  }
}

void CoreImpl::OnPiece(const SnapshotResponse& response) {
  switch (download_->file.Check(response)) {
    case SnapshotDownload::Verdict::kFits:
      return WritePiece(response.data);
    case SnapshotDownload::Verdict::kNotNow:
      return;
    case SnapshotDownload::Verdict::kDamaged:
      download_->request_id = 0;
      download_->ask_at = now_ + timing_.RetryBackoff();
      return;
    case SnapshotDownload::Verdict::kOtherFile:
      return OnOtherFile();
  }
}

void CoreImpl::OnOtherFile() {
  // M-23: the beginning that is here is not the beginning of the leader's file, though it has the same name.
  QUORATE_MARK("C-10");
  const LogPosition id = download_->file.id();
  AbandonDownload();
  download_ = RunningDownload{.file = SnapshotDownload(id)};
  // Not at once: a leader that never fits would keep both of us busy.
  download_->ask_at = now_ + timing_.RetryBackoff();
}

// ---- What is here -------------------------------------------------------------------------------------

void CoreImpl::WritePiece(Bytes data) {
  download_->request_id = 0;
  download_->ask_at = Instant::Infinite();
  download_->work_id = ++last_snapshot_work_;
  download_->writing = data.size();
  effects_.write_snapshot = WriteSnapshotChunk{.id = download_->work_id,
                                               .info = download_->file.info(),
                                               .begin = download_->file.Begin(),
                                               .position = download_->file.position(),
                                               .data = std::move(data)};
}

void CoreImpl::SnapshotChunkWritten(Instant now, uint64_t id, absl::Status written) {
  if (!Begin(now) || !download_.has_value() || id == 0 || download_->work_id != id || download_->verifying) return;
  download_->work_id = 0;
  if (!written.ok()) return DownloadFailed();  // F-D11: a full disk costs the snapshot, not the node
  download_->file.Written(download_->writing);
  if (download_->file.complete()) return VerifyDownload();
  if (role_ == ReplicaRole::kFollower && session_.has_value()) AskForPiece();
}

void CoreImpl::VerifyDownload() {
  if (QUORATE_MUTANT("M-23")) {
    verified_ = VerifiedSnapshot{download_->file.info(), VotersAsOf(log_.end_offset())};
    download_.reset();
    return InstallVerified();
  }
  download_->work_id = ++last_snapshot_work_;
  download_->verifying = true;
  effects_.verify_snapshot = VerifySnapshot{.id = download_->work_id, .info = download_->file.info()};
}

void CoreImpl::SnapshotVerified(Instant now, uint64_t id, absl::StatusOr<RecoveredState::VotersAt> voters) {
  if (!Begin(now) || !download_.has_value() || id == 0 || download_->work_id != id || !download_->verifying) return;
  if (ReasonOf(voters.status()) == Reason::kUnsupportedVersion) {
    // F-P12: every one that this leader has is of a later version; to load it again and again would help nobody.
    return HaltWith(Reason::kUnsupportedVersion,
                    absl::StrCat("node ", leader_.id.value(), " sent a snapshot that this build can't read: ",
                                 voters.status().message(), ". Run the leader's version on this node"));
  }
  if (!voters.ok()) return DownloadFailed();
  const SnapshotInfo info = download_->file.info();
  const bool none = voters->offset == kNoOffset;
  if (!none && !QUORATE_MUTANT("M-40") &&
      (voters->offset >= info.id.end || voters->voters.empty() || !VoterSet::Check(voters->voters).ok())) {
    return HaltWith(Reason::kCorruption,
                    absl::StrCat("the snapshot up to offset ", info.id.end.value(), " names ", voters->voters.size(),
                                 " voters as of offset ", voters->offset.value(),
                                 "; it must be a valid set, recorded before the snapshot's end (M-40)"));
  }
  download_.reset();
  failed_downloads_ = 0;
  verified_ = VerifiedSnapshot{info, *std::move(voters)};
  // M-03: who stands for election, or leads, does so with the log that it has told the others of. It is either behind,
  // and will follow, or ahead, and doesn't need the snapshot.
  if (role_ == ReplicaRole::kFollower) InstallVerified();
}

void CoreImpl::AbandonDownload() {
  download_.reset();
  effects_.write_snapshot.reset();
  effects_.verify_snapshot.reset();
  effects_.abandon_snapshot = true;
}

void CoreImpl::DownloadFailed() {
  QUORATE_MARK("C-10");
  AbandonDownload();
  download_not_before_ = now_ + timing_.SnapshotRetry(++failed_downloads_);
}

void CoreImpl::ForgetDownload() {
  // A verification that runs can't be called back; its result will be found to be needless.
  if (download_.has_value() && !download_->verifying) AbandonDownload();
}

// ---- Putting it in the place of the log -----------------------------------------------------------------

void CoreImpl::InstallVerified() {
  const VerifiedSnapshot verified = *std::exchange(verified_, std::nullopt);
  const LogPosition id = verified.info.id;
  if (id.end <= high_watermark_ && log_.Contradicts(id) && !QUORATE_MUTANT("M-25")) {
    return HaltWith(Reason::kCorruption,
                    absl::StrCat("the verified snapshot up to offset ", id.end.value(), " of epoch ", id.epoch.value(),
                                 " contradicts the committed record there, of epoch ",
                                 log_.epochs().EpochAt(id.end - 1).value(), "; committed records never change"));
  }
  if (log_.Covers(id)) return;  // the log came another way
  if (log_.end_offset() > id.end) QUORATE_MARK("C-12");
  log_.ResetTo(id, verified.voters);
  disk_wait_.Reset(now_, id.end);
  snapshots_ = {verified.info};
  high_watermark_ = id.end;
  effects_.high_watermark = high_watermark_;
  effects_.install_snapshot = InstallSnapshot{verified.info};
  peers_may_have_changed_ = true;
  // M-17: answers to the old log's session find none. M-24: the new one begins where the snapshot ends, like any other.
  if (session_.has_value()) OpenSession();
}

}  // namespace quorate::raft
