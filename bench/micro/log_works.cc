// The log, in memory and in a file, on one thread: what an append costs beside the disk's own time.
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "quorate/testing/manual_executor.h"
#include "work.h"

namespace quorate::bench {
namespace {

const ClusterId kCluster(Uuid(1, 0xC1A5));

class LogWork final : public Work {
 public:
  static absl::StatusOr<std::unique_ptr<Work>> InMemory(size_t records) {
    std::unique_ptr<LogWork> work(new LogWork(records));
    work->log_ = NewMemoryLogStore(&work->executor_);
    return Opened(std::move(work));
  }

  static absl::StatusOr<std::unique_ptr<Work>> InFile(const std::string& folder, size_t records) {
    std::unique_ptr<LogWork> work(new LogWork(records));
    FileStorageOptions options;
    options.path = absl::StrCat(folder, "/log-", records);
    std::filesystem::remove_all(options.path);
    const DirectoryIdentity identity{kCluster, NodeId(1), DirectoryId(Uuid(7, 1)), std::nullopt};
    options.segment_bytes = 8u << 20;
    options.executors = &work->executors_;
    options.clock = &work->clock_;
    if (absl::Status s = FormatDirectory(PosixFileSystem(), options.path, identity); !s.ok()) return s;
    absl::StatusOr<std::unique_ptr<DataDirectory>> directory = DataDirectory::Open(std::move(options));
    if (!directory.ok()) return directory.status();
    work->directory_ = *std::move(directory);
    work->log_ = work->directory_->MakeLogStore();
    return Opened(std::move(work));
  }

  absl::Status Run(int64_t operations) override {
    for (int64_t i = 0; i < operations; ++i) {
      absl::StatusOr<Batch> batch =
          Batch::Make({end_, Epoch(1), BatchKind::kData, kCluster.value().low(), 0}, records_);
      if (!batch.ok()) return batch.status();
      end_ = batch->end_offset();
      std::vector<Batch> batches;
      batches.push_back(*std::move(batch));
      std::optional<absl::StatusOr<Offset>> durable;
      log_->Append(std::move(batches), [&durable](absl::StatusOr<Offset> end) { durable = std::move(end); });
      executor_.RunUntilIdle();
      if (!durable.has_value()) return absl::InternalError("an append was never answered");
      if (!durable->ok()) return durable->status();
      if (**durable < end_) return absl::InternalError("an append was answered before it was durable");
      // A log without an end would fill the disk; a snapshot trims it in the same way.
      if (end_ - trimmed_ > kKeptRecords) {
        if (absl::Status status = Trim(); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kKeptRecords = 200'000;

  explicit LogWork(size_t records) : records_(records, record_) {}

  static absl::StatusOr<std::unique_ptr<Work>> Opened(std::unique_ptr<LogWork> work) {
    const absl::StatusOr<LogBounds> bounds = work->log_->Open([](const Batch&) { return absl::OkStatus(); });
    if (!bounds.ok()) return bounds.status();
    work->executor_.RunUntilIdle();
    return std::unique_ptr<Work>(std::move(work));
  }

  absl::Status Trim() {
    std::optional<absl::Status> trimmed;
    log_->TrimPrefix({Epoch(1), end_}, [&trimmed](absl::Status status) { trimmed = std::move(status); });
    executor_.RunUntilIdle();
    trimmed_ = end_;
    return trimmed.has_value() ? *trimmed : absl::InternalError("a trim was never answered");
  }

  const std::string record_ = std::string(100, 'l');
  const std::vector<absl::string_view> records_;
  testing::ManualClock clock_;
  testing::ManualExecutor executor_{&clock_};
  testing::ManualExecutorFactory executors_{&executor_};
  std::unique_ptr<DataDirectory> directory_;
  std::unique_ptr<LogStore> log_;  // goes before what it runs on
  Offset end_{0};
  Offset trimmed_{0};
};

}  // namespace

void AddLogWorks(std::vector<WorkSpec>& works) {
  works.push_back({"log_memory", "one record of 100 B is batched and appended to the log in memory", 1000, 1,
                   [](const std::string&) { return LogWork::InMemory(1); }});
  works.push_back({"log_file", "the same to the log in a file, fdatasync included", 300, 1,
                   [](const std::string& folder) { return LogWork::InFile(folder, 1); }});
  works.push_back({"log_file_64", "64 records of 100 B, in one batch with one fdatasync", 300, 1,
                   [](const std::string& folder) { return LogWork::InFile(folder, 64); }});
}

}  // namespace quorate::bench
