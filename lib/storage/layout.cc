#include "storage/layout.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "quorate/status.h"

namespace quorate::storage {

std::string JoinPath(absl::string_view directory, absl::string_view name) {
  return absl::EndsWith(directory, "/") ? absl::StrCat(directory, name) : absl::StrCat(directory, "/", name);
}

std::string SegmentName(Offset base) { return absl::StrFormat("%020d%s", base.value(), kSegmentSuffix); }

std::optional<Offset> ParseSegmentName(absl::string_view name) {
  constexpr size_t kDigits = 20;
  if (name.size() != kDigits + kSegmentSuffix.size() || !absl::EndsWith(name, kSegmentSuffix)) return std::nullopt;
  const absl::string_view digits = name.substr(0, kDigits);
  int64_t value = 0;
  if (!std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) || !absl::SimpleAtoi(digits, &value)) {
    return std::nullopt;
  }
  return Offset(value);
}

absl::Status CorruptionError(absl::string_view path, absl::string_view what) {
  return MakeError(Reason::kCorruption, Outcome::kNotApplied,
                   absl::StrCat(path, ": ", what,
                                ". Nothing was changed. Remedy: check the disk, keep this directory for inspection, "
                                "format a new one (`quorate storage format`; it gets a new directory id) and let the "
                                "node join again as a new replica"));
}

absl::StatusOr<std::string> ReadFile(FileSystem* files, const std::string& path, uint64_t size_max) {
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, OpenMode::kRead);
  if (!file.ok()) return file.status();
  absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size > size_max) {
    return CorruptionError(path, absl::StrCat("the file has ", *size, " bytes, at most ", size_max, " are possible"));
  }
  std::string contents;
  if (absl::Status status = (*file)->ReadAt(0, *size, &contents); !status.ok()) return status;
  return contents;
}

absl::Status WriteFile(FileSystem* files, const std::string& path, absl::string_view contents) {
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Truncate(0); !status.ok()) return status;
  if (absl::Status status = (*file)->WriteAt(0, {contents}); !status.ok()) return status;
  return (*file)->Sync();
}

absl::Status ReplaceFile(FileSystem* files, const std::string& directory, absl::string_view name,
                         absl::string_view contents) {
  const std::string path = JoinPath(directory, name);
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  if (absl::Status status = WriteFile(files, temporary, contents); !status.ok()) return status;
  if (absl::Status status = files->Rename(temporary, path); !status.ok()) return status;
  return files->SyncDirectory(directory);
}

}  // namespace quorate::storage
