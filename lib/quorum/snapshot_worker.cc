#include "quorum/snapshot_worker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorum/guarded.h"

namespace quorate::quorum {
namespace {

absl::Status GivenUp(absl::string_view why) {
  return MakeError(Reason::kShuttingDown, Outcome::kNotApplied, absl::StrCat("the snapshot was given up: ", why));
}

}  // namespace

SnapshotWorker::SnapshotWorker(ClusterId cluster, std::unique_ptr<SnapshotStore> store, ExecutorFactory* executors,
                               Clock* clock, std::shared_ptr<LogSink> log_sink)
    : cluster_(cluster),
      clock_(clock),
      log_sink_(std::move(log_sink)),
      store_(std::move(store)),
      thread_(executors->MakeSerial("quorate-snapshot")),
      executor_(thread_.get()) {}

void SnapshotWorker::Stop() {
  StopReading();
  CancelWrite();
  thread_.reset();  // runs what is left: slices end at once
}

void SnapshotWorker::Adopt(const std::vector<LogPosition>& files, const std::optional<SnapshotInfo>& verified) {
  for (const LogPosition& file : files) Published(file);
  if (verified.has_value()) verified_[verified->id] = *verified;
}

// ---- Writing one of our own ------------------------------------------------------------------------

void SnapshotWorker::Write(SnapshotHead head, std::unique_ptr<SnapshotSource> source,
                           Done<absl::StatusOr<SnapshotInfo>> done) {
  auto job = std::make_unique<WriteJob>();
  job->generation = wanted_write_.load();
  job->head = std::move(head);
  job->source = std::move(source);
  job->done = std::move(done);
  executor_->Post([this, job = std::move(job)]() mutable {
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store_->Create(job->head.position);
    if (!writer.ok()) return std::move(job->done)(writer.status());
    job->file = std::make_unique<SnapshotFileWriter>(*std::move(writer), job->head, cluster_);
    WriteSlice(std::move(job));
  });
}

void SnapshotWorker::WriteSlice(std::unique_ptr<WriteJob> job) {
  const bool given_up = job->generation != wanted_write_.load() || stopping_->load();
  const absl::StatusOr<bool> all = given_up ? GivenUp("it is not needed any more") : WriteSome(*job);
  if (!all.ok()) {
    job->file.reset();  // leaves nothing behind (F-D11)
    return std::move(job->done)(all.status());
  }
  if (*all) return FinishWrite(std::move(job));
  executor_->Post([this, job = std::move(job)]() mutable { WriteSlice(std::move(job)); });
}

absl::StatusOr<bool> SnapshotWorker::WriteSome(WriteJob& job) {
  const size_t enough = QUORATE_BUGGIFY("tiny-snapshot-slice") ? 1 : kSliceBytes;
  for (size_t bytes = 0; bytes < enough;) {
    std::optional<std::string> record;
    absl::Status got = Guarded(
        "the state machine's snapshot failed",
        [&]() -> absl::Status {
          absl::StatusOr<std::optional<std::string>> next = job.source->Next();
          if (!next.ok()) return next.status();
          record = *std::move(next);
          return absl::OkStatus();
        },
        Reason::kUnspecified);
    if (!got.ok()) return got;
    if (!record.has_value()) return true;
    bytes += record->size() + 1;  // empty records end a slice, too
    if (absl::Status added = job.file->Add(*record); !added.ok()) return added;
  }
  return false;
}

void SnapshotWorker::FinishWrite(std::unique_ptr<WriteJob> job) {
  const LogPosition id = job->head.position;
  if (const auto known = verified_.find(id); known != verified_.end()) {
    // One from the leader, which was found good meanwhile. What is good isn't replaced.
    job->file.reset();
    return std::move(job->done)(known->second);
  }
  absl::Status finished = job->file->Finish();
  job->file.reset();
  job->source.reset();
  if (!finished.ok()) return std::move(job->done)(finished);
  const uint64_t publication = Published(id);
  // what was written is worth nothing before it was read.
  ReadBack({id, 0, 0}, [this, id, publication, done = std::move(job->done)](absl::StatusOr<SnapshotInfo> info) mutable {
    if (!IsStill(id, publication)) {
      info = GivenUp("one from the leader took its place");
    } else if (info.ok()) {
      verified_[id] = *info;
    } else if (!stopping_->load()) {  // else: nobody knows that it is bad, and the next start looks
      RemoveNow(id);
    }
    std::move(done)(std::move(info));
  });
}

// ---- Reading one back ------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<SnapshotFileReader>> SnapshotWorker::OpenFile(LogPosition id) {
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = store_->OpenReader(id);
  if (!reader.ok()) return reader.status();
  return SnapshotFileReader::Open(*std::move(reader), id, cluster_, store_->NameOf(id), stopping_);
}

void SnapshotWorker::ReadBack(SnapshotInfo expected, Done<absl::StatusOr<SnapshotInfo>> done) {
  absl::StatusOr<std::unique_ptr<SnapshotFileReader>> file = OpenFile(expected.id);
  if (!file.ok()) return std::move(done)(file.status());
  auto job = std::make_unique<VerifyJob>();
  job->expected = expected;
  job->file = *std::move(file);
  job->done = std::move(done);
  VerifySlice(std::move(job));
}

void SnapshotWorker::VerifySlice(std::unique_ptr<VerifyJob> job) {
  for (size_t bytes = 0; bytes < kSliceBytes;) {
    absl::StatusOr<std::optional<absl::string_view>> record = job->file->Next();
    if (!record.ok()) return std::move(job->done)(record.status());
    if (record->has_value()) {
      bytes += (**record).size() + 1;
      continue;
    }
    const SnapshotInfo info = job->file->info();
    if (job->expected.digest != 0 && info != job->expected) {
      return std::move(job->done)(
          MakeError(Reason::kCorruption, Outcome::kNotApplied,
                    absl::StrCat(store_->NameOf(info.id), " has ", info.bytes, " bytes with digest ",
                                 absl::Hex(info.digest), ", expected are ", job->expected.bytes, " bytes with digest ",
                                 absl::Hex(job->expected.digest))));
    }
    return std::move(job->done)(info);
  }
  executor_->Post([this, job = std::move(job)]() mutable { VerifySlice(std::move(job)); });
}

void SnapshotWorker::OpenRecords(LogPosition id, Done<absl::StatusOr<std::unique_ptr<SnapshotFileReader>>> done) {
  executor_->Post([this, id, done = std::move(done)]() mutable { std::move(done)(OpenFile(id)); });
}

// ---- Pieces for a follower -------------------------------------------------------------------------

void SnapshotWorker::ReadChunk(LogPosition id, uint64_t position, uint32_t bytes_max,
                               Done<absl::StatusOr<raft::SnapshotChunk>> done) {
  auto read = [this, id, position, bytes_max, done = std::move(done)]() mutable {
    std::move(done)(ReadChunkNow(id, position, bytes_max));
  };
  if (QUORATE_BUGGIFY("late-snapshot-chunk")) {
    executor_->PostAt(clock_->Now() + absl::Milliseconds(200), std::move(read));
  } else {
    executor_->Post(std::move(read));
  }
}

absl::StatusOr<SnapshotWorker::CachedReader*> SnapshotWorker::ReaderOf(LogPosition id) {
  const auto cached = readers_.find(id);
  if (cached != readers_.end()) return &cached->second;  // also when the file is gone by now (M-23)
  const auto known = verified_.find(id);
  if (known == verified_.end()) {
    return absl::NotFoundError(absl::StrCat("there is no snapshot up to offset ", id.end.value(), " here"));
  }
  absl::StatusOr<std::unique_ptr<SnapshotReader>> reader = store_->OpenReader(id);
  if (!reader.ok()) return reader.status();
  if (readers_.size() >= kReadersMax) {
    readers_.erase(std::min_element(readers_.begin(), readers_.end(), [](const auto& a, const auto& b) {
      return a.second.last_used < b.second.last_used;
    }));
  }
  return &readers_.emplace(id, CachedReader{known->second, *std::move(reader), Instant()}).first->second;
}

absl::StatusOr<raft::SnapshotChunk> SnapshotWorker::ReadChunkNow(LogPosition id, uint64_t position,
                                                                 uint32_t bytes_max) {
  absl::StatusOr<CachedReader*> cached = ReaderOf(id);
  if (!cached.ok()) return cached.status();
  CachedReader& file = **cached;
  file.last_used = clock_->Now();
  if (!sweep_armed_) CloseIdleReaders();
  raft::SnapshotChunk chunk{file.info, {}};
  if (position >= file.info.bytes) return chunk;
  uint64_t length = std::min<uint64_t>({bytes_max, limits::kSnapshotChunkBytesMax, file.info.bytes - position});
  if (QUORATE_BUGGIFY("tiny-snapshot-chunk")) length = std::min<uint64_t>(length, 64);
  std::string data;
  if (absl::Status read = file.reader->ReadAt(position, length, &data); !read.ok()) return read;
  if (data.size() != length) {
    return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                     absl::StrCat(store_->NameOf(id), " ends at byte ", position + data.size(), ", it had ",
                                  file.info.bytes, " bytes"));
  }
  chunk.data = Bytes::FromString(std::move(data));
  return chunk;
}

void SnapshotWorker::CloseIdleReaders() {
  const Instant now = clock_->Now();
  std::erase_if(readers_, [&](const auto& entry) { return now - entry.second.last_used > kReaderIdleMax; });
  sweep_armed_ = !readers_.empty();
  if (sweep_armed_) executor_->PostAt(now + kReaderIdleMax, [this] { CloseIdleReaders(); });
}

// ---- Pieces from the leader ------------------------------------------------------------------------

void SnapshotWorker::WriteChunk(raft::WriteSnapshotChunk chunk, Done<absl::Status> done) {
  executor_->Post([this, chunk = std::move(chunk), done = std::move(done)]() mutable {
    absl::Status written = WriteChunkNow(chunk);
    if (!written.ok()) receiving_.reset();  // what is there stays, to be resumed
    std::move(done)(std::move(written));
  });
}

absl::Status SnapshotWorker::WriteChunkNow(const raft::WriteSnapshotChunk& chunk) {
  if (chunk.begin || !receiving_.has_value() || receiving_->info != chunk.info) {
    receiving_.reset();
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store_->Receive(chunk.info);
    if (!writer.ok()) return writer.status();
    receiving_ = Receiving{chunk.info, *std::move(writer)};
  }
  SnapshotWriter& writer = *receiving_->writer;
  if (writer.size() != chunk.position) {
    return MakeError(Reason::kStorage, Outcome::kNotApplied,
                     absl::StrCat("a piece of a snapshot belongs at byte ", chunk.position, ", but ", writer.size(),
                                  " bytes are here"));
  }
  return writer.Append(chunk.data.view());
}

void SnapshotWorker::Verify(SnapshotInfo info, Done<absl::StatusOr<VotersAt>> done) {
  executor_->Post([this, job = std::make_unique<ReceivedJob>(ReceivedJob{info, std::move(done)})]() mutable {
    if (absl::Status opened = OpenReceived(job->info); !opened.ok()) return std::move(job->done)(opened);
    CheckSlice(std::move(job));
  });
}

absl::Status SnapshotWorker::OpenReceived(const SnapshotInfo& info) {
  if (!receiving_.has_value() || receiving_->info != info) {
    // All of it was here when the node started, and only this last step was missing.
    receiving_.reset();
    absl::StatusOr<std::unique_ptr<SnapshotWriter>> writer = store_->Receive(info);
    if (!writer.ok()) return writer.status();
    receiving_ = Receiving{info, *std::move(writer)};
  }
  const uint64_t size = receiving_->writer->size();
  if (size == info.bytes) return absl::OkStatus();
  receiving_.reset();
  return MakeError(
      Reason::kStorage, Outcome::kNotApplied,
      absl::StrCat("the snapshot up to offset ", info.id.end.value(), " has ", size, " of ", info.bytes, " bytes"));
}

void SnapshotWorker::CheckSlice(std::unique_ptr<ReceivedJob> job) {
  if (stopping_->load()) {
    receiving_.reset();  // what is there stays, to be resumed
    return std::move(job->done)(GivenUp("this node stops"));
  }
  if (!receiving_.has_value() || receiving_->info != job->info) {
    return std::move(job->done)(GivenUp("it was abandoned"));
  }
  const absl::StatusOr<bool> all = receiving_->writer->CheckSome(kSliceBytes);
  if (!all.ok()) {
    receiving_.reset();
    return std::move(job->done)(all.status());
  }
  if (*all) return FinishReceived(std::move(job));
  executor_->Post([this, job = std::move(job)]() mutable { CheckSlice(std::move(job)); });
}

void SnapshotWorker::FinishReceived(std::unique_ptr<ReceivedJob> job) {
  const LogPosition id = job->info.id;
  const Receiving whole = *std::exchange(receiving_, std::nullopt);
  if (const auto known = verified_.find(id); known != verified_.end()) {
    // This node took one there meanwhile. What is good isn't replaced, not even by the same.
    if (absl::Status removed = store_->RemovePartial(); !removed.ok()) return std::move(job->done)(removed);
    const bool same = known->second == job->info;
    return std::move(job->done)(same ? VotersIn(id) : GivenUp("this node has another one of that name"));
  }
  if (absl::Status finished = whole.writer->Finish(); !finished.ok()) return std::move(job->done)(finished);
  Published(id);
  if (QUORATE_MUTANT("M-23")) return std::move(job->done)(VotersIn(id));
  VerifyReceived(std::move(job));
}

void SnapshotWorker::VerifyReceived(std::unique_ptr<ReceivedJob> job) {
  const SnapshotInfo info = job->info;
  auto verified = [this, info, publication = files_[info.id], abandoned = abandoned_,
                   done = std::move(job->done)](absl::StatusOr<SnapshotInfo> found) mutable {
    if (!IsStill(info.id, publication)) return std::move(done)(GivenUp("one of this node's own took its place"));
    // The voters are read again from the verified file: of the whole file they are the part that must not be wrong.
    absl::StatusOr<VotersAt> voters = found.ok() ? VotersIn(info.id) : found.status();
    if (voters.ok() && abandoned != abandoned_) voters = GivenUp("the leader has another one");
    if (voters.ok()) {
      verified_[info.id] = info;
    } else if (!stopping_->load()) {
      RemoveNow(info.id);
    }
    std::move(done)(std::move(voters));
  };
  ReadBack(info, std::move(verified));
}

bool SnapshotWorker::IsStill(LogPosition id, uint64_t publication) const {
  const auto file = files_.find(id);
  return file != files_.end() && file->second == publication;
}

absl::StatusOr<SnapshotWorker::VotersAt> SnapshotWorker::VotersIn(LogPosition id) {
  absl::StatusOr<std::unique_ptr<SnapshotFileReader>> file = OpenFile(id);
  if (!file.ok()) return file.status();
  return (*file)->head().voters;
}

void SnapshotWorker::Abandon() {
  executor_->Post([this] {
    ++abandoned_;
    receiving_.reset();
    if (absl::Status removed = store_->RemovePartial(); !removed.ok()) {
      log_sink_->Write(LogLevel::kWarning, "snapshot",
                       absl::StrCat("event=remove_partial_failed cause=\"", removed.message(), "\""));
    }
  });
}

// ---- Removing --------------------------------------------------------------------------------------

void SnapshotWorker::Remove(LogPosition id) {
  executor_->Post([this, id] { RemoveNow(id); });
}

void SnapshotWorker::RemoveOlderThan(LogPosition id) {
  executor_->Post([this, id] {
    const std::map<LogPosition, uint64_t> files = files_;
    for (const auto& [file, publication] : files) {
      if (file.end < id.end) RemoveNow(file);
    }
  });
}

void SnapshotWorker::RemoveNow(LogPosition id) {
  verified_.erase(id);
  // Whoever reads it goes on: the reader outlasts the file, and is closed when it is idle.
  if (absl::Status removed = store_->Remove(id); !removed.ok()) {
    log_sink_->Write(
        LogLevel::kWarning, "snapshot",
        absl::StrCat("event=remove_failed file=", store_->NameOf(id), " cause=\"", removed.message(), "\""));
    return;
  }
  files_.erase(id);
}

}  // namespace quorate::quorum
