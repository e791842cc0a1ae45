#include "blackbox/small_disk.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::blackbox {
namespace {

// Once for the process. Empty: it has mounts of its own.
std::string LeaveTheCommonMounts() {
  static const std::string obstacle = [] {
    if (::unshare(CLONE_NEWNS) != 0) return absl::StrCat("unshare: ", std::strerror(errno));
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return absl::StrCat("private mounts: ", std::strerror(errno));
    }
    return std::string();
  }();
  return obstacle;
}

}  // namespace

std::unique_ptr<SmallDisk> SmallDisk::Mount(const std::string& directory, uint64_t bytes, std::string* obstacle) {
  namespace fs = std::filesystem;
  *obstacle = LeaveTheCommonMounts();
  if (!obstacle->empty()) return nullptr;
  const std::string aside = directory + ".aside";
  fs::copy(directory, aside, fs::copy_options::recursive);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", 0, absl::StrCat("size=", bytes).c_str()) != 0) {
    *obstacle = absl::StrCat("mount: ", std::strerror(errno));
    return nullptr;
  }
  fs::copy(aside, directory, fs::copy_options::recursive);
  return std::unique_ptr<SmallDisk>(new SmallDisk(directory));
}

SmallDisk::~SmallDisk() { ::umount2(directory_.c_str(), MNT_DETACH); }

bool SmallDisk::Resize(uint64_t bytes) {
  return ::mount("tmpfs", directory_.c_str(), "tmpfs", MS_REMOUNT, absl::StrCat("size=", bytes).c_str()) == 0;
}

}  // namespace quorate::blackbox
