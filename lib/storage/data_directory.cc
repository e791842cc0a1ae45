// Formatting, identifying and opening a data directory (layout.h says what is in it).
//
// Format makes every file and syncs it, and the identity last, by rename: a directory is formatted if and only if it
// has meta.properties. From then on a missing file is damage. Without meta.properties, whatever else is there can only
// be an interrupted format, to be overwritten, or a directory that lost its identity, which must not be: a
// segment that was ever opened for writing is longer than its header, and tells them apart (F-D05, F-D15).

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/simulation.h"
#include "quorate/status.h"
#include "quorate/storage_adapters.h"
#include "quorate/system.h"
#include "storage/checkpoint.h"
#include "storage/file_election_state_store.h"
#include "storage/file_log_store.h"
#include "storage/file_snapshot_store.h"
#include "storage/identity_files.h"
#include "storage/layout.h"
#include "storage/segment_format.h"
#include "storage/slot_file.h"
#include "storage/start_ledger.h"

namespace quorate {
namespace storage {
namespace {

constexpr uint64_t kSmallFileBytesMax = 1u << 20;
constexpr uint64_t kSegmentBytesMin = 2 * kBlockBytes;
constexpr uint64_t kSegmentBytesMax = 1u << 30;

std::string ParentOf(absl::string_view path) {
  while (path.size() > 1 && absl::EndsWith(path, "/")) path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

// Creates the directory and makes its name, and those of all its parents, durable. Parents that exist already are
// synced too, because a format that was killed may have made them; but one that we may not read (the error for that is
// ignored) wasn't made by us.
absl::Status CreateDirectoryDurably(FileSystem* files, const std::string& path) {
  struct Parent {
    std::string path;
    bool existed;
  };
  std::vector<Parent> parents;
  for (std::string child = path; ParentOf(child) != child; child = parents.back().path) {
    absl::StatusOr<bool> exists = files->Exists(ParentOf(child));
    if (!exists.ok()) return exists.status();
    parents.push_back(Parent{ParentOf(child), *exists});
  }
  if (absl::Status status = files->CreateDirectories(path); !status.ok()) return status;
  for (size_t i = parents.size(); i-- > 0;) {
    const absl::Status status = files->SyncDirectory(parents[i].path);
    const bool ours = i == 0 || !parents[i].existed;  // the directory's own name, or one that we made
    if (!status.ok() && ours) return status;
  }
  return absl::OkStatus();
}

// Takes the lock and writes into it who holds it.
absl::StatusOr<std::unique_ptr<File>> LockDirectory(FileSystem* files, const std::string& directory, Clock* clock) {
  const std::string path = JoinPath(directory, kLockName);
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->TryLock(); !status.ok()) {
    if (ReasonOf(status) != Reason::kInUse) return status;
    std::string holder;
    if (!(*file)->ReadAt(0, kBlockBytes, &holder).ok() || holder.empty()) holder = "an unknown process";
    return MakeError(Reason::kInUse, Outcome::kNotApplied,
                     absl::StrCat(directory, " is in use by ", absl::StripAsciiWhitespace(holder),
                                  "; one directory serves one node at a time: stop that process, or give this "
                                  "node a directory of its own"));
  }
  const std::string holder =
      absl::StrCat("pid ", ::getpid(), ", since ",
                   absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", clock->WallNow(), absl::UTCTimeZone()), "\n");
  if (absl::Status status = (*file)->Truncate(0); !status.ok()) return status;
  if (absl::Status status = (*file)->WriteAt(0, {holder}); !status.ok()) return status;
  return file;
}

// Whether some segment was ever written to: then the directory is no half-finished format.
absl::StatusOr<bool> HoldsLog(FileSystem* files, const std::string& directory) {
  absl::StatusOr<std::vector<std::string>> names = files->List(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::optional<Offset> base = ParseSegmentName(name);
    if (!base.has_value()) continue;
    if (*base != Offset(0)) return true;
    absl::StatusOr<std::unique_ptr<File>> file = files->Open(JoinPath(directory, name), OpenMode::kRead);
    if (!file.ok()) return file.status();
    absl::StatusOr<uint64_t> size = (*file)->Size();
    if (!size.ok()) return size.status();
    if (*size > SegmentHeader::kBytes) return true;
  }
  return false;
}

absl::Status IdentityLost(const std::string& path) {
  return CorruptionError(JoinPath(path, kMetaPropertiesName),
                         "the file is missing, though the directory holds a log; an identity is never made up anew");
}

// Everything but the identity.
absl::Status WriteFiles(FileSystem* files, const std::string& path, const DirectoryIdentity& identity) {
  absl::Status status = WriteFile(files, JoinPath(path, kBootstrapName), EncodeBootstrap(identity));
  if (!status.ok()) return status;
  status = SlotFile::Create(files, JoinPath(path, kElectionStateName), kElectionStateMagic, identity.directory_id,
                            EncodeElectionState(std::nullopt));
  if (!status.ok()) return status;
  status = SlotFile::Create(files, JoinPath(path, kCheckpointName), kCheckpointMagic, identity.directory_id,
                            EncodeCheckpoint(LogCheckpoint()));
  if (!status.ok()) return status;
  const SegmentHeader header{identity.cluster_id, identity.directory_id, ChainEnd()};
  status = WriteFile(files, JoinPath(path, SegmentName(Offset(0))), EncodeSegmentHeader(header));
  if (!status.ok()) return status;
  return files->SyncDirectory(path);
}

// The bug that M-39 is about: whoever misses a file is taken for new.
absl::Status BeginAnew(FileSystem* files, const std::string& path, const DirectoryIdentity& identity) {
  absl::StatusOr<std::vector<std::string>> names = files->List(path);
  if (!names.ok()) return names.status();
  const auto has = [&](absl::string_view wanted) {
    return std::find(names->begin(), names->end(), wanted) != names->end();
  };
  const bool has_log = std::any_of(names->begin(), names->end(),
                                   [](const std::string& name) { return ParseSegmentName(name).has_value(); });
  if (has_log && has(kBootstrapName) && has(kElectionStateName) && has(kCheckpointName)) return absl::OkStatus();
  for (const std::string& name : *names) {
    if (!ParseSegmentName(name).has_value()) continue;
    if (absl::Status status = files->Remove(JoinPath(path, name)); !status.ok()) return status;
  }
  return WriteFiles(files, path, identity);
}

// A formatted directory has all its files (F-D15).
absl::Status CheckFiles(FileSystem* files, const std::string& path, const DirectoryIdentity& identity) {
  if (QUORATE_MUTANT("M-39")) return BeginAnew(files, path, identity);
  for (absl::string_view name : {kBootstrapName, kElectionStateName, kCheckpointName}) {
    absl::StatusOr<bool> exists = files->Exists(JoinPath(path, name));
    if (!exists.ok()) return exists.status();
    if (!*exists) return CorruptionError(JoinPath(path, name), "the file is missing from a formatted directory");
  }
  return absl::OkStatus();
}

class FileDataDirectory final : public DataDirectory {
 public:
  FileDataDirectory(FileStorageOptions options, DirectoryIdentity identity, std::unique_ptr<File> lock)
      : options_(std::move(options)),
        identity_(std::move(identity)),
        lock_(std::move(lock)),
        ledger_(options_.files, options_.path, options_.clock, options_.log_sink) {}

  [[nodiscard]] const DirectoryIdentity& identity() const override { return identity_; }
  [[nodiscard]] absl::Duration start_backoff() const override { return ledger_.backoff(); }
  [[nodiscard]] int32_t unclean_starts() const override { return ledger_.unclean_starts(); }

  std::unique_ptr<LogStore> MakeLogStore() override {
    LogPlace place{
        options_.files,    options_.path, identity_.cluster_id, identity_.directory_id, options_.segment_bytes,
        options_.log_sink, &ledger_};
    return std::make_unique<FileLogStore>(std::move(place), options_.clock, options_.executors);
  }

  std::unique_ptr<ElectionStateStore> MakeElectionStateStore() override {
    return std::make_unique<FileElectionStateStore>(options_.files, JoinPath(options_.path, kElectionStateName),
                                                    identity_.directory_id, options_.clock, options_.executors,
                                                    options_.log_sink, &ledger_);
  }

  std::unique_ptr<SnapshotStore> MakeSnapshotStore() override {
    return std::make_unique<FileSnapshotStore>(
        SnapshotPlace{options_.files, options_.path, options_.snapshot_sync_bytes, options_.log_sink});
  }

 private:
  const FileStorageOptions options_;
  const DirectoryIdentity identity_;
  const std::unique_ptr<File> lock_;  // held by being open
  StartLedger ledger_;
};

}  // namespace
}  // namespace storage

absl::Status FormatDirectory(FileSystem* files, const std::string& path, const DirectoryIdentity& identity) {
  if (path.empty()) return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "the directory has no name");
  if (absl::Status status = storage::CheckIdentity(identity); !status.ok()) return status;
  if (absl::Status status = storage::CreateDirectoryDurably(files, path); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<File>> lock = storage::LockDirectory(files, path, SystemClock());
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::optional<DirectoryIdentity>> old = ReadDirectoryIdentity(files, path);
  if (!old.ok()) return old.status();
  if (old->has_value()) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat(path, " is already formatted, for node ", (*old)->node_id.value(), " of cluster ",
                                  (*old)->cluster_id.ToString(), "; use an empty directory to start afresh"));
  }
  absl::StatusOr<bool> holds_log = storage::HoldsLog(files, path);
  if (!holds_log.ok()) return holds_log.status();
  if (*holds_log) return storage::IdentityLost(path);
  if (absl::Status status = storage::WriteFiles(files, path, identity); !status.ok()) return status;
  return storage::ReplaceFile(files, path, storage::kMetaPropertiesName, storage::EncodeMetaProperties(identity));
}

absl::StatusOr<std::optional<DirectoryIdentity>> ReadDirectoryIdentity(FileSystem* files, const std::string& path) {
  const std::string meta_path = storage::JoinPath(path, storage::kMetaPropertiesName);
  absl::StatusOr<bool> exists = files->Exists(meta_path);
  if (!exists.ok()) return exists.status();
  if (!*exists) return std::nullopt;
  absl::StatusOr<std::string> text = storage::ReadFile(files, meta_path, storage::kSmallFileBytesMax);
  if (!text.ok()) return text.status();
  absl::StatusOr<DirectoryIdentity> identity = storage::ParseMetaProperties(*text, meta_path);
  if (!identity.ok()) return identity.status();

  const std::string bootstrap_path = storage::JoinPath(path, storage::kBootstrapName);
  absl::StatusOr<std::string> bootstrap = storage::ReadFile(files, bootstrap_path, storage::kSmallFileBytesMax);
  if (absl::IsNotFound(bootstrap.status())) {
    if (QUORATE_MUTANT("M-39")) return std::optional<DirectoryIdentity>(*std::move(identity));
    return storage::CorruptionError(bootstrap_path, "the file is missing from a formatted directory");
  }
  if (!bootstrap.ok()) return bootstrap.status();
  auto voters = storage::ParseBootstrap(*bootstrap, identity->directory_id, bootstrap_path);
  if (!voters.ok()) return voters.status();
  identity->initial_voters = *std::move(voters);
  return std::optional<DirectoryIdentity>(*std::move(identity));
}

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Open(FileStorageOptions options) {
  if (options.files == nullptr) options.files = PosixFileSystem();
  if (options.executors == nullptr) options.executors = ThreadExecutorFactory();
  if (options.clock == nullptr) options.clock = SystemClock();
  if (options.log_sink == nullptr) options.log_sink = NullLogSink();
  if (options.segment_bytes < storage::kSegmentBytesMin || options.segment_bytes > storage::kSegmentBytesMax) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("segment_bytes is ", options.segment_bytes, ", it must be from ",
                                  storage::kSegmentBytesMin, " to ", storage::kSegmentBytesMax));
  }
  if (options.snapshot_sync_bytes == 0) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied, "snapshot_sync_bytes is 0; it must be at least 1");
  }
  FileSystem* files = options.files;
  const std::string& path = options.path;
  // Looked at before the lock is taken, so that asking leaves no trace in a directory that isn't ours.
  absl::StatusOr<bool> formatted = files->Exists(storage::JoinPath(path, storage::kMetaPropertiesName));
  if (!formatted.ok()) return formatted.status();
  if (!*formatted) {
    absl::StatusOr<bool> is_directory = files->IsDirectory(path);
    if (!is_directory.ok()) return is_directory.status();
    if (*is_directory) {
      absl::StatusOr<bool> holds_log = storage::HoldsLog(files, path);
      if (!holds_log.ok()) return holds_log.status();
      if (*holds_log) return storage::IdentityLost(path);
    }
    return MakeError(Reason::kNotFormatted, Outcome::kNotApplied,
                     absl::StrCat(path, *is_directory ? " is not formatted" : " does not exist",
                                  "; format it once with `quorate storage format` before the first start"));
  }
  absl::StatusOr<std::unique_ptr<File>> lock = storage::LockDirectory(files, path, options.clock);
  if (!lock.ok()) return lock.status();
  absl::StatusOr<std::optional<DirectoryIdentity>> identity = ReadDirectoryIdentity(files, path);
  if (!identity.ok()) return identity.status();
  if (!identity->has_value()) return storage::IdentityLost(path);
  if (absl::Status status = storage::CheckFiles(files, path, **identity); !status.ok()) return status;
  // A process that was killed between a rename and the sync of the directory leaves names that are visible and
  // not yet durable. What we are about to acknowledge lies behind them.
  if (absl::Status status = files->SyncDirectory(path); !status.ok()) return status;
  return std::make_unique<storage::FileDataDirectory>(std::move(options), **std::move(identity), *std::move(lock));
}

}  // namespace quorate
