// What is known for certain about the log, apart from the log itself: docs/formats/checkpoint.md.
//
// Recovery needs a mark below which a bad byte is damage and not a torn write (rule R-04). Batches
// carry one (synced_through), but only for those before them; this file covers the last ones. It is written
// at least every second while the log grows, and at a clean end. It may lag; it must never be ahead.
//
// It is also where whatever takes more than one step is promised before it begins (F-D14): a truncation, because
// zeroing a stretch of a file is not atomic, and a reset, because replacing many files isn't. With the promise on
// disk, recovery finishes the job instead of taking what is half done for damage. And it is where the log's start is
// segments below it are leftovers, whoever was interrupted in removing them.
#ifndef QUORATE_STORAGE_CHECKPOINT_H_
#define QUORATE_STORAGE_CHECKPOINT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/types.h"

namespace quorate::storage {

inline constexpr uint32_t kCheckpointMagic = 0x31435251;  // "QRC1"

struct LogCheckpoint {
  LogPosition log_start;                 // a batch boundary, in the first segment; segments wholly below are leftovers
  Offset durable_end;                    // everything below is on disk
  std::optional<Offset> truncating;      // a truncation to here was begun and may be half done
  std::optional<LogPosition> resetting;  // the log is to be empty and to begin here; may be half done
  friend bool operator==(const LogCheckpoint&, const LogCheckpoint&) = default;
};

std::string EncodeCheckpoint(const LogCheckpoint& checkpoint);
// kCorruption for values that can't be; `path` is for the message. Reads the short form too, which was written before
// logs could be trimmed.
absl::StatusOr<LogCheckpoint> ParseCheckpoint(absl::string_view value, absl::string_view path);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_CHECKPOINT_H_
