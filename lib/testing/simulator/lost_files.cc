#include "testing/simulator/lost_files.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/layout.h"

namespace quorate::testing::simulator {
namespace {

enum class Loss : uint8_t { kElectionState, kLog, kAllButIdentity, kIdentity };
constexpr uint64_t kLosses = 4;

bool IsLost(const std::string& name, Loss loss) {
  switch (loss) {
    case Loss::kElectionState:
      return name == storage::kElectionStateName;
    case Loss::kLog:
      return storage::ParseSegmentName(name).has_value();
    case Loss::kAllButIdentity:
      return name != storage::kMetaPropertiesName;
    case Loss::kIdentity:
      return name == storage::kMetaPropertiesName;
  }
  return false;
}

}  // namespace

std::optional<LostFiles> LoseFiles(SimFileSystem* files, const std::string& directory, uint64_t lot) {
  const absl::StatusOr<std::vector<std::string>> names = files->List(directory);
  if (!names.ok()) return std::nullopt;
  LostFiles lost{files->SaveDisk(), ""};
  for (const std::string& name : *names) {
    const std::string path = storage::JoinPath(directory, name);
    const absl::StatusOr<bool> is_directory = files->IsDirectory(path);
    if (!is_directory.ok() || *is_directory || !IsLost(name, static_cast<Loss>(lot % kLosses))) continue;
    if (files->Remove(path).ok()) absl::StrAppend(&lost.what, lost.what.empty() ? "" : ", ", name);
  }
  if (lost.what.empty() || !files->SyncDirectory(directory).ok()) return std::nullopt;
  return lost;
}

}  // namespace quorate::testing::simulator
