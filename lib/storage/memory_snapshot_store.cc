// Snapshots in memory: the contract of quorate/storage.h without the disk. Bytes are shared with the readers, so that
// one outlasts the removal of its snapshot.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "storage/snapshot_digest.h"

namespace quorate {
namespace storage {
namespace {

absl::Status Refuse(absl::string_view what) { return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, what); }

absl::Status CheckId(LogPosition id) {
  if (id.end.value() >= 0 && id.epoch.value() >= 0) return absl::OkStatus();
  return Refuse(absl::StrCat("a snapshot can't end at offset ", id.end.value(), " in epoch ", id.epoch.value(),
                             "; both count from 0"));
}

struct ByEnd {
  bool operator()(LogPosition a, LogPosition b) const { return a.end != b.end ? a.end < b.end : a.epoch < b.epoch; }
};

struct Shelf {
  std::mutex mutex;
  std::map<LogPosition, std::shared_ptr<const std::string>, ByEnd> finished;  // guarded by mutex
  std::optional<SnapshotInfo> partial;                                        // guarded by mutex
  std::string partial_bytes;                                                  // guarded by mutex
  uint64_t writer = 0;  // guarded by mutex; the number of who may write to the partial one
};

class OwnWriter final : public SnapshotWriter {
 public:
  OwnWriter(std::shared_ptr<Shelf> shelf, LogPosition id) : shelf_(std::move(shelf)), id_(id) {}
  [[nodiscard]] uint64_t size() const override { return bytes_.size(); }
  absl::Status Append(absl::string_view bytes) override {
    if (finished_) return Refuse("the snapshot is finished; nothing can follow");
    bytes_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    if (finished_) return Refuse("the snapshot is finished; nothing can follow");
    finished_ = true;
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    shelf_->finished[id_] = std::make_shared<const std::string>(bytes_);
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<Shelf> shelf_;
  const LogPosition id_;
  std::string bytes_;
  bool finished_ = false;
};

class ReceivedWriter final : public SnapshotWriter {
 public:
  ReceivedWriter(std::shared_ptr<Shelf> shelf, const SnapshotInfo& info, uint64_t number, uint64_t size)
      : shelf_(std::move(shelf)), info_(info), number_(number), size_(size) {}
  [[nodiscard]] uint64_t size() const override { return size_; }
  absl::Status Append(absl::string_view bytes) override {
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    if (absl::Status status = CheckMine(); !status.ok()) return status;
    if (bytes.size() > info_.bytes - size_) {
      return Refuse(absl::StrCat("the snapshot has ", info_.bytes, " bytes, of which ", size_, " are here; ",
                                 bytes.size(), " more are too many"));
    }
    shelf_->partial_bytes.append(bytes.data(), bytes.size());
    size_ += bytes.size();
    return absl::OkStatus();
  }
  absl::Status Finish() override {
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    if (absl::Status status = CheckMine(); !status.ok()) return status;
    if (size_ != info_.bytes) {
      return Refuse(absl::StrCat("only ", size_, " of the snapshot's ", info_.bytes, " bytes are here"));
    }
    shelf_->partial.reset();
    const std::string bytes = std::exchange(shelf_->partial_bytes, "");
    SnapshotDigest digest;
    digest.Add(bytes);
    if (digest.value() != info_.digest) {
      return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                       absl::StrFormat("the whole snapshot was received, with digest %016x; the sender's has %016x. It "
                                       "was dropped; the transfer begins again",
                                       digest.value(), info_.digest));
    }
    shelf_->finished[info_.id] = std::make_shared<const std::string>(bytes);
    return absl::OkStatus();
  }

 private:
  absl::Status CheckMine() const {
    if (shelf_->writer == number_ && shelf_->partial.has_value()) return absl::OkStatus();
    return Refuse("the snapshot is finished, or another one is being received in its place");
  }

  const std::shared_ptr<Shelf> shelf_;
  const SnapshotInfo info_;
  const uint64_t number_;
  uint64_t size_;
};

class MemoryReader final : public SnapshotReader {
 public:
  explicit MemoryReader(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  [[nodiscard]] uint64_t size() const override { return bytes_->size(); }
  absl::Status ReadAt(uint64_t position, size_t length, std::string* out) override {
    out->clear();
    if (position < bytes_->size()) *out = bytes_->substr(position, length);
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<const std::string> bytes_;
};

class MemorySnapshotStore final : public SnapshotStore {
 public:
  absl::StatusOr<Contents> Open() override {
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    Contents contents;
    for (const auto& [id, bytes] : shelf_->finished) contents.snapshots.push_back(id);
    contents.partial = shelf_->partial;
    contents.partial_bytes = shelf_->partial_bytes.size();
    return contents;
  }

  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Create(LogPosition id) override {
    if (absl::Status status = CheckId(id); !status.ok()) return status;
    return std::make_unique<OwnWriter>(shelf_, id);
  }

  absl::StatusOr<std::unique_ptr<SnapshotWriter>> Receive(const SnapshotInfo& expected) override {
    if (absl::Status status = CheckId(expected.id); !status.ok()) return status;
    if (expected.digest == 0 || expected.bytes > limits::kSnapshotBytesMax) {
      return Refuse(absl::StrCat("a snapshot of ", expected.bytes, " bytes with digest ", expected.digest,
                                 " can't be received; at most ", limits::kSnapshotBytesMax,
                                 " bytes are allowed, and the digest must be known"));
    }
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    if (shelf_->partial != expected) shelf_->partial_bytes.clear();
    shelf_->partial = expected;
    return std::make_unique<ReceivedWriter>(shelf_, expected, ++shelf_->writer, shelf_->partial_bytes.size());
  }

  absl::StatusOr<std::unique_ptr<SnapshotReader>> OpenReader(LogPosition id) override {
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    const auto found = shelf_->finished.find(id);
    if (found != shelf_->finished.end()) return std::make_unique<MemoryReader>(found->second);
    return absl::NotFoundError(
        absl::StrCat("there is no snapshot at offset ", id.end.value(), " in epoch ", id.epoch.value()));
  }

  absl::Status Remove(LogPosition id) override {
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    shelf_->finished.erase(id);
    return absl::OkStatus();
  }

  absl::Status RemovePartial() override {
    std::lock_guard<std::mutex> lock(shelf_->mutex);
    ++shelf_->writer;
    shelf_->partial.reset();
    shelf_->partial_bytes.clear();
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<Shelf> shelf_ = std::make_shared<Shelf>();
};

}  // namespace
}  // namespace storage

std::unique_ptr<SnapshotStore> NewMemorySnapshotStore() { return std::make_unique<storage::MemorySnapshotStore>(); }

}  // namespace quorate
