#include "storage/file_snapshot_store.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "storage/layout.h"
#include "storage/snapshot_file.h"
#include "storage/snapshot_names.h"

namespace quorate::storage {

// The partial file, whoever looks at it. Its writer is the one with the present number; a later Receive or
// RemovePartial takes it away from an earlier writer, whose owner may not have destroyed it yet.
struct FileSnapshotStore::State {
  struct Partial {
    SnapshotInfo info;
    uint64_t bytes = 0;  // that may be relied on
  };
  std::mutex mutex;
  std::optional<Partial> partial;  // guarded by mutex
  uint64_t writer = 0;             // guarded by mutex
};

namespace {

absl::Status Refuse(absl::string_view what) { return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, what); }

absl::Status Finished() { return Refuse("the snapshot is finished; nothing can follow"); }

absl::Status CheckId(LogPosition id) {
  if (id.end.value() >= 0 && id.epoch.value() >= 0) return absl::OkStatus();
  return Refuse(absl::StrCat("a snapshot can't end at offset ", id.end.value(), " in epoch ", id.epoch.value(),
                             "; both count from 0"));
}

// One of this node's own.
class OwnWriter final : public SnapshotWriter {
 public:
  OwnWriter(SnapshotPlace place, LogPosition id, SnapshotFile file)
      : place_(std::move(place)), id_(id), file_(std::move(file)) {}
  ~OwnWriter() override {
    if (!published_) (void)place_.files->Remove(file_.path());
  }

  [[nodiscard]] uint64_t size() const override { return file_.size(); }

  absl::Status Append(absl::string_view bytes) override {
    if (state_.ok()) state_ = file_.Append(bytes);
    return state_;
  }

  absl::Status Finish() override {
    if (!state_.ok()) return state_;
    if (!QUORATE_MUTANT("R-02")) state_ = file_.Sync();
    if (!state_.ok()) return state_;
    state_ = SnapshotFile::Publish(place_.files, place_.directory, file_.path(),
                                   JoinPath(place_.directory, SnapshotName(id_)));
    published_ = state_.ok();
    if (!published_) return state_;
    state_ = Finished();
    return absl::OkStatus();
  }

 private:
  const SnapshotPlace place_;
  const LogPosition id_;
  SnapshotFile file_;
  absl::Status state_;  // why nothing more can be done
  bool published_ = false;
};

// One that comes from another node.
class ReceivedWriter final : public SnapshotWriter {
 public:
  ReceivedWriter(SnapshotPlace place, const SnapshotInfo& info, SnapshotFile file,
                 std::shared_ptr<FileSnapshotStore::State> shared, uint64_t number)
      : place_(std::move(place)), info_(info), file_(std::move(file)), shared_(std::move(shared)), number_(number) {}

  [[nodiscard]] uint64_t size() const override { return file_.size(); }

  absl::Status Append(absl::string_view bytes) override {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    if (absl::Status status = CheckMine(); !status.ok()) return status;
    if (bytes.size() > info_.bytes - file_.size()) {
      return Refuse(absl::StrCat("the snapshot has ", info_.bytes, " bytes, of which ", file_.size(), " are here; ",
                                 bytes.size(), " more are too many"));
    }
    state_ = file_.Append(bytes);
    if (!state_.ok()) file_.CutBack();
    shared_->partial->bytes = file_.size();
    return state_;
  }

  absl::StatusOr<bool> CheckSome(uint64_t bytes_max) override {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    if (absl::Status status = CheckWhole(); !status.ok()) return status;
    absl::StatusOr<bool> all = file_.DigestSome(bytes_max);
    state_ = all.status();
    if (!all.ok() || !*all) return all;
    state_ = CheckDigest();
    if (!state_.ok()) return state_;
    return true;
  }

  absl::Status Finish() override {
    std::lock_guard<std::mutex> lock(shared_->mutex);
    if (absl::Status status = CheckWhole(); !status.ok()) return status;
    state_ = file_.DigestSome(UINT64_MAX).status();
    if (state_.ok()) state_ = CheckDigest();
    if (!state_.ok()) return state_;
    state_ = file_.Sync();
    if (!state_.ok()) {
      file_.CutBack();
      shared_->partial->bytes = file_.size();
      return state_;
    }
    state_ = SnapshotFile::Publish(place_.files, place_.directory, file_.path(),
                                   JoinPath(place_.directory, SnapshotName(info_.id)));
    // After an error the file may have either name, or none: it can't be resumed. Take away what may be left.
    if (!state_.ok()) (void)place_.files->Remove(file_.path());
    shared_->partial.reset();
    if (!state_.ok()) return state_;
    state_ = Finished();
    return absl::OkStatus();
  }

 private:
  absl::Status CheckMine() const {
    if (!state_.ok()) return state_;
    if (shared_->writer == number_ && shared_->partial.has_value()) return absl::OkStatus();
    return Refuse("another snapshot is being received in place of this one");
  }

  absl::Status CheckWhole() const {
    if (absl::Status status = CheckMine(); !status.ok()) return status;
    if (file_.size() == info_.bytes) return absl::OkStatus();
    return Refuse(absl::StrCat("only ", file_.size(), " of the snapshot's ", info_.bytes, " bytes are here"));
  }

  // A file with another digest is of no use to anybody: it goes, and the transfer begins again (M-23).
  absl::Status CheckDigest() {
    const uint64_t digest = file_.digest();
    if (digest == info_.digest || QUORATE_MUTANT("M-23")) return absl::OkStatus();
    (void)place_.files->Remove(file_.path());
    shared_->partial.reset();
    return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                     absl::StrFormat("%s: the whole file was received, with digest %016x; the sender's has %016x. It "
                                     "was removed; the transfer begins again",
                                     file_.path(), digest, info_.digest));
  }

  const SnapshotPlace place_;
  const SnapshotInfo info_;
  SnapshotFile file_;
  const std::shared_ptr<FileSnapshotStore::State> shared_;
  const uint64_t number_;
  absl::Status state_;  // why nothing more can be done
};

class FileReader final : public SnapshotReader {
 public:
  FileReader(std::unique_ptr<File> file, uint64_t size) : file_(std::move(file)), size_(size) {}
  [[nodiscard]] uint64_t size() const override { return size_; }
  absl::Status ReadAt(uint64_t position, size_t length, std::string* out) override {
    return file_->ReadAt(position, length, out);
  }

 private:
  const std::unique_ptr<File> file_;
  const uint64_t size_;
};

}  // namespace

FileSnapshotStore::FileSnapshotStore(SnapshotPlace place)
    : place_(std::move(place)), state_(std::make_shared<State>()) {}

std::string FileSnapshotStore::PathOf(absl::string_view name) const { return JoinPath(place_.directory, name); }

std::string FileSnapshotStore::NameOf(LogPosition id) const { return PathOf(SnapshotName(id)); }

absl::StatusOr<SnapshotStore::Contents> FileSnapshotStore::Open() {
  absl::StatusOr<std::vector<std::string>> names = place_.files->List(place_.directory);
  if (!names.ok()) return names.status();
  Contents contents;
  std::vector<SnapshotInfo> partials;
  for (const std::string& name : *names) {
    if (absl::EndsWith(name, kSnapshotTemporarySuffix)) {
      if (absl::Status status = RemoveIfThere(name); !status.ok()) return status;
    } else if (const auto id = ParseSnapshotName(name); id.has_value()) {
      contents.snapshots.push_back(*id);  // names are sorted by end, then by epoch
    } else if (const auto info = ParsePartialSnapshotName(name); info.has_value()) {
      partials.push_back(*info);
    }
  }
  if (absl::Status status = KeepOnePartial(std::move(partials), &contents); !status.ok()) return status;
  return contents;
}

// The removal of one that was superseded may have been undone by a power failure: the latest is kept.
absl::Status FileSnapshotStore::KeepOnePartial(std::vector<SnapshotInfo> partials, Contents* contents) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  for (size_t i = 0; i < partials.size(); ++i) {
    const SnapshotInfo& info = partials[i];
    const std::string name = PartialSnapshotName(info);
    const auto& finished = contents->snapshots;
    const bool superseded = i + 1 < partials.size() || std::count(finished.begin(), finished.end(), info.id) > 0;
    if (superseded) {
      if (absl::Status status = RemoveIfThere(name); !status.ok()) return status;
      continue;
    }
    absl::StatusOr<std::unique_ptr<File>> file = place_.files->Open(PathOf(name), OpenMode::kRead);
    if (!file.ok()) return file.status();
    absl::StatusOr<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    // A file longer than it may be is none that we wrote.
    const uint64_t certain = *size > info.bytes ? 0 : CertainBytes(*size, place_.sync_bytes);
    state_->partial = State::Partial{info, certain};
    contents->partial = info;
    contents->partial_bytes = certain;
  }
  return absl::OkStatus();
}

absl::Status FileSnapshotStore::RemoveIfThere(const std::string& name) {
  absl::Status status = place_.files->Remove(PathOf(name));
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> FileSnapshotStore::Create(LogPosition id) {
  if (absl::Status status = CheckId(id); !status.ok()) return status;
  const std::string path = PathOf(TemporarySnapshotName(id, ++created_));
  absl::StatusOr<std::unique_ptr<File>> file = place_.files->Open(path, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  return std::make_unique<OwnWriter>(place_, id, SnapshotFile(path, *std::move(file), place_.sync_bytes, 0));
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> FileSnapshotStore::Receive(const SnapshotInfo& expected) {
  if (absl::Status status = CheckId(expected.id); !status.ok()) return status;
  if (expected.digest == 0 || expected.bytes > limits::kSnapshotBytesMax) {
    return Refuse(absl::StrCat("a snapshot of ", expected.bytes, " bytes with digest ", expected.digest,
                               " can't be received; at most ", limits::kSnapshotBytesMax,
                               " bytes are allowed, and the digest must be known"));
  }
  std::lock_guard<std::mutex> lock(state_->mutex);
  ++state_->writer;
  if (state_->partial.has_value() && state_->partial->info != expected) {
    if (absl::Status status = RemoveIfThere(PartialSnapshotName(state_->partial->info)); !status.ok()) return status;
    state_->partial.reset();
  }
  if (!state_->partial.has_value()) state_->partial = State::Partial{expected, 0};
  const uint64_t bytes = state_->partial->bytes;
  const std::string path = PathOf(PartialSnapshotName(expected));
  absl::StatusOr<std::unique_ptr<File>> file = place_.files->Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Truncate(bytes); !status.ok()) return status;
  return std::make_unique<ReceivedWriter>(
      place_, expected, SnapshotFile(path, *std::move(file), place_.sync_bytes, bytes), state_, state_->writer);
}

absl::StatusOr<std::unique_ptr<SnapshotReader>> FileSnapshotStore::OpenReader(LogPosition id) {
  absl::StatusOr<std::unique_ptr<File>> file = place_.files->Open(PathOf(SnapshotName(id)), OpenMode::kRead);
  if (!file.ok()) return file.status();
  absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  return std::make_unique<FileReader>(*std::move(file), *size);
}

absl::Status FileSnapshotStore::Remove(LogPosition id) {
  if (absl::Status status = RemoveIfThere(SnapshotName(id)); !status.ok()) return status;
  return place_.files->SyncDirectory(
      place_.directory);  // also when it isn't there: an earlier removal may be undurable
}

absl::Status FileSnapshotStore::RemovePartial() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  ++state_->writer;
  if (!state_->partial.has_value()) return absl::OkStatus();
  if (absl::Status status = RemoveIfThere(PartialSnapshotName(state_->partial->info)); !status.ok()) return status;
  state_->partial.reset();
  return place_.files->SyncDirectory(place_.directory);
}

}  // namespace quorate::storage
