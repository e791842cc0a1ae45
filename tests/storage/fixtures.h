// A data directory on a simulated disk, driven by hand.
#ifndef QUORATE_TESTS_STORAGE_FIXTURES_H_
#define QUORATE_TESTS_STORAGE_FIXTURES_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "quorate/batch.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/testing/manual_executor.h"
#include "storage/layout.h"
#include "support/catch.h"
#include "testing/sim_file_system.h"

namespace quorate::storage {

inline constexpr ClusterId kCluster{Uuid(0x0123456789abcdef, 0xfedcba9876543210)};
inline constexpr DirectoryId kDirectory{Uuid(0x1111222233334444, 0x5555666677778888)};
inline constexpr char kPath[] = "/data/node-1";
inline constexpr uint64_t kSmallSegment = 16u << 10;

inline DirectoryIdentity TestIdentity() {
  DirectoryIdentity identity;
  identity.cluster_id = kCluster;
  identity.node_id = NodeId(1);
  identity.directory_id = kDirectory;
  return identity;
}

inline Batch TestBatch(Offset base, Epoch epoch, absl::string_view text, int records = 1) {
  Batch::Header header;
  header.base_offset = base;
  header.epoch = epoch;
  header.cluster_hash = kCluster.value().low();
  const std::vector<absl::string_view> views(records, text);
  return Batch::Make(header, views).value();
}

inline bool SameBytes(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Batch& x, const Batch& y) { return x.bytes().view() == y.bytes().view(); });
}

// Remembers every line.
class LineSink final : public LogSink {
 public:
  [[nodiscard]] bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel, absl::string_view, absl::string_view line) override {
    std::lock_guard<std::mutex> lock(mutex_);
    text_ += absl::StrCat(line, "\n");
  }
  std::string text() {
    std::lock_guard<std::mutex> lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

// One machine: a disk, a clock, an executor. A process on it can be started and stopped.
class Machine {
 public:
  explicit Machine(uint64_t seed = 1, uint64_t segment_bytes = kSmallSegment)
      : files(seed), executor(&clock), executors(&executor), segment_bytes_(segment_bytes) {}
  ~Machine() {
    files.SetHook(nullptr);  // which may refer to what the test has left behind
    Stop();
  }

  absl::Status Format() { return FormatDirectory(&files, kPath, TestIdentity()); }

  absl::Status OpenDirectory() {
    FileStorageOptions options;
    options.path = kPath;
    options.segment_bytes = segment_bytes_;
    options.snapshot_sync_bytes = snapshot_sync_bytes;
    options.files = &files;
    options.executors = &executors;
    options.clock = &clock;
    options.log_sink = sink;
    absl::StatusOr<std::unique_ptr<DataDirectory>> opened = DataDirectory::Open(options);
    if (!opened.ok()) return opened.status();
    directory = *std::move(opened);
    return absl::OkStatus();
  }

  // Opens directory and log; `recovered` is what was found.
  absl::Status Start() {
    if (absl::Status status = OpenDirectory(); !status.ok()) return status;
    log = directory->MakeLogStore();
    recovered.clear();
    absl::StatusOr<LogBounds> opened = log->Open([this](const Batch& batch) {
      recovered.push_back(batch);
      return absl::OkStatus();
    });
    if (opened.ok()) bounds = *opened;
    return opened.status();
  }

  void Stop() {
    log.reset();
    elections.reset();
    directory.reset();
  }

  absl::StatusOr<Offset> Append(std::vector<Batch> batches) {
    std::optional<absl::StatusOr<Offset>> result;
    log->Append(std::move(batches), [&](absl::StatusOr<Offset> end) { result = std::move(end); });
    executor.RunUntilIdle();
    return result.value();
  }
  absl::Status Truncate(Offset end) {
    std::optional<absl::Status> result;
    log->TruncateSuffix(end, [&](absl::Status status) { result = std::move(status); });
    executor.RunUntilIdle();
    return result.value();
  }
  absl::Status Trim(LogPosition start) {
    std::optional<absl::Status> result;
    log->TrimPrefix(start, [&](absl::Status status) { result = std::move(status); });
    executor.RunUntilIdle();
    return result.value();
  }
  absl::Status Reset(LogPosition start) {
    std::optional<absl::Status> result;
    log->ResetTo(start, [&](absl::Status status) { result = std::move(status); });
    executor.RunUntilIdle();
    return result.value();
  }
  absl::StatusOr<std::vector<Batch>> Read(Offset from, size_t max_bytes) {
    std::optional<absl::StatusOr<std::vector<Batch>>> result;
    log->Read(from, max_bytes, [&](absl::StatusOr<std::vector<Batch>> batches) { result = std::move(batches); });
    executor.RunUntilIdle();
    return result.value();
  }
  absl::StatusOr<std::optional<ElectionState>> LoadElection() {
    elections = directory->MakeElectionStateStore();
    return elections->Load();
  }
  absl::Status StoreElection(const ElectionState& state) {
    std::optional<absl::Status> result;
    elections->Store(state, [&](absl::Status status) { result = std::move(status); });
    executor.RunUntilIdle();
    return result.value();
  }

  testing::SimFileSystem files;
  testing::ManualClock clock;
  testing::ManualExecutor executor;
  testing::ManualExecutorFactory executors;
  std::shared_ptr<LineSink> sink = std::make_shared<LineSink>();
  std::unique_ptr<DataDirectory> directory;
  std::unique_ptr<LogStore> log;
  std::unique_ptr<ElectionStateStore> elections;
  std::vector<Batch> recovered;
  LogBounds bounds;
  uint64_t snapshot_sync_bytes = 4096;

 private:
  const uint64_t segment_bytes_;
};

inline std::string SegmentPath(int64_t base) { return JoinPath(kPath, SegmentName(Offset(base))); }

}  // namespace quorate::storage

#endif  // QUORATE_TESTS_STORAGE_FIXTURES_H_
