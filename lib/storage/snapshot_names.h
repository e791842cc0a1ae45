// The names of snapshots in a data directory. They carry all that must be known before a file is read.
//
//   00000000000000001000-0000000007.checkpoint          finished; Kafka's form: end offset, then epoch (KIP-630)
//   00000000000000001000-0000000007.3.checkpoint.tmp    this node's own, being written: worthless after a crash
//   00000000000000001000-0000000007-0000000000010000-6c40df5f0b497347.part
//                                                       being received: end, epoch, size and digest of the whole
//
// What is expected of a file that is being received stands in its name, because a name comes into being with its
// file and can't be torn, and a second file beside it could be lost or be another one's.
#ifndef QUORATE_STORAGE_SNAPSHOT_NAMES_H_
#define QUORATE_STORAGE_SNAPSHOT_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "quorate/storage.h"

namespace quorate::storage {

inline constexpr absl::string_view kSnapshotSuffix = ".checkpoint";
inline constexpr absl::string_view kPartialSuffix = ".part";

std::string SnapshotName(LogPosition id);
// `number` tells attempts of one life of the process apart.
std::string TemporarySnapshotName(LogPosition id, uint64_t number);
std::string PartialSnapshotName(const SnapshotInfo& info);

// nullopt for anything that the above don't write.
std::optional<LogPosition> ParseSnapshotName(absl::string_view name);
std::optional<SnapshotInfo> ParsePartialSnapshotName(absl::string_view name);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_SNAPSHOT_NAMES_H_
