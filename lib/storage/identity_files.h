// The two text-sized files that say whose directory it is: meta.properties and bootstrap.checkpoint.
//
// meta.properties is Kafka's, key for key, so that Kafka's people and tools can read it. A last line
// "#crc=…", a comment to Kafka, covers the lines before it; it is checked when it is there, and a file without
// it (written by hand or by Kafka) is taken as it is. A wrong id is never regenerated in place (F-D05).
//
// bootstrap.checkpoint holds the voter set of KIP-853's 0-0 snapshot, or that there is none. It is always there,
// so that its loss is noticed instead of turning a voter into a bystander (M-39).
#ifndef QUORATE_STORAGE_IDENTITY_FILES_H_
#define QUORATE_STORAGE_IDENTITY_FILES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/storage_adapters.h"

namespace quorate::storage {

// Errors are kCorruption and name `path`.
std::string EncodeMetaProperties(const DirectoryIdentity& identity);
absl::StatusOr<DirectoryIdentity> ParseMetaProperties(absl::string_view text, absl::string_view path);

std::string EncodeBootstrap(const DirectoryIdentity& identity);
absl::StatusOr<std::optional<std::vector<Voter>>> ParseBootstrap(absl::string_view bytes, DirectoryId directory,
                                                                 absl::string_view path);

// kInvalidArgument with what is wrong: zero or reserved ids, negative node id, bad or double voters.
absl::Status CheckIdentity(const DirectoryIdentity& identity);

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_IDENTITY_FILES_H_
