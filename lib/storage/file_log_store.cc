#include "storage/file_log_store.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
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
      background_(executors->MakeSerial("quorate-prepare")),
      preparer_(place_.files, place_.directory, place_.segment_bytes, background_.get(), place_.log_sink),
      remover_(place_.files, place_.log_sink, background_.get()),
      executor_(executors->MakeSerial("quorate-log")),
      runner_(executor_.get()) {}

FileLogStore::~FileLogStore() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  executor_.reset();  // waits for a group under way
  preparer_.Stop();
  background_.reset();
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
  if (dead_.ok() && durable_end_ != log_->checkpoint.durable_end) (void)WriteCheckpoint();
}

absl::StatusOr<LogBounds> FileLogStore::Open(absl::FunctionRef<absl::Status(const Batch&)> visit) {
  absl::StatusOr<RecoveredLog> log = RecoverLog(place_, visit);
  dead_ = log.status();
  if (!log.ok()) {
    place_.ledger->NoteTrouble();
    return log.status();
  }
  place_.ledger->NoteRecovered();
  background_->PostAt(clock_->Now() + StartLedger::kStable, [ledger = place_.ledger] { ledger->NoteStable(); });
  log_.emplace(*std::move(log));
  durable_end_ = log_->end.position.end;
  PrepareNextSegment();
  return LogBounds{log_->checkpoint.log_start, log_->end.position};
}

void FileLogStore::Append(std::vector<Batch> batches, AppendDone done) {
  Enqueue(AppendCall{std::move(batches), std::move(done), absl::OkStatus()});
}

void FileLogStore::TruncateSuffix(Offset new_end, Done done) {
  Enqueue(SurgeryCall{SurgeryCall::Kind::kTruncate, LogPosition{Epoch(), new_end}, std::move(done)});
}

void FileLogStore::TrimPrefix(LogPosition start, Done done) {
  Enqueue(SurgeryCall{SurgeryCall::Kind::kTrim, start, std::move(done)});
}

void FileLogStore::ResetTo(LogPosition start, Done done) {
  Enqueue(SurgeryCall{SurgeryCall::Kind::kReset, start, std::move(done)});
}

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
    if (auto* surgery = std::get_if<SurgeryCall>(&calls_[begin])) {
      RunSurgery(*surgery);
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < calls_.size() && !std::holds_alternative<SurgeryCall>(calls_[end])) ++end;
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
  if (dead_.ok()) (void)Die(FlushStaged());
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

void FileLogStore::RunSurgery(SurgeryCall& call) {
  absl::Status status = dead_;
  if (status.ok()) {
    switch (call.kind) {
      case SurgeryCall::Kind::kTruncate:
        status = Truncate(call.at.end);
        break;
      case SurgeryCall::Kind::kTrim:
        status = Trim(call.at);
        break;
      case SurgeryCall::Kind::kReset:
        status = Reset(call.at);
        break;
    }
  }
  std::move(call.done)(std::move(status));
}

void FileLogStore::Fail(Call& call, const absl::Status& status) {
  if (auto* append = std::get_if<AppendCall>(&call)) {
    std::move(append->done)(status);
  } else if (auto* surgery = std::get_if<SurgeryCall>(&call)) {
    std::move(surgery->done)(status);
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
      if (absl::Status status = Stage(batch); !status.ok()) {
        (void)Die(std::move(status));
        return;
      }
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
  if (status.ok() && !QUORATE_MUTANT("R-01")) {
    status = active().Sync();
    if (!status.ok()) QUORATE_MARK("C-05");
    if (QUORATE_MUTANT("F-D09")) status = absl::OkStatus();
  }
  if (!status.ok()) return status;
  durable_end_ = log_->end.position.end;
  ArmCheckpointTimer();
  PrepareNextSegment();
  return absl::OkStatus();
}

void FileLogStore::PrepareNextSegment() {
  if (rolled_ || active().IsHalfFull()) preparer_.Start();
}

absl::Status FileLogStore::Roll() {
  std::unique_ptr<File> prepared = preparer_.Take();
  const uint64_t capacity =
      prepared != nullptr ? place_.segment_bytes : std::min(place_.segment_bytes, kQuickCapacityBytes);
  const SegmentHeader header{place_.cluster_id, place_.directory_id, log_->end};
  absl::StatusOr<std::unique_ptr<File>> file =
      MakeSegmentFile(place_.files, place_.directory, header, "", capacity, std::move(prepared));
  if (!file.ok()) return file.status();
  const std::string path = JoinPath(place_.directory, SegmentName(log_->end.position.end));
  log_->segments.push_back(std::make_unique<Segment>(path, *std::move(file), place_.directory_id, log_->end, capacity));
  rolled_ = true;
  return absl::OkStatus();
}

absl::Status FileLogStore::Truncate(Offset new_end) {
  if (new_end == log_->end.position.end) return absl::OkStatus();
  const absl::StatusOr<LogBoundary> boundary = FindInLog(*log_, new_end);
  if (!boundary.ok()) return boundary.status();
  durable_end_ = new_end;
  return Die(TruncateLog(place_, *boundary, &*log_));
}

absl::Status FileLogStore::Trim(LogPosition start) {
  if (start.end <= log_->checkpoint.log_start.end) return absl::OkStatus();
  if (absl::Status refusal = CheckTrim(*log_, start); !refusal.ok()) return refusal;
  absl::StatusOr<std::vector<std::string>> leftovers = TrimLog(start, &*log_);
  if (!leftovers.ok()) return Die(leftovers.status());
  remover_.Add(*std::move(leftovers));
  return absl::OkStatus();
}

absl::Status FileLogStore::Reset(LogPosition start) {
  if (start.end.value() < 0 || start.epoch.value() < 0) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("a log can't begin at offset ", start.end.value(), " in epoch ", start.epoch.value(),
                                  "; both count from 0"));
  }
  remover_.Finish();
  durable_end_ = start.end;
  return Die(ResetLog(place_, start, &*log_));
}

absl::StatusOr<std::vector<Batch>> FileLogStore::ReadNow(Offset from, size_t max_bytes) const {
  const Offset start = log_->checkpoint.log_start.end;
  const Offset end = log_->end.position.end;
  if (from < start || from >= end) {
    return absl::OutOfRangeError(absl::StrCat("offset ", from.value(), " is not in the log, which reaches from ",
                                              start.value(), " to ", end.value()));
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

absl::Status FileLogStore::WriteCheckpoint() {
  log_->checkpoint.durable_end = durable_end_;
  return log_->checkpoint_file.Write(EncodeCheckpoint(log_->checkpoint));
}

void FileLogStore::ArmCheckpointTimer() {
  if (checkpoint_timer_) return;
  checkpoint_timer_ = true;
  runner_->PostAt(clock_->Now() + kCheckpointInterval, [this] {
    checkpoint_timer_ = false;
    if (dead_.ok() && durable_end_ != log_->checkpoint.durable_end) (void)Die(WriteCheckpoint());
  });
}

absl::Status FileLogStore::Die(absl::Status status) {
  if (status.ok() || !dead_.ok()) return status;
  dead_ = status;
  place_.ledger->NoteTrouble();
  staged_.clear();
  place_.log_sink->Write(LogLevel::kError, "storage",
                         absl::StrCat("event=log_failed directory=", place_.directory,
                                      " durable_end=", durable_end_.value(), " error=\"", status.message(), "\""));
  return status;
}

}  // namespace quorate::storage
