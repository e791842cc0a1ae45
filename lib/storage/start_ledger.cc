#include "storage/start_ledger.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/crc32c.h"
#include "base/simulation.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

constexpr int32_t kUncleanMax = 999'999;
constexpr std::array<absl::string_view, 3> kPhases = {"recovery", "running", "closed"};

}  // namespace

// Of one length whatever the values, so that writing it in place leaves nothing of the line before.
std::string EncodeStartRecord(const StartRecord& record) {
  std::string line = absl::StrFormat("version=1 phase=%-8s unclean=%06d since=%020d ",
                                     kPhases[static_cast<size_t>(record.phase)], record.unclean, record.since_ms);
  absl::StrAppendFormat(&line, "crc=%08x\n", Crc32c(line));
  return line;
}

// Parses loosely, writes again, and compares.
std::optional<StartRecord> ParseStartRecord(absl::string_view text) {
  StartRecord record;
  bool known_phase = false;
  bool numbers = true;
  for (absl::string_view part : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (absl::ConsumePrefix(&part, "phase=")) {
      const auto found = std::find(kPhases.begin(), kPhases.end(), part);
      known_phase = found != kPhases.end();
      if (known_phase) record.phase = static_cast<StartRecord::Phase>(found - kPhases.begin());
    } else if (absl::ConsumePrefix(&part, "unclean=")) {
      numbers = numbers && absl::SimpleAtoi(part, &record.unclean);
    } else if (absl::ConsumePrefix(&part, "since=")) {
      numbers = numbers && absl::SimpleAtoi(part, &record.since_ms);
    }
  }
  if (!known_phase || !numbers || record.unclean < 0 || EncodeStartRecord(record) != text) return std::nullopt;
  return record;
}

StartLedger::StartLedger(FileSystem* files, const std::string& directory, Clock* clock,
                         std::shared_ptr<LogSink> log_sink)
    : path_(JoinPath(directory, kStartsName)),
      log_sink_(std::move(log_sink)),
      now_ms_(absl::ToUnixMillis(clock->WallNow())) {
  Load(files);
  mine_ = StartRecord{StartRecord::Phase::kRecovering, unclean_, now_ms_};
  Write(mine_);
  if (unclean_ > 0) {
    log_sink_->Write(unclean_ > kFreeStarts ? LogLevel::kWarning : LogLevel::kInfo, "storage",
                     absl::StrCat("event=unclean_start directory=", directory, " in_a_row=", unclean_,
                                  " backoff=", absl::FormatDuration(backoff())));
  }
}

StartLedger::~StartLedger() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (trouble_) return;
  const bool began = mine_.phase != StartRecord::Phase::kRecovering;
  Write(began ? StartRecord{StartRecord::Phase::kClosed, 0, now_ms_} : before_);
}

void StartLedger::Load(FileSystem* files) {
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path_, OpenMode::kOpenOrCreate);
  absl::Status status = file.status();
  std::string text;
  if (status.ok()) status = (*file)->ReadAt(0, kBlockBytes, &text);
  const std::optional<StartRecord> last = ParseStartRecord(text);
  if (status.ok() && !text.empty() && !last.has_value()) {
    status = (*file)->Truncate(0);
    log_sink_->Write(LogLevel::kWarning, "storage", absl::StrCat("event=start_ledger_unreadable file=", path_));
  }
  if (!status.ok()) {
    log_sink_->Write(LogLevel::kWarning, "storage",
                     absl::StrCat("event=start_ledger_failed error=\"", status.message(), "\""));
    return;
  }
  file_ = *std::move(file);
  before_ = last.value_or(StartRecord());
  if (!last.has_value() || last->phase == StartRecord::Phase::kClosed) return;
  if (last->phase == StartRecord::Phase::kRecovering) QUORATE_MARK("C-30");
  const int64_t age_ms = now_ms_ - last->since_ms;
  const bool recent = age_ms >= 0 && age_ms <= absl::ToInt64Milliseconds(kWindow);
  unclean_ = recent ? std::min(last->unclean + 1, kUncleanMax) : 1;
}

void StartLedger::Write(const StartRecord& record) {
  if (file_ == nullptr) return;
  const std::string line = EncodeStartRecord(record);
  if (file_->WriteAt(0, {absl::string_view(line)}).ok()) return;
  file_ = nullptr;  // the stores have the same disk, and more to say about it
}

void StartLedger::NoteRecovered() {
  std::lock_guard<std::mutex> lock(mutex_);
  mine_.phase = StartRecord::Phase::kRunning;
  Write(mine_);
}

void StartLedger::NoteStable() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (trouble_ || mine_.unclean == 0) return;
  mine_.unclean = 0;
  Write(mine_);
}

void StartLedger::NoteTrouble() {
  std::lock_guard<std::mutex> lock(mutex_);
  trouble_ = true;
}

absl::Duration StartLedger::backoff() const {
  if (unclean_ <= kFreeStarts) return absl::ZeroDuration();
  const int32_t doublings = std::min(unclean_ - kFreeStarts - 1, 10);
  return std::min(absl::Seconds(int64_t{1} << doublings), kBackoffMax);
}

}  // namespace quorate::storage
