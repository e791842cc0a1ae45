#include "storage/log_surgery.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "storage/layout.h"
#include "storage/log_files.h"

namespace quorate::storage {
namespace {

absl::Status Refuse(absl::string_view what) { return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, what); }

absl::Status WriteCheckpoint(RecoveredLog* log) {
  return log->checkpoint_file.Write(EncodeCheckpoint(log->checkpoint));
}

// In both slots, so that the loss of one can't bring back what was before.
absl::Status WriteCheckpointTwice(RecoveredLog* log) {
  if (absl::Status status = WriteCheckpoint(log); !status.ok()) return status;
  return log->checkpoint_file.Mirror();
}

}  // namespace

absl::StatusOr<LogBoundary> FindInLog(const RecoveredLog& log, Offset new_end) {
  const Offset start = log.checkpoint.log_start.end;
  const Offset end = log.end.position.end;
  if (new_end < start || new_end > end) {
    return Refuse(absl::StrCat("the log can't be cut at offset ", new_end.value(), ": it reaches from ", start.value(),
                               " to ", end.value()));
  }
  // The newest that begins below the cut, or the first one of all.
  LogBoundary out;
  out.segment = log.segments.size() - 1;
  while (out.segment > 0 && log.segments[out.segment]->base() >= new_end) --out.segment;
  absl::StatusOr<Segment::Boundary> at = log.segments[out.segment]->FindBoundary(new_end);
  if (!at.ok()) return at.status();
  out.at = *at;
  return out;
}

absl::Status TruncateLog(const LogPlace& place, const LogBoundary& boundary, RecoveredLog* log) {
  auto& segments = log->segments;
  log->checkpoint.durable_end = boundary.at.chain.position.end;
  log->checkpoint.truncating = boundary.at.chain.position.end;
  absl::Status status = WriteCheckpoint(log);
  while (status.ok() && segments.size() > boundary.segment + 1) {
    const std::string path = segments.back()->path();
    segments.pop_back();
    status = place.files->Remove(path);
    if (status.ok()) status = place.files->SyncDirectory(place.directory);
  }
  if (status.ok()) status = segments.back()->CutAt(boundary.at);
  log->checkpoint.truncating = std::nullopt;
  if (status.ok()) status = WriteCheckpointTwice(log);
  log->end = boundary.at.chain;
  return status;
}

absl::Status CheckTrim(const RecoveredLog& log, LogPosition start) {
  const absl::StatusOr<LogBoundary> boundary = FindInLog(log, start.end);
  if (!boundary.ok()) return boundary.status();
  const Epoch epoch = boundary->at.chain.position.epoch;
  if (epoch == start.epoch) return absl::OkStatus();
  return Refuse(absl::StrCat("the log can't start at offset ", start.end.value(), " behind epoch ", start.epoch.value(),
                             ": the record before it is of epoch ", epoch.value()));
}

absl::StatusOr<std::vector<std::string>> TrimLog(LogPosition start, RecoveredLog* log) {
  log->checkpoint.log_start = start;
  log->checkpoint.durable_end = log->end.position.end;
  absl::Status status = QUORATE_MUTANT("R-03") ? absl::OkStatus() : WriteCheckpointTwice(log);
  if (!status.ok()) return status;
  auto& segments = log->segments;
  std::vector<std::string> leftovers;
  while (leftovers.size() + 1 < segments.size() && segments[leftovers.size() + 1]->base() <= start.end) {
    leftovers.push_back(segments[leftovers.size()]->path());
  }
  // Closed before they are removed, so that it is the removal which frees the blocks, and not the close, here.
  segments.erase(segments.begin(), segments.begin() + static_cast<ptrdiff_t>(leftovers.size()));
  return leftovers;
}

absl::Status ResetLog(const LogPlace& place, LogPosition start, RecoveredLog* log) {
  log->checkpoint.resetting = start;
  if (absl::Status status = WriteCheckpointTwice(log); !status.ok()) return status;
  std::vector<Offset> bases;
  for (const auto& segment : log->segments) bases.push_back(segment->base());
  log->segments.clear();
  absl::StatusOr<std::unique_ptr<Segment>> segment = ReplaceSegments(place, bases, start);
  if (!segment.ok()) return segment.status();
  log->segments.push_back(*std::move(segment));
  log->end = ChainEnd{start, 0};
  log->checkpoint = LogCheckpoint{start, start.end, std::nullopt, std::nullopt};
  return WriteCheckpointTwice(log);
}

absl::StatusOr<std::unique_ptr<Segment>> ReplaceSegments(const LogPlace& place, const std::vector<Offset>& bases,
                                                         LogPosition start) {
  for (auto base = bases.rbegin(); base != bases.rend(); ++base) {
    const std::string path = JoinPath(place.directory, SegmentName(*base));
    if (absl::Status status = place.files->Remove(path); !status.ok()) return status;
  }
  // Before the new one is there: it may have the name of an old one.
  if (absl::Status status = place.files->SyncDirectory(place.directory); !status.ok()) return status;
  const ChainEnd chain{start, 0};
  const uint64_t capacity = std::min(place.segment_bytes, kQuickCapacityBytes);
  const SegmentHeader header{place.cluster_id, place.directory_id, chain};
  absl::StatusOr<std::unique_ptr<File>> file =
      MakeSegmentFile(place.files, place.directory, header, "", capacity, nullptr);
  if (!file.ok()) return file.status();
  return std::make_unique<Segment>(JoinPath(place.directory, SegmentName(start.end)), *std::move(file),
                                   place.directory_id, chain, capacity);
}

void SegmentRemover::Add(std::vector<std::string> paths) {
  const size_t count = paths.size();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (std::string& path : paths) paths_.push_back(std::move(path));
  }
  for (size_t i = 0; i < count; ++i) executor_->Post([this] { (void)RemoveOne(); });
}

void SegmentRemover::Finish() {
  while (RemoveOne()) {
  }
}

bool SegmentRemover::RemoveOne() {
  std::lock_guard<std::mutex> removing(removing_);
  std::string path;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (paths_.empty()) return false;
    path = std::move(paths_.front());
    paths_.pop_front();
  }
  if (absl::Status status = files_->Remove(path); !status.ok()) {
    log_sink_->Write(LogLevel::kWarning, "storage",
                     absl::StrCat("event=segment_removal_failed file=", path, " error=\"", status.message(), "\""));
  }
  return true;
}

}  // namespace quorate::storage
