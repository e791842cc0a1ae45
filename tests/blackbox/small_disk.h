// A file system of a few megabytes, for a node that shall run out of room: a tmpfs in a mount namespace that only this
// process and its children see, so that it is gone when they are, whatever ends them.
//
// One thread, that of the test.
#ifndef QUORATE_TESTS_BLACKBOX_SMALL_DISK_H_
#define QUORATE_TESTS_BLACKBOX_SMALL_DISK_H_

#include <cstdint>
#include <memory>
#include <string>

namespace quorate::blackbox {

class SmallDisk {
 public:
  // Lies over `directory` from now on, with a copy of what is in it. Null, and `obstacle` says why, when mounting isn't
  // permitted here.
  static std::unique_ptr<SmallDisk> Mount(const std::string& directory, uint64_t bytes, std::string* obstacle);
  ~SmallDisk();  // what was written to it is gone
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool Resize(uint64_t bytes);

 private:
  explicit SmallDisk(std::string directory) : directory_(std::move(directory)) {}
  const std::string directory_;
};

}  // namespace quorate::blackbox

#endif  // QUORATE_TESTS_BLACKBOX_SMALL_DISK_H_
