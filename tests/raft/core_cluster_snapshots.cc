// The simulated disks' part of snapshots: files that are written, received, verified, read, lost and kept by the same
// rules as real ones, and what the referee knows of them: I-11, I-13 and I-18.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "raft/core_cluster.h"
#include "raft/recovery.h"

namespace quorate::raft {
namespace {

uint64_t DigestOf(const std::string& bytes) {
  return (static_cast<uint64_t>(Crc32c(bytes)) << 32 | Crc32c(absl::StrCat("again", bytes))) | 1;
}

// A file is one line about the voters, then one about each batch.
std::string VotersLine(const RecoveredState::VotersAt& voters) {
  std::string line = absl::StrCat("voters ", voters.offset.value());
  for (const Voter& voter : voters.voters) {
    absl::StrAppend(&line, " ", voter.key.ToString());
    for (const Endpoint& endpoint : voter.endpoints) absl::StrAppend(&line, "@", endpoint.Address());
  }
  for (const ReplicaKey& key : voters.removed) absl::StrAppend(&line, " -", key.ToString());
  return line + "\n";
}

std::string BatchLine(Offset base, Epoch epoch, uint32_t crc) {
  return absl::StrCat("batch ", base.value(), " ", epoch.value(), " ", crc, "\n");
}

std::string WithoutFirstLine(const std::string& bytes) { return bytes.substr(bytes.find('\n') + 1); }

}  // namespace

// ---- Starting and stopping ------------------------------------------------------------------------------

RecoveredState CoreCluster::Recover(Node& n) {
  Recovery recovery;
  LogBounds bounds{n.log_start, n.log_start};
  for (const Batch& batch : n.log) {
    if (!recovery.Visit(batch).ok()) Violation(absl::StrCat("node ", n.id, " can't recover its log"));
    bounds.end = {batch.epoch(), batch.end_offset()};
  }
  std::optional<RecoveredState::Snapshot> newest;
  std::optional<LogPosition> id;
  if (!n.snapshots.empty()) {
    const SnapshotInfo& info = n.snapshots.back().info;
    newest = RecoveredState::Snapshot{info, snapshot_voters_.at(info.digest)};
    id = info.id;
  }
  const absl::StatusOr<bool> reset = recovery.MustReset(bounds, id);
  if (!reset.ok()) Violation(absl::StrCat("I-11: node ", n.id, ": ", reset.status().message()));
  if (reset.ok() && *reset) {
    n.log.clear();
    n.log_start = *id;
    bounds = {*id, *id};
  }
  n.synced = LogEnd(n);
  RecoveredState state = recovery.Finish(bounds, n.stored, std::move(newest));
  if (n.partial.has_value()) {
    state.partial_snapshot = n.partial->info;
    state.partial_snapshot_bytes = n.partial->bytes.size();
  }
  return state;
}

void CoreCluster::CrashSnapshots(Node& n) {
  n.taking_snapshot = false;
  // A reset that wasn't reported as done is done as a whole or not at all.
  if (auto old = std::exchange(n.replaced, std::nullopt); old.has_value() && random_.Below(2) == 0) {
    n.log = std::move(old->log);
    n.log_start = old->start;
    n.synced = old->synced;
  }
  // What was received isn't synced before it is whole.
  if (n.partial.has_value()) n.partial->bytes.resize(random_.Below(n.partial->bytes.size() + 1));
}

void CoreCluster::Wipe(int id) {
  Node& n = node(id);
  n.log.clear();
  n.log_start = LogPosition();
  n.replaced.reset();
  n.snapshots.clear();
  n.partial.reset();
  n.synced = Offset(0);
  n.stored.reset();
  n.config.self.directory = DirectoryId(Uuid(7, 100'000 + ++lives_));
  // Formatted to join, not to begin (M-39).
  n.config.initial_voters.clear();
  n.config.bootstrap_servers.clear();
  // All of them: who voted in the beginning may be this one alone.
  for (const auto& other : nodes_) n.config.bootstrap_servers.push_back(other->address);
}

// ---- Taking them ------------------------------------------------------------------------------------------

std::string CoreCluster::HistoryOf(Node& n, Offset end) {
  std::string history;
  Offset from = n.log_start.end;
  for (const SnapshotFile& file : n.snapshots) {
    if (file.info.id.end > end) continue;
    history = WithoutFirstLine(file.bytes);
    from = file.info.id.end;
  }
  for (const Batch& batch : n.log) {
    if (batch.base_offset() < from || batch.end_offset() > end) continue;
    absl::StrAppend(&history, BatchLine(batch.base_offset(), batch.epoch(), batch.crc()));
  }
  return history;
}

void CoreCluster::MaybeTakeSnapshot(Node& n) {
  if (options_.snapshot_every == 0 || n.taking_snapshot || n.core->role() == ReplicaRole::kHalted) return;
  if (n.core->high_watermark() - n.core->snapshot().end >= options_.snapshot_every) TakeSnapshot(n.id);
}

void CoreCluster::TakeSnapshot(int id) {
  Node& n = node(id);
  const Offset end = n.core->high_watermark();
  if (end <= n.core->snapshot().end) return;
  n.taking_snapshot = true;
  const RecoveredState::VotersAt voters = n.core->VotersAsOf(end);
  const std::string history = HistoryOf(n, end);
  std::string truth;
  for (const auto& [base, record] : committed_) {
    if (base < end) absl::StrAppend(&truth, BatchLine(base, record.first, record.second));
  }
  if (history != truth)
    Violation(absl::StrCat("I-18: node ", n.id, "'s state at ", end.value(), " isn't the history's"));
  if (voters.offset >= end) Violation("M-40: a snapshot with a voter set from behind its end");

  SnapshotFile file;
  file.bytes = VotersLine(voters) + history;
  file.info = {{n.core->EpochAt(end - 1), end}, file.bytes.size(), DigestOf(file.bytes)};
  snapshot_voters_[file.info.digest] = voters;
  SnapshotWork(n, [this, file = std::move(file)](Node& target) {
    target.taking_snapshot = false;
    // One that was installed meanwhile is newer; and a full disk only means that there is none (F-D11).
    const bool fails = random_.Below(1000) < static_cast<uint64_t>(options_.snapshot_fault_permille);
    if (fails || file.info.id.end <= target.core->snapshot().end) return;
    const LogPosition trim_to = target.core->snapshot();
    Keep(target, file);
    target.core->SnapshotTaken(now_, file.info, trim_to);
    if (trim_to.end <= target.log_start.end) return;
    target.log_start = trim_to;
    std::erase_if(target.log, [&](const Batch& batch) { return batch.end_offset() <= trim_to.end; });
  });
}

void CoreCluster::Keep(Node& n, SnapshotFile file) {
  n.snapshots.push_back(std::move(file));
  std::stable_sort(n.snapshots.begin(), n.snapshots.end(),
                   [](const SnapshotFile& a, const SnapshotFile& b) { return a.info.id.end < b.info.id.end; });
  if (n.snapshots.size() > 2) n.snapshots.erase(n.snapshots.begin());
}

// ---- Performing what the core asks for --------------------------------------------------------------------

void CoreCluster::PerformSnapshots(Node& n, const Effects& effects) {
  if (effects.install_snapshot.has_value()) {
    const SnapshotInfo& info = effects.install_snapshot->info;
    const bool here = std::any_of(n.snapshots.begin(), n.snapshots.end(),
                                  [&](const SnapshotFile& file) { return file.info == info; });
    if (!here) Violation(absl::StrCat("M-23: node ", n.id, " installs a snapshot that wasn't verified"));
    std::erase_if(n.snapshots, [&](const SnapshotFile& file) { return file.info.id.end < info.id.end; });
    ++installed_;
  }
  if (effects.abandon_snapshot) {
    SnapshotWork(n, [](Node& target) { target.partial.reset(); });
  }
  if (effects.write_snapshot.has_value()) WriteChunk(n, *effects.write_snapshot);
  if (effects.verify_snapshot.has_value()) Verify(n, *effects.verify_snapshot);
  for (const ReadSnapshotChunk& read : effects.read_snapshot) ReadChunk(n, read);
}

void CoreCluster::SnapshotWork(Node& n, const std::function<void(Node&)>& work) {
  n.snapshot_done_at = std::max(n.snapshot_done_at, now_ + DiskTime());  // in the order of the calls
  At(n.snapshot_done_at, [this, id = n.id, life = n.life, work] { OnNode(id, life, work); });
}

void CoreCluster::ResetLogOf(Node& n, LogPosition start) {
  n.replaced = Node::OldLog{std::move(n.log), n.log_start, n.synced};
  n.log.clear();
  n.log_start = start;
  n.synced = start.end;
  ++n.generation;
}

void CoreCluster::WriteChunk(Node& n, const WriteSnapshotChunk& chunk) {
  SnapshotWork(n, [this, chunk](Node& target) {
    if (random_.Below(1000) < static_cast<uint64_t>(options_.snapshot_fault_permille)) {
      return target.core->SnapshotChunkWritten(now_, chunk.id, absl::ResourceExhaustedError("no space left"));
    }
    if (chunk.begin && !(target.partial.has_value() && target.partial->info == chunk.info)) {
      target.partial = SnapshotFile{chunk.info, ""};
    }
    if (!target.partial.has_value() || target.partial->info != chunk.info ||
        target.partial->bytes.size() != chunk.position) {
      Violation(absl::StrCat("M-23: node ", target.id, " writes byte ", chunk.position, " of another file"));
      return;
    }
    absl::StrAppend(&target.partial->bytes, std::string(chunk.data.view()));
    target.core->SnapshotChunkWritten(now_, chunk.id, absl::OkStatus());
  });
}

void CoreCluster::Verify(Node& n, const VerifySnapshot& verify) {
  SnapshotWork(n, [this, verify](Node& target) {
    std::optional<SnapshotFile> file = std::exchange(target.partial, std::nullopt);
    const bool bad_luck = random_.Below(1000) < static_cast<uint64_t>(options_.snapshot_fault_permille);
    if (bad_luck || !file.has_value() || file->bytes.size() != verify.info.bytes ||
        DigestOf(file->bytes) != verify.info.digest) {
      if (!bad_luck) Violation(absl::StrCat("node ", target.id, " received a snapshot that has another digest"));
      return target.core->SnapshotVerified(now_, verify.id, absl::DataLossError("the digest differs"));
    }
    const RecoveredState::VotersAt voters = snapshot_voters_.at(file->info.digest);
    Keep(target, *std::move(file));
    target.core->SnapshotVerified(now_, verify.id, voters);
  });
}

void CoreCluster::ReadChunk(Node& n, const ReadSnapshotChunk& read) {
  At(now_ + DiskTime(), [this, id = n.id, life = n.life, read] {
    OnNode(id, life, [this, read](Node& target) {
      for (const SnapshotFile& file : target.snapshots) {
        if (file.info.id != read.snapshot) continue;
        const size_t size = std::min<size_t>(read.bytes_max, options_.snapshot_piece);
        SnapshotChunk chunk{file.info, Bytes::FromString(file.bytes.substr(read.position, size))};
        return target.core->SnapshotChunkRead(now_, read.id, std::move(chunk));
      }
      target.core->SnapshotChunkRead(now_, read.id, absl::NotFoundError("no such snapshot"));
    });
  });
}

// ---- The referee ------------------------------------------------------------------------------------------

void CoreCluster::CheckSnapshots(Node& n) {
  if (n.core->role() == ReplicaRole::kHalted) return;
  const Core& core = *n.core;
  const Offset snapshot_end = core.snapshot().end;
  if (core.log_start().end > snapshot_end || snapshot_end > core.high_watermark()) {
    Violation(absl::StrCat("I-11: node ", n.id, ": log start ", core.log_start().end.value(), ", snapshot ",
                           snapshot_end.value(), ", high watermark ", core.high_watermark().value()));
  }
  const bool covered = std::any_of(n.snapshots.begin(), n.snapshots.end(),
                                   [&](const SnapshotFile& file) { return file.info.id.end >= n.log_start.end; });
  if (n.log_start.end > Offset(0) && !covered) {
    Violation(absl::StrCat("I-13: node ", n.id, "'s log begins at ", n.log_start.end.value(), " without a snapshot"));
  }
  if (core.log_start() != n.log_start) Violation(absl::StrCat("node ", n.id, " and its disk differ about the start"));
  if (core.log_end().end != LogEnd(n)) Violation(absl::StrCat("node ", n.id, " and its disk differ about the end"));
}

}  // namespace quorate::raft
