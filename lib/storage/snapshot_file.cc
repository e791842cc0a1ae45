#include "storage/snapshot_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "storage/file_snapshot_store.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

constexpr uint64_t kReadBackBytes = 1u << 20;

}  // namespace

SnapshotFile::SnapshotFile(std::string path, std::unique_ptr<File> file, uint64_t sync_bytes, uint64_t size)
    : path_(std::move(path)),
      file_(std::move(file)),
      sync_bytes_(sync_bytes),
      size_(size),
      synced_(CertainBytes(size, sync_bytes)) {}

absl::Status SnapshotFile::Append(absl::string_view bytes) {
  ForgetDigest();
  while (!bytes.empty()) {
    if (size_ >= synced_ + sync_bytes_) {
      if (absl::Status status = Sync(); !status.ok()) return status;
    }
    const absl::string_view piece = bytes.substr(0, synced_ + sync_bytes_ - size_);
    if (absl::Status status = file_->WriteAt(size_, {piece}); !status.ok()) return status;
    size_ += piece.size();
    bytes.remove_prefix(piece.size());
  }
  return absl::OkStatus();
}

absl::Status SnapshotFile::Sync() {
  absl::Status status = file_->Sync();
  if (!status.ok()) {
    ForgetDigest();
    size_ = synced_;  // nothing behind it can be trusted any more (F-D09)
    return status;
  }
  // Only whole steps count: what the size says after a crash must not be more than what was synced before.
  synced_ = size_ / sync_bytes_ * sync_bytes_;
  return status;
}

void SnapshotFile::ForgetDigest() {
  digest_ = SnapshotDigest();
  digested_ = 0;
}

absl::StatusOr<bool> SnapshotFile::DigestSome(uint64_t bytes_max) {
  std::string chunk;
  for (uint64_t left = std::min(bytes_max, size_ - digested_); left > 0; left -= chunk.size()) {
    const uint64_t wanted = std::min(kReadBackBytes, left);
    if (absl::Status status = file_->ReadAt(digested_, wanted, &chunk); !status.ok()) return status;
    if (chunk.size() != wanted) {
      return CorruptionError(path_, absl::StrCat("the file ends at byte ", digested_ + chunk.size(), " though ", size_,
                                                 " bytes were written"));
    }
    digest_.Add(chunk);
    digested_ += wanted;
  }
  return digested_ == size_;
}

absl::Status SnapshotFile::Publish(FileSystem* files, const std::string& directory, const std::string& from,
                                   const std::string& to) {
  absl::StatusOr<bool> existed = files->Exists(to);
  if (!existed.ok()) return existed.status();
  if (absl::Status status = files->Rename(from, to); !status.ok()) return status;
  absl::Status status = files->SyncDirectory(directory);
  if (!status.ok() && !*existed) (void)files->Remove(to);
  return status;
}

}  // namespace quorate::storage
