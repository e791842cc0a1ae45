#include "base/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "quorate/system.h"

namespace quorate {
namespace {

constexpr mode_t kFileMode = 0644;
constexpr mode_t kDirectoryMode = 0755;
constexpr size_t kZeroBlockBytes = 256u << 10;
constexpr size_t kPiecesPerCall = IOV_MAX;

// "pwritev /data/x: No space left on device (errno 28)". A missing file has absl's NotFound as its code,
// so that callers can tell it from a disk that fails.
absl::Status ErrnoError(absl::string_view call, absl::string_view path, int error) {
  const absl::Status status =
      MakeError(Reason::kStorage, Outcome::kUnknown,
                absl::StrCat(call, " ", path, ": ", std::generic_category().message(error), " (errno ", error, ")"));
  if (error != ENOENT) return status;
  absl::Status not_found(absl::StatusCode::kNotFound, status.message());
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { not_found.SetPayload(url, payload); });
  return not_found;
}

template <typename Call>
auto RetryOnEintr(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

const char* ZeroBlock() {
  static const std::array<char, kZeroBlockBytes> zeros = {};
  return zeros.data();
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~PosixFile() override { ::close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::Status WriteAt(uint64_t offset, absl::Span<const absl::string_view> pieces) override {
    pieces_.clear();
    for (absl::string_view piece : pieces) {
      if (!piece.empty()) pieces_.push_back({const_cast<char*>(piece.data()), piece.size()});
    }
    return WritePieces(offset);
  }

  absl::Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
    out->resize(length);
    size_t done = 0;
    while (done < length) {
      const ssize_t count = RetryOnEintr(
          [&] { return ::pread(descriptor_, out->data() + done, length - done, static_cast<off_t>(offset + done)); });
      if (count < 0) return ErrnoError("pread", path_, errno);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    out->resize(done);
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    return ::fdatasync(descriptor_) == 0 ? absl::OkStatus() : ErrnoError("fdatasync", path_, errno);
  }

  absl::Status Truncate(uint64_t size) override {
    const int result = RetryOnEintr([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); });
    return result == 0 ? absl::OkStatus() : ErrnoError("ftruncate", path_, errno);
  }

  absl::Status ZeroFill(uint64_t offset, uint64_t length) override {
    constexpr uint64_t kBlocksPerCall = 16;
    while (length > 0) {
      pieces_.clear();
      uint64_t bytes = 0;
      while (bytes < length && pieces_.size() < kBlocksPerCall) {
        const uint64_t block = std::min<uint64_t>(kZeroBlockBytes, length - bytes);
        pieces_.push_back({const_cast<char*>(ZeroBlock()), static_cast<size_t>(block)});
        bytes += block;
      }
      if (absl::Status status = WritePieces(offset); !status.ok()) return status;
      offset += bytes;
      length -= bytes;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat info;
    if (::fstat(descriptor_, &info) != 0) return ErrnoError("fstat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  absl::Status TryLock() override {
    if (RetryOnEintr([&] { return ::flock(descriptor_, LOCK_EX | LOCK_NB); }) == 0) return absl::OkStatus();
    if (errno == EWOULDBLOCK) {
      return MakeError(Reason::kInUse, Outcome::kNotApplied, absl::StrCat(path_, " is locked by another process"));
    }
    return ErrnoError("flock", path_, errno);
  }

 private:
  absl::Status WritePieces(uint64_t offset) {
    size_t first = 0;
    while (first < pieces_.size()) {
      const int count = static_cast<int>(std::min(pieces_.size() - first, kPiecesPerCall));
      const ssize_t written =
          RetryOnEintr([&] { return ::pwritev(descriptor_, &pieces_[first], count, static_cast<off_t>(offset)); });
      if (written < 0) return ErrnoError("pwritev", path_, errno);
      if (written == 0) return ErrnoError("pwritev", path_, ENOSPC);  // nothing moved and no reason given
      offset += static_cast<uint64_t>(written);
      auto rest = static_cast<size_t>(written);
      while (first < pieces_.size() && rest >= pieces_[first].iov_len) rest -= pieces_[first++].iov_len;
      if (rest > 0) {
        pieces_[first].iov_base = static_cast<char*>(pieces_[first].iov_base) + rest;
        pieces_[first].iov_len -= rest;
      }
    }
    return absl::OkStatus();
  }

  const std::string path_;
  const int descriptor_;
  std::vector<struct iovec> pieces_;  // of the write under way; kept for its memory
};

absl::StatusOr<bool> StatIsDirectory(const std::string& path, bool* exists) {
  struct stat info;
  *exists = ::stat(path.c_str(), &info) == 0;
  if (*exists) return S_ISDIR(info.st_mode);
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return ErrnoError("stat", path, errno);
}

}  // namespace

absl::StatusOr<std::unique_ptr<File>> PosixFileSystemAdapter::Open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kReadWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreate:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
    case OpenMode::kOpenOrCreate:
      flags |= O_RDWR | O_CREAT;
      break;
  }
  const int descriptor = RetryOnEintr([&] { return ::open(path.c_str(), flags, kFileMode); });
  if (descriptor < 0) return ErrnoError("open", path, errno);
  return std::make_unique<PosixFile>(path, descriptor);
}

absl::StatusOr<std::vector<std::string>> PosixFileSystemAdapter::List(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return ErrnoError("opendir", directory, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const struct dirent* entry = ::readdir(stream)) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(stream);
  if (error != 0) return ErrnoError("readdir", directory, error);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<bool> PosixFileSystemAdapter::Exists(const std::string& path) {
  bool exists = false;
  absl::StatusOr<bool> is_directory = StatIsDirectory(path, &exists);
  if (!is_directory.ok()) return is_directory.status();
  return exists;
}

absl::StatusOr<bool> PosixFileSystemAdapter::IsDirectory(const std::string& path) {
  bool exists = false;
  return StatIsDirectory(path, &exists);
}

absl::Status PosixFileSystemAdapter::CreateDirectories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string parent = path.substr(0, end);
    if (!parent.empty() && ::mkdir(parent.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
      return ErrnoError("mkdir", parent, errno);
    }
    if (end == std::string::npos) break;
  }
  absl::StatusOr<bool> is_directory = IsDirectory(path);
  if (!is_directory.ok()) return is_directory.status();
  return *is_directory ? absl::OkStatus() : ErrnoError("mkdir", path, ENOTDIR);
}

absl::Status PosixFileSystemAdapter::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return ErrnoError("rename", absl::StrCat(from, " to ", to), errno);
}

absl::Status PosixFileSystemAdapter::Remove(const std::string& path) {
  return ::remove(path.c_str()) == 0 ? absl::OkStatus() : ErrnoError("remove", path, errno);
}

PosixFileSystemAdapter::PosixFileSystemAdapter() : reserve_(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

PosixFileSystemAdapter::~PosixFileSystemAdapter() {
  if (reserve_ >= 0) ::close(reserve_);
}

int PosixFileSystemAdapter::OpenDirectory(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  int descriptor = RetryOnEintr([&] { return ::open(path.c_str(), kFlags); });
  if (descriptor >= 0 || (errno != EMFILE && errno != ENFILE)) return descriptor;
  std::lock_guard<std::mutex> lock(mutex_);
  if (reserve_ < 0) return -1;
  ::close(reserve_);
  reserve_ = -1;
  return RetryOnEintr([&] { return ::open(path.c_str(), kFlags); });
}

void PosixFileSystemAdapter::RestoreReserve() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (reserve_ < 0) reserve_ = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

absl::Status PosixFileSystemAdapter::SyncDirectory(const std::string& path) {
  const int descriptor = OpenDirectory(path);
  if (descriptor < 0) {
    const int error = errno;
    RestoreReserve();
    return ErrnoError("open", path, error);
  }
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  RestoreReserve();
  return result == 0 ? absl::OkStatus() : ErrnoError("fsync", path, error);
}

absl::StatusOr<uint64_t> PosixFileSystemAdapter::FreeBytes(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return ErrnoError("statvfs", path, errno);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

FileSystem* PosixFileSystem() {
  static PosixFileSystemAdapter adapter;
  return &adapter;
}

}  // namespace quorate
