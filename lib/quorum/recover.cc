#include "quorum/recover.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorum/snapshot_file.h"
#include "raft/recovery.h"

namespace quorate::quorum {
namespace {

using Snapshot = raft::RecoveredState::Snapshot;

struct BadSnapshot {
  LogPosition id;
  absl::Status why;
};

absl::StatusOr<Snapshot> Verify(SnapshotStore* store, ClusterId cluster, LogPosition id) {
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = store->OpenReader(id);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<std::unique_ptr<SnapshotFileReader>> file = SnapshotFileReader::Open(
      *std::move(reader), id, cluster, store->NameOf(id), std::make_shared<std::atomic<bool>>(false));
  if (!file.ok()) return file.status();
  while (true) {
    absl::StatusOr<std::optional<absl::string_view>> record = (*file)->Next();
    if (!record.ok()) return record.status();
    if (!record->has_value()) return Snapshot{(*file)->info(), (*file)->head().voters};
  }
}

absl::Status Hole(const raft::RecoveredState& state, const SnapshotStore* store, const std::vector<BadSnapshot>& bad) {
  std::string found;
  if (bad.empty()) {
    found = store == nullptr ? "this node keeps no snapshots" : "there is no snapshot that reaches it";
  }
  for (const BadSnapshot& each : bad) {
    absl::StrAppend(&found, found.empty() ? "" : "; ", store->NameOf(each.id), " is unusable (", each.why.message(),
                    ")");
  }
  return MakeError(
      Reason::kCorruption, Outcome::kNotApplied,
      absl::StrCat("the log begins at offset ", state.log.start.end.value(),
                   " and what came before it is lost: ", found,
                   ". Restore the file, or replace this node's disk: move the data directory away, format a new one, "
                   "and let the node join again under its new directory id"));
}

}  // namespace

absl::StatusOr<RecoveredStores> RecoverStores(ClusterId cluster, LogStore* log, ElectionStateStore* election_state,
                                              SnapshotStore* snapshots, LogSink* log_sink) {
  absl::StatusOr<std::optional<ElectionState>> election = election_state->Load();
  if (!election.ok()) return election.status();
  raft::Recovery recovery;
  absl::StatusOr<LogBounds> bounds = log->Open([&recovery](const Batch& batch) { return recovery.Visit(batch); });
  if (!bounds.ok()) return bounds.status();
  RecoveredStores out;
  out.state = recovery.Finish(*bounds, *election);

  SnapshotStore::Contents contents;
  if (snapshots != nullptr) {
    absl::StatusOr<SnapshotStore::Contents> opened = snapshots->Open();
    if (!opened.ok()) return opened.status();
    contents = *std::move(opened);
  }
  std::vector<BadSnapshot> bad;
  out.snapshots = contents.snapshots;
  while (!out.snapshots.empty() && !out.state.snapshot.has_value()) {
    const LogPosition newest = out.snapshots.back();
    absl::StatusOr<Snapshot> verified = Verify(snapshots, cluster, newest);
    if (verified.ok()) {
      out.state.snapshot = *std::move(verified);
      break;
    }
    if (ReasonOf(verified.status()) == Reason::kUnsupportedVersion) {
      return MakeError(Reason::kUnsupportedVersion, Outcome::kNotApplied,
                       absl::StrCat(verified.status().message(),
                                    ". A later version of quorate wrote it: run that version on this node"));
    }
    // A disk that can't be read now may be readable later: only what is certainly wrong is given up.
    if (ReasonOf(verified.status()) != Reason::kCorruption) return verified.status();
    bad.push_back({newest, verified.status()});
    out.snapshots.pop_back();
  }
  const LogPosition snapshot = out.state.snapshot.has_value() ? out.state.snapshot->info.id : LogPosition();
  if (out.state.log.start.end > snapshot.end) return Hole(out.state, snapshots, bad);
  for (const BadSnapshot& each : bad) {
    log_sink->Write(LogLevel::kError, "snapshot",
                    absl::StrCat("event=bad_snapshot_removed file=", snapshots->NameOf(each.id), " cause=\"",
                                 each.why.message(), "\" instead=\"the one before it and the log\""));
    if (absl::Status removed = snapshots->Remove(each.id); !removed.ok()) return removed;
  }

  const absl::StatusOr<bool> reset = recovery.MustReset(*bounds, snapshot);
  if (!reset.ok()) return reset.status();
  if (*reset) {
    const Snapshot kept = *out.state.snapshot;
    out.state = raft::Recovery().Finish({snapshot, snapshot}, std::move(out.state.election));
    out.state.snapshot = kept;
    out.reset_log_to = snapshot;
  }
  if (contents.partial.has_value()) {
    if (contents.partial->id.end > snapshot.end) {
      out.state.partial_snapshot = contents.partial;
      out.state.partial_snapshot_bytes = contents.partial_bytes;
    } else if (absl::Status removed = snapshots->RemovePartial(); !removed.ok()) {
      return removed;
    }
  }
  return out;
}

}  // namespace quorate::quorum
