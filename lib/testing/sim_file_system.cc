#include "testing/sim_file_system.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate::testing {
namespace {

absl::Status DiskError(absl::string_view call, absl::string_view path, absl::string_view what) {
  return MakeError(Reason::kStorage, Outcome::kUnknown, absl::StrCat(call, " ", path, ": ", what));
}

// As the real one: absl's NotFound with the reason kStorage.
absl::Status Missing(absl::string_view call, absl::string_view path) {
  const absl::Status status = DiskError(call, path, "No such file or directory");
  absl::Status not_found(absl::StatusCode::kNotFound, status.message());
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { not_found.SetPayload(url, payload); });
  return not_found;
}

}  // namespace

absl::string_view ToString(FileCall call) {
  static constexpr std::array<absl::string_view, 16> kNames = {
      "open",       "list",  "exists", "is_directory", "create_directories", "rename",    "remove", "sync_directory",
      "free_bytes", "write", "read",   "sync",         "truncate",           "zero_fill", "size",   "lock"};
  return kNames[static_cast<size_t>(call)];
}

// An open file. It names its node, so a rename or unlink doesn't disturb it.
class SimFile final : public File {
 public:
  SimFile(SimFileSystem* files, std::string path, SimDisk::NodeNumber node, uint64_t life, bool writable)
      : files_(files), path_(std::move(path)), node_(node), life_(life), writable_(writable) {
    files_->open_.insert(node_);
  }

  ~SimFile() override {
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (!IsAlive()) return;
    if (locked_) files_->locks_.erase(node_);
    files_->open_.erase(files_->open_.find(node_));
  }

  absl::Status WriteAt(uint64_t offset, absl::Span<const absl::string_view> pieces) override {
    std::string bytes;
    for (absl::string_view piece : pieces) bytes.append(piece.data(), piece.size());
    absl::Status allowed = Begin(FileCall::kWrite, offset, bytes.size(), /*writes=*/true);
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (!allowed.ok()) {
      // A write that fails may have written its beginning.
      if (IsAlive() && !files_->crashed_ && !bytes.empty()) {
        bytes.resize(files_->random_.Below(bytes.size()));
        (void)files_->WriteLocked(node_, path_, offset, std::move(bytes));
      }
      return allowed;
    }
    if (absl::Status status = files_->WriteLocked(node_, path_, offset, std::move(bytes)); !status.ok()) return status;
    return files_->End();
  }

  absl::Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
    out->clear();
    if (absl::Status status = Begin(FileCall::kRead, offset, length); !status.ok()) return status;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    const std::string& contents = files_->disk_.Contents(node_);
    if (offset < contents.size()) *out = contents.substr(offset, length);
    return files_->End();
  }

  absl::Status Sync() override {
    const absl::Status allowed = Begin(FileCall::kSync, 0, 0, /*writes=*/true);
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (!allowed.ok()) {
      if (IsAlive() && !files_->crashed_) files_->disk_.LosePending(node_);
      return allowed;
    }
    files_->disk_.SyncFile(node_);
    return files_->End();
  }

  absl::Status Truncate(uint64_t size) override {
    if (absl::Status status = Begin(FileCall::kTruncate, size, 0, /*writes=*/true); !status.ok()) return status;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    files_->disk_.Truncate(node_, size);
    return files_->End();
  }

  absl::Status ZeroFill(uint64_t offset, uint64_t length) override {
    if (absl::Status status = Begin(FileCall::kZeroFill, offset, length, /*writes=*/true); !status.ok()) return status;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (absl::Status status = files_->WriteLocked(node_, path_, offset, std::string(length, '\0')); !status.ok()) {
      return status;
    }
    return files_->End();
  }

  absl::StatusOr<uint64_t> Size() override {
    if (absl::Status status = Begin(FileCall::kSize); !status.ok()) return status;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (absl::Status status = files_->End(); !status.ok()) return status;
    return files_->disk_.Contents(node_).size();
  }

  absl::Status TryLock() override {
    if (absl::Status status = Begin(FileCall::kLock); !status.ok()) return status;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (!locked_ && !files_->locks_.insert(node_).second) {
      return MakeError(Reason::kInUse, Outcome::kNotApplied, absl::StrCat(path_, " is locked by another process"));
    }
    locked_ = true;
    return files_->End();
  }

 private:
  bool IsAlive() const { return life_ == files_->life_; }

  absl::Status Begin(FileCall call, uint64_t offset = 0, uint64_t length = 0, bool writes = false) {
    if (absl::Status status = files_->Begin(call, path_, offset, length); !status.ok()) return status;
    std::lock_guard<std::mutex> lock(files_->mutex_);
    if (!IsAlive()) return DiskError(ToString(call), path_, "the file was opened before the machine crashed");
    if (writes && !writable_) return DiskError(ToString(call), path_, "Bad file descriptor");
    return absl::OkStatus();
  }

  SimFileSystem* const files_;
  const std::string path_;
  const SimDisk::NodeNumber node_;
  const uint64_t life_;
  const bool writable_;
  bool locked_ = false;
};

absl::Status SimFileSystem::Begin(FileCall call, const std::string& path, uint64_t offset, uint64_t length) {
  std::function<absl::Status(const FileCallInfo&)> hook;
  FileCallInfo info{0, call, path, offset, length};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!crashed_) {
      info.number = ++calls_;
      ++counts_[call];
      crashed_ = calls_ == crash_before_;
      if (crashed_ && crash_listener_) crash_listener_();
    }
    if (crashed_) return DiskError(ToString(call), path, "the machine has crashed");
    if (calls_ == fail_at_) return DiskError(ToString(call), path, "Input/output error");
    hook = hook_;
  }
  return hook ? hook(info) : absl::OkStatus();
}

absl::Status SimFileSystem::End() {
  if (calls_ != crash_after_) return absl::OkStatus();
  crashed_ = true;
  if (crash_listener_) crash_listener_();
  return DiskError("call", std::to_string(calls_), "the machine has crashed");
}

absl::Status SimFileSystem::WriteLocked(SimDisk::NodeNumber node, const std::string& path, uint64_t offset,
                                        std::string bytes) {
  const uint64_t size = disk_.Contents(node).size();
  const uint64_t end = offset + bytes.size();
  if (end > size && quota_bytes_ != UINT64_MAX && disk_.TotalBytes() + (end - size) > quota_bytes_) {
    return DiskError("write", path, "No space left on device");
  }
  if (!bytes.empty()) disk_.Write(node, offset, std::move(bytes));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<File>> SimFileSystem::Open(const std::string& path, OpenMode mode) {
  if (absl::Status status = Begin(FileCall::kOpen, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  std::optional<SimDisk::NodeNumber> node = disk_.Find(path);
  if (node.has_value() && disk_.IsDirectory(*node)) return DiskError("open", path, "Is a directory");
  if (node.has_value() && mode == OpenMode::kCreate) return DiskError("open", path, "File exists");
  if (!node.has_value()) {
    auto parent = disk_.FindParent(path);
    const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kOpenOrCreate;
    if (!creates || !parent.has_value()) return Missing("open", path);
    node = disk_.Create(parent->first, parent->second, /*directory=*/false);
  }
  if (absl::Status status = End(); !status.ok()) return status;
  return std::make_unique<SimFile>(this, path, *node, life_, mode != OpenMode::kRead);
}

absl::StatusOr<std::vector<std::string>> SimFileSystem::List(const std::string& directory) {
  if (absl::Status status = Begin(FileCall::kList, directory); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  const std::optional<SimDisk::NodeNumber> node = disk_.Find(directory);
  if (!node.has_value()) return Missing("list", directory);
  if (!disk_.IsDirectory(*node)) return DiskError("list", directory, "Not a directory");
  if (absl::Status status = End(); !status.ok()) return status;
  return disk_.Names(*node);
}

absl::StatusOr<bool> SimFileSystem::Exists(const std::string& path) {
  if (absl::Status status = Begin(FileCall::kExists, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  if (absl::Status status = End(); !status.ok()) return status;
  return disk_.Find(path).has_value();
}

absl::StatusOr<bool> SimFileSystem::IsDirectory(const std::string& path) {
  if (absl::Status status = Begin(FileCall::kIsDirectory, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  if (absl::Status status = End(); !status.ok()) return status;
  const std::optional<SimDisk::NodeNumber> node = disk_.Find(path);
  return node.has_value() && disk_.IsDirectory(*node);
}

absl::Status SimFileSystem::CreateDirectories(const std::string& path) {
  if (absl::Status status = Begin(FileCall::kCreateDirectories, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    const std::optional<SimDisk::NodeNumber> node = disk_.Find(prefix);
    if (node.has_value() && !disk_.IsDirectory(*node)) return DiskError("mkdir", prefix, "Not a directory");
    if (!node.has_value()) {
      auto parent = disk_.FindParent(prefix);
      disk_.Create(parent->first, parent->second, /*directory=*/true);
    }
    if (end == std::string::npos) break;
  }
  return End();
}

absl::Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  if (absl::Status status = Begin(FileCall::kRename, from); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!disk_.Find(from).has_value()) return Missing("rename", from);
  auto source = disk_.FindParent(from);
  auto target = disk_.FindParent(to);
  if (!target.has_value()) return Missing("rename", to);
  if (source->first != target->first) return DiskError("rename", to, "Invalid cross-device link");
  disk_.Rename(source->first, source->second, target->second);
  return End();
}

absl::Status SimFileSystem::Remove(const std::string& path) {
  if (absl::Status status = Begin(FileCall::kRemove, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  const std::optional<SimDisk::NodeNumber> node = disk_.Find(path);
  if (!node.has_value()) return Missing("remove", path);
  if (disk_.IsDirectory(*node) && !disk_.Names(*node).empty()) {
    return DiskError("remove", path, "Directory not empty");
  }
  auto parent = disk_.FindParent(path);
  disk_.Unlink(parent->first, parent->second);
  return End();
}

absl::Status SimFileSystem::SyncDirectory(const std::string& path) {
  if (absl::Status status = Begin(FileCall::kSyncDirectory, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  const std::optional<SimDisk::NodeNumber> node = disk_.Find(path);
  if (!node.has_value()) return Missing("open", path);
  if (!disk_.IsDirectory(*node)) return DiskError("open", path, "Not a directory");
  disk_.SyncDirectory(*node);
  disk_.ForgetUnlinked(std::set<SimDisk::NodeNumber>(open_.begin(), open_.end()));
  return End();
}

absl::StatusOr<uint64_t> SimFileSystem::FreeBytes(const std::string& path) {
  if (absl::Status status = Begin(FileCall::kFreeBytes, path); !status.ok()) return status;
  std::lock_guard<std::mutex> lock(mutex_);
  if (absl::Status status = End(); !status.ok()) return status;
  return quota_bytes_ - std::min(quota_bytes_, disk_.TotalBytes());
}

void SimFileSystem::CrashAtCall(uint64_t n, CrashMoment moment) {
  std::lock_guard<std::mutex> lock(mutex_);
  (moment == CrashMoment::kBefore ? crash_before_ : crash_after_) = calls_ + n;
}

void SimFileSystem::DisarmCrash() {
  std::lock_guard<std::mutex> lock(mutex_);
  crash_before_ = crash_after_ = 0;
}

void SimFileSystem::SetCrashListener(std::function<void()> listener) {
  std::lock_guard<std::mutex> lock(mutex_);
  crash_listener_ = std::move(listener);
}

uint64_t SimFileSystem::TotalBytes() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return disk_.TotalBytes();
}

void SimFileSystem::FailCall(uint64_t n) {
  std::lock_guard<std::mutex> lock(mutex_);
  fail_at_ = calls_ + n;
}

void SimFileSystem::SetHook(std::function<absl::Status(const FileCallInfo&)> hook) {
  std::lock_guard<std::mutex> lock(mutex_);
  hook_ = std::move(hook);
}

void SimFileSystem::SetQuotaBytes(uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  quota_bytes_ = bytes;
}

void SimFileSystem::Crash() {
  std::lock_guard<std::mutex> lock(mutex_);
  crashed_ = true;
}

void SimFileSystem::Restart(Survival survival) {
  std::lock_guard<std::mutex> lock(mutex_);
  disk_.Crash(survival, &random_);
  locks_.clear();
  open_.clear();
  ++life_;
  crashed_ = false;
  crash_before_ = 0;
  crash_after_ = 0;
  fail_at_ = 0;
}

bool SimFileSystem::crashed() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return crashed_;
}

uint64_t SimFileSystem::calls() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return calls_;
}

uint64_t SimFileSystem::CountOf(FileCall call) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto count = counts_.find(call);
  return count == counts_.end() ? 0 : count->second;
}

std::string SimFileSystem::Contents(const std::string& path) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return disk_.Contents(disk_.Find(path).value());
}

void SimFileSystem::FlipBit(const std::string& path, uint64_t bit) {
  std::string bytes = Contents(path);
  bytes.at(bit / 8) = static_cast<char>(bytes.at(bit / 8) ^ (1 << (bit % 8)));
  SetContents(path, std::move(bytes));
}

void SimFileSystem::SetContents(const std::string& path, std::string bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  disk_.Replace(disk_.Find(path).value(), std::move(bytes));
}

SimDisk SimFileSystem::SaveDisk() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return disk_;
}

void SimFileSystem::LoadDisk(SimDisk disk) {
  std::lock_guard<std::mutex> lock(mutex_);
  disk_ = std::move(disk);
  locks_.clear();
  open_.clear();
  ++life_;
}

}  // namespace quorate::testing
