// Brings a log back after a stop of any kind: Raft's promise rests on what this says is in the log.
//
// Torn or damaged (rule R-04). The last group of frames that was being written when the lights went out may be
// there in part. It was never acknowledged, so it is cut, silently. Anything else that is wrong may be an
// acknowledged batch that has rotted, and a voter that forgets one can help to elect a leader without it; so that is
// an error which names file, byte and offset, and nothing is changed. A bad frame at offset x is torn if and only
// if x lies at or above every mark there is (the checkpoint, and synced_through of all valid frame headers before
// and behind it) and x is in the last segment. See segment_scan.h for why the marks behind it decide what
// "a valid batch behind it" would only suggest: a group is torn in any order.
//
// Readable is not durable (rule R-06, fault F-D09). After an fsync that failed, the kernel shows bytes from memory that
// are not on the disk, marks them clean, and the next fsync of the file does nothing for them. So when the last
// segment holds anything above the checkpoint, its frames are copied to a new file, which is synced and takes the
// old one's name. Appending to the old file and syncing that isn't enough. A log that was closed cleanly ends at
// its checkpoint and is used as it is.
//
// Each step leaves a state from which recovery begins again with the same result (F-P04): temporary files are removed
// first; a promised reset or truncation is repeated, from the newest segment down; segments below the log's start go,
// the oldest first; the copy replaces by rename; the
// checkpoint moves last.
#ifndef QUORATE_STORAGE_LOG_RECOVERY_H_
#define QUORATE_STORAGE_LOG_RECOVERY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "quorate/batch.h"
#include "quorate/file_system.h"
#include "quorate/log_sink.h"
#include "quorate/storage_adapters.h"
#include "storage/checkpoint.h"
#include "storage/segment.h"
#include "storage/slot_file.h"
#include "storage/start_ledger.h"

namespace quorate::storage {

struct LogPlace {
  FileSystem* files = nullptr;
  std::string directory;
  ClusterId cluster_id;
  DirectoryId directory_id;
  uint64_t segment_bytes = 0;
  std::shared_ptr<LogSink> log_sink;
  StartLedger* ledger = nullptr;  // outlives the log

  [[nodiscard]] uint64_t cluster_hash() const { return cluster_id.value().low(); }
};

struct RecoveredLog {
  std::vector<std::unique_ptr<Segment>> segments;  // oldest first; the last is written to
  ChainEnd end;
  SlotFile checkpoint_file;
  LogCheckpoint checkpoint;
};

absl::StatusOr<RecoveredLog> RecoverLog(const LogPlace& place, absl::FunctionRef<absl::Status(const Batch&)> visit);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_LOG_RECOVERY_H_
