#include "storage/snapshot_names.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "quorate/limits.h"
#include "storage/layout.h"

namespace quorate::storage {
namespace {

std::string PositionText(LogPosition id) { return absl::StrFormat("%020d-%010d", id.end.value(), id.epoch.value()); }

}  // namespace

std::string SnapshotName(LogPosition id) { return absl::StrCat(PositionText(id), kSnapshotSuffix); }

std::string TemporarySnapshotName(LogPosition id, uint64_t number) {
  return absl::StrCat(PositionText(id), ".", number, kSnapshotTemporarySuffix);
}

std::string PartialSnapshotName(const SnapshotInfo& info) {
  return absl::StrFormat("%s-%016x-%016x%s", PositionText(info.id), info.bytes, info.digest, kPartialSuffix);
}

// Both parse loosely, write again, and compare: then there is one form.
std::optional<LogPosition> ParseSnapshotName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name.substr(0, name.find('.')), '-');
  int64_t end = 0;
  int32_t epoch = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &end) || !absl::SimpleAtoi(parts[1], &epoch)) {
    return std::nullopt;
  }
  const LogPosition id{Epoch(epoch), Offset(end)};
  if (end < 0 || epoch < 0 || SnapshotName(id) != name) return std::nullopt;
  return id;
}

std::optional<SnapshotInfo> ParsePartialSnapshotName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name.substr(0, name.find('.')), '-');
  int64_t end = 0;
  int32_t epoch = 0;
  SnapshotInfo info;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &end) || !absl::SimpleAtoi(parts[1], &epoch) ||
      !absl::SimpleHexAtoi(parts[2], &info.bytes) || !absl::SimpleHexAtoi(parts[3], &info.digest)) {
    return std::nullopt;
  }
  info.id = LogPosition{Epoch(epoch), Offset(end)};
  const bool possible = end >= 0 && epoch >= 0 && info.digest != 0 && info.bytes <= limits::kSnapshotBytesMax;
  if (!possible || PartialSnapshotName(info) != name) return std::nullopt;
  return info;
}

}  // namespace quorate::storage
