// What lies in a data directory, and the few moves by which files come and go.
//
//   meta.properties           who it belongs to; written last by format: its presence means "formatted"
//   bootstrap.checkpoint      the voter set that the quorum starts with, if any
//   quorum-state              epoch and vote, two slots                    docs/formats/election-state.md
//   checkpoint                how far the log is durable, two slots        docs/formats/checkpoint.md
//   <20 digits>.log           segments, named by their first offset        docs/formats/segment.md
//   *.checkpoint, *.part      snapshots                                    snapshot_names.h, docs/formats/snapshot.md
//   starts                    how the last starts ended                    start_ledger.h
//   .lock                     held while the directory is in use
//   *.tmp                     files under construction: worthless after a crash, removed at the next start
//
// Everything but *.tmp, snapshots and `starts` exists from format on; a file that is missing later is a fault and never
// a reason to start afresh (rules M-39, F-D15).
#ifndef QUORATE_STORAGE_LAYOUT_H_
#define QUORATE_STORAGE_LAYOUT_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/file_system.h"
#include "quorate/types.h"

namespace quorate::storage {

inline constexpr absl::string_view kMetaPropertiesName = "meta.properties";
inline constexpr absl::string_view kBootstrapName = "bootstrap.checkpoint";
inline constexpr absl::string_view kElectionStateName = "quorum-state";
inline constexpr absl::string_view kCheckpointName = "checkpoint";
inline constexpr absl::string_view kLockName = ".lock";
inline constexpr absl::string_view kStartsName = "starts";
inline constexpr absl::string_view kPreparedSegmentName = "next-segment.tmp";
inline constexpr absl::string_view kTemporarySuffix = ".tmp";
inline constexpr absl::string_view kSegmentSuffix = ".log";
inline constexpr absl::string_view kSnapshotTemporarySuffix = ".checkpoint.tmp";

// Headers and slots fill whole blocks of this size, so that writing one can't tear its neighbour.
inline constexpr size_t kBlockBytes = 4096;

std::string JoinPath(absl::string_view directory, absl::string_view name);
std::string SegmentName(Offset base);
// nullopt for a name that isn't a segment's.
std::optional<Offset> ParseSegmentName(absl::string_view name);

// kCorruption. `what` is a clause: "the CRC is 1, the header says 2". The remedy is appended.
absl::Status CorruptionError(absl::string_view path, absl::string_view what);

// The whole file. `size_max` bounds what is read from a disk that may hold anything.
absl::StatusOr<std::string> ReadFile(FileSystem* files, const std::string& path, uint64_t size_max);
// Makes `path` hold `contents`, durably; not atomic, and the name isn't synced.
absl::Status WriteFile(FileSystem* files, const std::string& path, absl::string_view contents);
// Replaces (or creates) `name` atomically and durably: temporary, sync, rename, sync of the directory.
absl::Status ReplaceFile(FileSystem* files, const std::string& directory, absl::string_view name,
                         absl::string_view contents);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_LAYOUT_H_
