#include "storage/log_files.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

// Small enough that a stop is noticed soon and the disk's queue stays short for the log.
constexpr uint64_t kFillStepBytes = 512u << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<File>> MakeSegmentFile(FileSystem* files, const std::string& directory,
                                                      const SegmentHeader& header, absl::string_view frames,
                                                      uint64_t capacity, std::unique_ptr<File> prepared) {
  const std::string path = JoinPath(directory, SegmentName(header.chain.position.end));
  std::string temporary = JoinPath(directory, kPreparedSegmentName);
  std::unique_ptr<File> file = std::move(prepared);
  const std::string head = EncodeSegmentHeader(header);
  const uint64_t used = head.size() + frames.size();
  if (file == nullptr) {
    temporary = absl::StrCat(path, kTemporarySuffix);
    absl::StatusOr<std::unique_ptr<File>> opened = files->Open(temporary, OpenMode::kOpenOrCreate);
    if (!opened.ok()) return opened.status();
    file = *std::move(opened);
    if (absl::Status status = file->Truncate(0); !status.ok()) return status;
    if (capacity > used) {
      if (absl::Status status = file->ZeroFill(used, capacity - used); !status.ok()) return status;
    }
  }
  if (absl::Status status = file->WriteAt(0, {head, frames}); !status.ok()) return status;
  if (absl::Status status = file->Sync(); !status.ok()) return status;
  if (absl::Status status = files->Rename(temporary, path); !status.ok()) return status;
  if (absl::Status status = files->SyncDirectory(directory); !status.ok()) return status;
  // Opened again, so that its errors carry its real name. When no descriptor is to be had, the old one serves: a log
  // can roll into its prepared segment in a process that has run out of them (F-P09).
  absl::StatusOr<std::unique_ptr<File>> renamed = files->Open(path, OpenMode::kReadWrite);
  return renamed.ok() ? *std::move(renamed) : std::move(file);
}

SegmentPreparer::SegmentPreparer(FileSystem* files, std::string directory, uint64_t bytes, Executor* executor,
                                 std::shared_ptr<LogSink> log_sink)
    : files_(files),
      directory_(std::move(directory)),
      bytes_(bytes),
      log_sink_(std::move(log_sink)),
      executor_(executor) {}

void SegmentPreparer::Start() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (working_ || ready_ != nullptr) return;
    working_ = true;
  }
  executor_->Post([this] { Prepare(); });
}

std::unique_ptr<File> SegmentPreparer::Take() {
  std::lock_guard<std::mutex> lock(mutex_);
  return std::move(ready_);
}

void SegmentPreparer::Prepare() {
  absl::StatusOr<std::unique_ptr<File>> file = MakeFile();
  if (!file.ok() && !stopping_) {
    // Not fatal: the writer makes a file itself when it needs one, and meets the same error if it persists.
    log_sink_->Write(LogLevel::kWarning, "storage",
                     absl::StrCat("event=segment_preparation_failed error=\"", file.status().message(), "\""));
  }
  std::lock_guard<std::mutex> lock(mutex_);
  working_ = false;
  if (file.ok()) ready_ = *std::move(file);
}

absl::StatusOr<std::unique_ptr<File>> SegmentPreparer::MakeFile() {
  absl::StatusOr<std::unique_ptr<File>> file =
      files_->Open(JoinPath(directory_, kPreparedSegmentName), OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Truncate(0); !status.ok()) return status;
  for (uint64_t at = 0; at < bytes_; at += kFillStepBytes) {
    if (stopping_) return MakeError(Reason::kShuttingDown, Outcome::kNotApplied, "the log is being closed");
    if (absl::Status status = (*file)->ZeroFill(at, std::min(kFillStepBytes, bytes_ - at)); !status.ok()) return status;
    if (absl::Status status = (*file)->Sync(); !status.ok()) return status;
  }
  return file;
}

}  // namespace quorate::storage
