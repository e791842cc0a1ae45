// What is known for certain about the log, apart from the log itself: docs/formats/checkpoint.md.
//
// Recovery needs a mark below which a bad byte is damage and not a torn write (rule R-04). Batches
// carry one (synced_through), but only for those before them; this file covers the last ones. It is written
// at least every second while the log grows, and at a clean end. It may lag; it must never be ahead.
//
// It is also where a truncation is promised before it begins (F-D14). Zeroing a stretch of a file is not atomic;
// with the promise on disk, recovery finishes the job instead of taking the half-zeroed stretch for damage.
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
  Offset log_start;                  // the first segment begins here; segments wholly below are leftovers
  Offset durable_end;                // everything below is on disk
  std::optional<Offset> truncating;  // a truncation to here was begun and may be half done
  friend bool operator==(const LogCheckpoint&, const LogCheckpoint&) = default;
};

std::string EncodeCheckpoint(const LogCheckpoint& checkpoint);
// kCorruption for values that can't be; `path` is for the message.
absl::StatusOr<LogCheckpoint> ParseCheckpoint(absl::string_view value, absl::string_view path);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_CHECKPOINT_H_
