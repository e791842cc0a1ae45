#include "storage/log_recovery.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "storage/layout.h"
#include "storage/log_files.h"
#include "storage/log_surgery.h"
#include "storage/segment_scan.h"

namespace quorate::storage {
namespace {

// A segment may outgrow its configured size by one batch; whatever is larger than this isn't ours.
constexpr uint64_t kSegmentFileBytesMax = 2ull << 30;

class Recovery {
 public:
  Recovery(const LogPlace& place, SlotFile checkpoint_file, const LogCheckpoint& checkpoint)
      : place_(place), checkpoint_file_(std::move(checkpoint_file)), checkpoint_(checkpoint) {}

  absl::StatusOr<RecoveredLog> Run(absl::FunctionRef<absl::Status(const Batch&)> visit) {
    if (absl::Status status = ListSegments(); !status.ok()) return status;
    if (absl::Status status = FinishReset(); !status.ok()) return status;
    if (absl::Status status = RemoveTrimmedSegments(); !status.ok()) return status;
    if (absl::Status status = RemoveTruncatedSegments(); !status.ok()) return status;
    for (size_t i = 0; i < bases_.size(); ++i) {
      const bool is_last = i + 1 == bases_.size();
      if (absl::Status status = RecoverSegment(bases_[i], is_last, visit); !status.ok()) return status;
    }
    if (absl::Status status = MoveCheckpoint(); !status.ok()) return status;
    return RecoveredLog{std::move(segments_), end_, std::move(checkpoint_file_), checkpoint_};
  }

 private:
  struct Loaded {
    std::string path;
    Bytes contents;
    SegmentHeader header;
    SegmentScan scan;
  };

  // Removes temporary files and finds the segments.
  absl::Status ListSegments() {
    absl::StatusOr<std::vector<std::string>> names = place_.files->List(place_.directory);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      if (absl::EndsWith(name, kTemporarySuffix) && !absl::EndsWith(name, kSnapshotTemporarySuffix)) {
        if (absl::Status status = place_.files->Remove(PathOf(name)); !status.ok()) return status;
      } else if (std::optional<Offset> base = ParseSegmentName(name); base.has_value()) {
        bases_.push_back(*base);
      }
    }
    return absl::OkStatus();  // names are sorted and of one length, so the bases are in order
  }

  // Finishes a reset that was promised. What the old log held doesn't count any more, whole or in part.
  absl::Status FinishReset() {
    if (!checkpoint_.resetting.has_value()) return absl::OkStatus();
    const LogPosition start = *checkpoint_.resetting;
    absl::StatusOr<std::unique_ptr<Segment>> segment = ReplaceSegments(place_, bases_, start);
    if (!segment.ok()) return segment.status();
    bases_ = {start.end};
    checkpoint_ = LogCheckpoint{start, start.end, std::nullopt, std::nullopt};
    promised_ = true;
    place_.log_sink->Write(LogLevel::kInfo, "storage",
                           absl::StrCat("event=log_reset_finished directory=", place_.directory,
                                        " offset=", start.end.value(), " epoch=", start.epoch.value()));
    return absl::OkStatus();
  }

  // Below the log's start: trimming, interrupted.
  absl::Status RemoveTrimmedSegments() {
    while (bases_.size() > 1 && bases_[1] <= checkpoint_.log_start.end) {
      if (absl::Status status = RemoveSegment(bases_.front()); !status.ok()) return status;
      bases_.erase(bases_.begin());
    }
    if (bases_.empty() || bases_.front() > checkpoint_.log_start.end) {
      return CorruptionError(place_.directory,
                             absl::StrCat("the segment with offset ", checkpoint_.log_start.end.value(),
                                          ", where the log starts, is missing"));
    }
    return absl::OkStatus();
  }

  // Finishes a truncation that was promised (F-D14), the newest segment first. What is to be cut of the last
  // remaining one is left out when that is copied.
  absl::Status RemoveTruncatedSegments() {
    if (!checkpoint_.truncating.has_value()) return absl::OkStatus();
    while (bases_.size() > 1 && bases_.back() >= *checkpoint_.truncating) {
      if (absl::Status status = RemoveSegment(bases_.back()); !status.ok()) return status;
      bases_.pop_back();
    }
    return absl::OkStatus();
  }

  absl::Status RecoverSegment(Offset base, bool is_last, absl::FunctionRef<absl::Status(const Batch&)> visit) {
    absl::StatusOr<Loaded> loaded = LoadSegment(base, is_last);
    if (!loaded.ok()) return loaded.status();
    mark_ = std::max(mark_, loaded->scan.synced_through);
    absl::Status verdict = is_last ? JudgeLast(*loaded) : JudgeClosed(*loaded);
    if (!verdict.ok()) return verdict;
    if (absl::Status status = Visit(*loaded, visit); !status.ok()) return status;
    absl::StatusOr<std::unique_ptr<File>> file =
        is_last ? OpenLast(*loaded) : place_.files->Open(loaded->path, OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    const uint64_t capacity = is_last ? last_capacity_ : loaded->contents.size();
    auto segment =
        std::make_unique<Segment>(loaded->path, *std::move(file), place_.directory_id, loaded->header.chain, capacity);
    for (const Batch& batch : loaded->scan.batches) segment->Add(batch);
    end_ = loaded->scan.end;
    segments_.push_back(std::move(segment));
    return absl::OkStatus();
  }

  // Shows the batches from the log's start on, which is a boundary in the first segment, of the epoch that is said.
  absl::Status Visit(const Loaded& loaded, absl::FunctionRef<absl::Status(const Batch&)> visit) const {
    const LogPosition start = checkpoint_.log_start;
    const std::vector<Batch>& batches = loaded.scan.batches;
    if (segments_.empty()) {
      LogPosition at = loaded.header.chain.position;
      for (size_t i = 0; i < batches.size() && at.end < start.end; ++i) {
        at = LogPosition{batches[i].epoch(), batches[i].end_offset()};
      }
      if (at != start) {
        return CorruptionError(loaded.path, absl::StrCat("the log starts at offset ", start.end.value(),
                                                         " behind epoch ", start.epoch.value(),
                                                         ", as the checkpoint has it, but the batch "
                                                         "there ends at offset ",
                                                         at.end.value(), " in epoch ", at.epoch.value()));
      }
    }
    for (const Batch& batch : batches) {
      if (batch.base_offset() < start.end) continue;
      if (absl::Status status = visit(batch); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Loaded> LoadSegment(Offset base, bool is_last) {
    Loaded out;
    out.path = PathOf(SegmentName(base));
    absl::StatusOr<std::string> contents = ReadFile(place_.files, out.path, kSegmentFileBytesMax);
    if (!contents.ok()) return contents.status();
    out.contents = Bytes::FromString(*std::move(contents));
    absl::StatusOr<SegmentHeader> header =
        ParseSegmentHeader(out.contents.view(), place_.cluster_id, place_.directory_id, base, out.path);
    if (!header.ok()) return header.status();
    out.header = *header;
    if (!segments_.empty() && header->chain != end_) {
      return CorruptionError(
          out.path, absl::StrCat("it continues a log that ends at offset ", base.value(), " in epoch ",
                                 header->chain.position.epoch.value(), " with CRC-32C ", header->chain.crc,
                                 ", but the segment before it ends at offset ", end_.position.end.value(), " in epoch ",
                                 end_.position.epoch.value(), " with CRC-32C ", end_.crc));
    }
    const FrameCodec codec(place_.directory_id, base);
    out.scan = ScanSegment(out.contents, codec, header->chain, place_.cluster_hash(),
                           is_last ? checkpoint_.truncating : std::nullopt);
    return out;
  }

  // A segment is synced before the next one is made: nothing in it can be torn.
  absl::Status JudgeClosed(const Loaded& loaded) {
    if (loaded.scan.zero_tail) return absl::OkStatus();
    QUORATE_MARK("C-02");
    return CorruptionError(loaded.path, absl::StrCat(Where(loaded.scan), loaded.scan.problem,
                                                     "; later segments exist, so it was durable once"));
  }

  absl::Status JudgeLast(const Loaded& loaded) {
    const SegmentScan& scan = loaded.scan;
    Offset mark = std::max(mark_, checkpoint_.durable_end);
    if (checkpoint_.truncating.has_value()) mark = std::min(mark, *checkpoint_.truncating);
    if (scan.end.position.end >= mark) return absl::OkStatus();
    if (QUORATE_MUTANT(scan.zero_tail ? "M-26" : "R-04")) return absl::OkStatus();
    QUORATE_MARK("C-02");
    return CorruptionError(
        loaded.path,
        absl::StrCat(Where(scan), scan.problem.empty() ? "the log ends here" : scan.problem,
                     "; it was durable up to offset ", mark.value(), ", so this is no write that a crash cut short"));
  }

  // Extends the last segment, or copies it when it holds anything that isn't known to be durable.
  absl::StatusOr<std::unique_ptr<File>> OpenLast(const Loaded& loaded) {
    const SegmentScan& scan = loaded.scan;
    const uint64_t size = loaded.contents.size();
    last_capacity_ =
        std::max(std::min(place_.segment_bytes, scan.end_position + kQuickCapacityBytes), scan.end_position);
    const bool durable =
        scan.zero_tail && scan.end.position.end <= checkpoint_.durable_end && !checkpoint_.truncating.has_value();
    if (!durable && !(scan.zero_tail && QUORATE_MUTANT("R-06"))) {
      LogCopy(loaded);
      const absl::string_view frames =
          loaded.contents.view().substr(SegmentHeader::kBytes, scan.end_position - SegmentHeader::kBytes);
      return MakeSegmentFile(place_.files, place_.directory, loaded.header, frames, last_capacity_, nullptr);
    }
    absl::StatusOr<std::unique_ptr<File>> file = place_.files->Open(loaded.path, OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    if (size < last_capacity_) {
      if (absl::Status status = (*file)->ZeroFill(size, last_capacity_ - size); !status.ok()) return status;
      if (absl::Status status = (*file)->Sync(); !status.ok()) return status;
    }
    last_capacity_ = std::max(last_capacity_, size);
    return file;
  }

  absl::Status MoveCheckpoint() {
    const bool promised = promised_ || checkpoint_.truncating.has_value();
    const LogCheckpoint next{checkpoint_.log_start, end_.position.end, std::nullopt, std::nullopt};
    if (next == checkpoint_ && !promised) return absl::OkStatus();
    checkpoint_ = next;
    if (absl::Status status = checkpoint_file_.Write(EncodeCheckpoint(next)); !status.ok()) return status;
    // Were the promise to survive in the other slot, the loss of this one would cut the log a second time.
    return promised ? checkpoint_file_.Mirror() : absl::OkStatus();
  }

  absl::Status RemoveSegment(Offset base) {
    if (absl::Status status = place_.files->Remove(PathOf(SegmentName(base))); !status.ok()) return status;
    return place_.files->SyncDirectory(place_.directory);
  }

  void LogCopy(const Loaded& loaded) const {
    const bool torn = !loaded.scan.zero_tail && !checkpoint_.truncating.has_value();
    if (torn) QUORATE_MARK("C-01");
    place_.log_sink->Write(torn ? LogLevel::kWarning : LogLevel::kInfo, "storage",
                           absl::StrCat("event=", torn ? "torn_tail_cut" : "tail_made_durable", " file=", loaded.path,
                                        " offset=", loaded.scan.end.position.end.value(), " position=",
                                        loaded.scan.end_position, " checkpoint=", checkpoint_.durable_end.value(),
                                        torn ? " reason=\"" : "", loaded.scan.problem, torn ? "\"" : ""));
  }

  static std::string Where(const SegmentScan& scan) {
    return absl::StrCat("at byte ", scan.end_position, " (offset ", scan.end.position.end.value(), "): ");
  }
  [[nodiscard]] std::string PathOf(absl::string_view name) const { return JoinPath(place_.directory, name); }

  const LogPlace& place_;
  SlotFile checkpoint_file_;
  LogCheckpoint checkpoint_;
  bool promised_ = false;  // a reset was, and is done
  std::vector<Offset> bases_;
  Offset mark_;  // the largest synced_through seen
  std::vector<std::unique_ptr<Segment>> segments_;
  ChainEnd end_;
  uint64_t last_capacity_ = 0;
};

}  // namespace

absl::StatusOr<RecoveredLog> RecoverLog(const LogPlace& place, absl::FunctionRef<absl::Status(const Batch&)> visit) {
  const std::string path = JoinPath(place.directory, kCheckpointName);
  absl::StatusOr<SlotFile> file = SlotFile::Open(place.files, path, kCheckpointMagic, place.directory_id);
  if (!file.ok()) return file.status();
  if (!file->damage().empty()) {
    place.log_sink->Write(LogLevel::kWarning, "storage",
                          absl::StrCat("event=slot_repaired file=", path, " damage=\"", file->damage(), "\""));
  }
  absl::StatusOr<LogCheckpoint> checkpoint = ParseCheckpoint(file->value(), path);
  if (!checkpoint.ok()) return checkpoint.status();
  return Recovery(place, *std::move(file), *checkpoint).Run(visit);
}

}  // namespace quorate::storage
