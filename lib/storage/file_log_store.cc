#include "storage/file_log_store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

constexpr absl::Duration kCheckpointInterval = absl::Seconds(1);
constexpr size_t kPiecesPerFrame = 3;  // header, batch, padding
constexpr char kPadding[kFrameAlignment] = {};

absl::Status NotOpen() {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "the log must be opened before it is used");
}

absl::Status ShuttingDown() { return MakeError(Reason::kShuttingDown, Outcome::kUnknown, "the log is being closed"); }

}  // namespace

FileLogStore::FileLogStore(LogPlace place, Clock* clock, ExecutorFactory* executors)
    : place_(std::move(place)),
      clock_(clock),
      dead_(NotOpen()),
      preparer_(std::make_unique<SegmentPreparer>(place_.files, place_.directory, place_.segment_bytes,
                                                  executors->MakeSerial("quorate-prepare"), place_.log_sink)),
      executor_(executors->MakeSerial("quorate-log")),
      runner_(executor_.get()) {}

FileLogStore::~FileLogStore() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  executor_.reset();  // waits for a group under way
  preparer_.reset();
  // A callback may make further calls: they complete here as well, after it.
  while (true) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      calls_.swap(queue_);
    }
    if (calls_.empty()) break;
    for (Call& call : calls_) Fail(call, dead_.ok() ? ShuttingDown() : dead_);
    calls_.clear();
  }
  // An error here loses nothing: the next start only has more to check and copy.
  if (dead_.ok() && durable_end_ != log_->checkpoint.durable_end) (void)WriteCheckpoint(std::nullopt);
}

absl::StatusOr<LogBounds> FileLogStore::Open(absl::FunctionRef<absl::Status(const Batch&)> visit) {
  absl::StatusOr<RecoveredLog> log = RecoverLog(place_, visit);
  dead_ = log.status();
  if (!log.ok()) return log.status();
  log_.emplace(*std::move(log));
  durable_end_ = log_->end.position.end;
  PrepareNextSegment();
  return LogBounds{LogPosition{Epoch(), log_->checkpoint.log_start}, log_->end.position};
}

void FileLogStore::TrimPrefix(LogPosition, Done done) { std::move(done)(NotOpen()); }
void FileLogStore::ResetTo(LogPosition, Done done) { std::move(done)(NotOpen()); }

void FileLogStore::Append(std::vector<Batch> batches, AppendDone done) {
  Enqueue(AppendCall{std::move(batches), std::move(done), absl::OkStatus()});
}

void FileLogStore::TruncateSuffix(Offset new_end, Done done) { Enqueue(TruncateCall{new_end, std::move(done)}); }

void FileLogStore::Read(Offset from, size_t max_bytes, ReadDone done) {
  Enqueue(ReadCall{from, max_bytes, std::move(done)});
}

void FileLogStore::Enqueue(Call call) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(call));
    if (scheduled_ || stopping_) return;  // the destructor works the rest off itself
    scheduled_ = true;
  }
  runner_->Post([this] { Drain(); });
}

void FileLogStore::Drain() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    calls_.swap(queue_);
  }
  for (size_t begin = 0; begin < calls_.size();) {
    if (auto* truncate = std::get_if<TruncateCall>(&calls_[begin])) {
      RunTruncate(*truncate);
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < calls_.size() && !std::holds_alternative<TruncateCall>(calls_[end])) ++end;
    RunGroup(absl::MakeSpan(calls_).subspan(begin, end - begin));
    begin = end;
  }
  calls_.clear();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    scheduled_ = !queue_.empty();
    if (!scheduled_ || stopping_) return;
  }
  runner_->Post([this] { Drain(); });  // and not a loop: timers get their turn
}

void FileLogStore::RunGroup(absl::Span<Call> calls) {
  if (dead_.ok()) StageAll(calls);
  if (dead_.ok()) Die(FlushStaged());
  for (Call& call : calls) {
    if (!dead_.ok()) {
      Fail(call, dead_);
    } else if (auto* append = std::get_if<AppendCall>(&call)) {
      absl::StatusOr<Offset> result = durable_end_;
      if (!append->refusal.ok()) result = append->refusal;
      std::move(append->done)(std::move(result));
    } else {
      auto& read = std::get<ReadCall>(call);
      std::move(read.done)(ReadNow(read.from, read.max_bytes));
    }
  }
}

void FileLogStore::RunTruncate(TruncateCall& call) {
  absl::Status status = dead_.ok() ? Truncate(call.new_end) : dead_;
  std::move(call.done)(std::move(status));
}

void FileLogStore::Fail(Call& call, const absl::Status& status) {
  if (auto* append = std::get_if<AppendCall>(&call)) {
    std::move(append->done)(status);
  } else if (auto* truncate = std::get_if<TruncateCall>(&call)) {
    std::move(truncate->done)(status);
  } else {
    std::move(std::get<ReadCall>(call).done)(status);
  }
}

void FileLogStore::StageAll(absl::Span<Call> calls) {
  size_t frames = 0;
  for (Call& call : calls) {
    if (auto* append = std::get_if<AppendCall>(&call)) frames += append->batches.size();
  }
  // The pieces point into this: it must not move while they are in use.
  frame_headers_.clear();
  frame_headers_.reserve(frames);
  staged_.reserve(std::min<size_t>(frames, 1u << 16) * kPiecesPerFrame);
  for (Call& call : calls) {
    auto* append = std::get_if<AppendCall>(&call);
    if (append == nullptr) continue;
    append->refusal = CheckContinues(append->batches);
    if (!append->refusal.ok()) continue;
    for (const Batch& batch : append->batches) {
      if (absl::Status status = Stage(batch); !status.ok()) return Die(status);
    }
  }
}

absl::Status FileLogStore::CheckContinues(const std::vector<Batch>& batches) const {
  LogPosition at = log_->end.position;
  for (const Batch& batch : batches) {
    if (batch.size() == 0 || batch.base_offset() != at.end || batch.epoch() < at.epoch) {
      return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                       absl::StrCat("the log ends at offset ", at.end.value(), " in epoch ", at.epoch.value(),
                                    "; a batch at offset ", batch.base_offset().value(), " in epoch ",
                                    batch.epoch().value(), " doesn't continue it"));
    }
    if (batch.header().cluster_hash != place_.cluster_hash()) {
      return MakeError(Reason::kWrongCluster, Outcome::kNotApplied,
                       absl::StrCat("the batch at offset ", batch.base_offset().value(), " is another cluster's"));
    }
    at = LogPosition{batch.epoch(), batch.end_offset()};
  }
  return absl::OkStatus();
}

absl::Status FileLogStore::Stage(const Batch& batch) {
  const uint64_t frame_bytes = FrameBytes(batch.size());
  if (!active().HasRoomFor(frame_bytes)) {
    // What belongs to the old segment is durable before the new one exists: only the last can be torn.
    if (absl::Status status = FlushStaged(); !status.ok()) return status;
    if (absl::Status status = Roll(); !status.ok()) return status;
  }
  if (staged_.empty()) staged_position_ = active().end_position();
  const FrameHeader header{static_cast<uint32_t>(batch.size()), batch.base_offset(), durable_end_, log_->end.crc};
  frame_headers_.emplace_back();
  active().codec().Encode(header, active().end_position(), &frame_headers_.back());
  staged_.emplace_back(frame_headers_.back().data(), FrameHeader::kBytes);
  staged_.push_back(batch.bytes().view());
  const size_t padding = frame_bytes - FrameHeader::kBytes - batch.size();
  if (padding > 0) staged_.emplace_back(kPadding, padding);
  active().Add(batch);
  log_->end = ChainEnd{LogPosition{batch.epoch(), batch.end_offset()}, batch.crc()};
  return absl::OkStatus();
}

absl::Status FileLogStore::FlushStaged() {
  if (staged_.empty()) return absl::OkStatus();
  absl::Status status = active().Write(staged_position_, staged_);
  staged_.clear();
  if (status.ok()) status = active().Sync();
  if (!status.ok()) return status;
  durable_end_ = log_->end.position.end;
  ArmCheckpointTimer();
  PrepareNextSegment();
  return absl::OkStatus();
}

void FileLogStore::PrepareNextSegment() {
  if (active().IsHalfFull()) preparer_->Start();
}

absl::Status FileLogStore::Roll() {
  std::unique_ptr<File> prepared = preparer_->Take();
  const uint64_t capacity =
      prepared != nullptr ? place_.segment_bytes : std::min(place_.segment_bytes, kQuickCapacityBytes);
  const SegmentHeader header{place_.cluster_id, place_.directory_id, log_->end};
  absl::StatusOr<std::unique_ptr<File>> file =
      MakeSegmentFile(place_.files, place_.directory, header, "", capacity, std::move(prepared));
  if (!file.ok()) return file.status();
  const std::string path = JoinPath(place_.directory, SegmentName(log_->end.position.end));
  log_->segments.push_back(std::make_unique<Segment>(path, *std::move(file), place_.directory_id, log_->end, capacity));
  return absl::OkStatus();
}

absl::Status FileLogStore::Truncate(Offset new_end) {
  const Offset end = log_->end.position.end;
  if (new_end == end) return absl::OkStatus();
  if (new_end < log_->checkpoint.log_start || new_end > end) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("the log can't be cut at offset ", new_end.value(), ": it reaches from ",
                                  log_->checkpoint.log_start.value(), " to ", end.value()));
  }
  // The segment that will be the last: the newest that begins below the cut, or the first one of all.
  auto& segments = log_->segments;
  size_t last = segments.size() - 1;
  while (last > 0 && segments[last]->base() >= new_end) --last;
  absl::StatusOr<Segment::Boundary> boundary = segments[last]->FindBoundary(new_end);
  if (!boundary.ok()) return boundary.status();

  // Promised, then done, then no longer promised: see checkpoint.h.
  durable_end_ = new_end;
  absl::Status status = WriteCheckpoint(new_end);
  while (status.ok() && segments.size() > last + 1) {
    const std::string path = segments.back()->path();
    segments.pop_back();
    status = place_.files->Remove(path);
    if (status.ok()) status = place_.files->SyncDirectory(place_.directory);
  }
  if (status.ok()) status = active().CutAt(*boundary);
  if (status.ok()) status = WriteCheckpoint(std::nullopt);
  // In both slots, so that the loss of one can't bring the promise back.
  if (status.ok()) status = log_->checkpoint_file.Mirror();
  Die(status);
  log_->end = boundary->chain;
  return status;
}

absl::StatusOr<std::vector<Batch>> FileLogStore::ReadNow(Offset from, size_t max_bytes) const {
  const LogBounds bounds{LogPosition{Epoch(), log_->checkpoint.log_start}, log_->end.position};
  if (from < bounds.start.end || from >= bounds.end.end) {
    return absl::OutOfRangeError(absl::StrCat("offset ", from.value(), " is not in the log, which reaches from ",
                                              bounds.start.end.value(), " to ", bounds.end.end.value()));
  }
  const auto& segments = log_->segments;
  auto at = std::upper_bound(segments.begin(), segments.end(), from,
                             [](Offset wanted, const auto& segment) { return wanted < segment->base(); });
  std::vector<Batch> out;
  size_t bytes_left = max_bytes;
  for (--at; at != segments.end(); ++at) {
    if ((*at)->empty()) continue;
    const Offset begin = out.empty() ? from : (*at)->base();
    if (absl::Status status = (*at)->Read(begin, &bytes_left, &out); !status.ok()) return status;
    if (bytes_left == 0) break;
  }
  return out;
}

absl::Status FileLogStore::WriteCheckpoint(std::optional<Offset> truncating) {
  log_->checkpoint.durable_end = durable_end_;
  log_->checkpoint.truncating = truncating;
  return log_->checkpoint_file.Write(EncodeCheckpoint(log_->checkpoint));
}

void FileLogStore::ArmCheckpointTimer() {
  if (checkpoint_timer_) return;
  checkpoint_timer_ = true;
  runner_->PostAt(clock_->Now() + kCheckpointInterval, [this] {
    checkpoint_timer_ = false;
    if (dead_.ok() && durable_end_ != log_->checkpoint.durable_end) Die(WriteCheckpoint(std::nullopt));
  });
}

void FileLogStore::Die(const absl::Status& status) {
  if (status.ok() || !dead_.ok()) return;
  dead_ = status;
  staged_.clear();
  place_.log_sink->Write(LogLevel::kError, "storage",
                         absl::StrCat("event=log_failed directory=", place_.directory,
                                      " durable_end=", durable_end_.value(), " error=\"", status.message(), "\""));
}

}  // namespace quorate::storage
