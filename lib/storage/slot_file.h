// A small value on disk that is replaced in place: two slots, each in a block of its own, written in turn.
//
// A write goes to the slot that doesn't hold the newest value, followed by one fdatasync; whatever a crash does
// to that block, the other slot still has the value before. No rename, no new blocks, no directory to sync: so
// a vote costs one disk flush and still succeeds on a full disk (rule R-02, faults F-D04, F-D10).
//
// With the new value in one slot only, losing that slot to bit rot would bring the old value back, which for
// a vote is a second vote. So Mirror writes the value to the other slot too; the owner calls it when there is
// time, and Open does. From then on any one slot may rot. One bad slot is repaired from the other; two bad ones are
// an error and never "empty".
//
// One thread at a time. After an error the object must not be used again.
#ifndef QUORATE_STORAGE_SLOT_FILE_H_
#define QUORATE_STORAGE_SLOT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/file_system.h"
#include "quorate/types.h"
#include "storage/layout.h"

namespace quorate::storage {

// Layout of a slot, little endian:
//    0 u32 magic (which kind of file)     16 u64 u64 directory id, high and low     36 the value, then zeros
//    4 u32 version = 1                    32 u32 length of the value               508 u32 CRC-32C of [0, 508)
//    8 u64 sequence: the higher is newer                                           512 zeros, to the end of the block
// All that matters lies in the first sector: a disk that writes sectors whole can't tear a slot at all.
class SlotFile {
 public:
  static constexpr size_t kSlots = 2;
  static constexpr size_t kValueBytesMax = 256;

  // Creates the file (or overwrites it) with `value` in both slots, and syncs it. The name isn't synced.
  static absl::Status Create(FileSystem* files, const std::string& path, uint32_t magic, DirectoryId directory,
                             absl::string_view value);

  // Reads both slots, takes the newer good one, and makes the other equal to it.
  static absl::StatusOr<SlotFile> Open(FileSystem* files, const std::string& path, uint32_t magic,
                                       DirectoryId directory);

  [[nodiscard]] const std::string& value() const { return value_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // What Open found wrong with the one bad slot; empty when both were good.
  [[nodiscard]] const std::string& damage() const { return damage_; }

  // Durable when it returns OK.
  absl::Status Write(absl::string_view value);
  // Both slots hold the value when it returns OK.
  absl::Status Mirror();

 private:
  SlotFile(std::string path, uint32_t magic, DirectoryId directory)
      : path_(std::move(path)), magic_(magic), directory_(directory) {}

  absl::Status WriteSlot(size_t slot);

  std::string path_;
  uint32_t magic_;
  DirectoryId directory_;
  std::unique_ptr<File> file_;
  uint64_t sequence_ = 0;
  size_t newest_ = 0;
  bool mirrored_ = false;  // the other slot is known to be durable with the same value
  std::string value_;
  std::string damage_;
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SLOT_FILE_H_
