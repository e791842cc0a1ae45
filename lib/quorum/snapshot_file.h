// A snapshot as the engine sees it: a head - what it stands for - and records, in a file of the store.
//
// The bytes are made and checked by storage/snapshot_format.h, which knows nothing of voters; here the voter set as of
// the snapshot's end is put into the head (M-40) as the same control record that the log has, so that there is one
// encoding of it.
//
// Each object is used by one thread at a time, any.
#ifndef QUORATE_QUORUM_SNAPSHOT_FILE_H_
#define QUORATE_QUORUM_SNAPSHOT_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorate/state_machine.h"
#include "quorate/storage.h"
#include "raft/core.h"

namespace quorate::quorum {

struct SnapshotHead {
  LogPosition position;        // stands for everything below position.end
  int64_t append_time_ms = 0;  // of the last batch below it; display only
  raft::RecoveredState::VotersAt voters;
};

class SnapshotFileWriter {
 public:
  SnapshotFileWriter(std::unique_ptr<SnapshotWriter> out, const SnapshotHead& head, ClusterId cluster);
  ~SnapshotFileWriter();
  // At most limits::kSnapshotRecordBytesMax bytes.
  absl::Status Add(absl::string_view record);
  // Writes the footer; the file is durable when it returns.
  absl::Status Finish();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// Reads the records, and checks all there is to check on the way: a footer with the right count and digest must end the
// file. Ends with kShuttingDown when `stopping` turns true.
class SnapshotFileReader final : public SnapshotRecords {
 public:
  // Reads the head. kCorruption and kUnsupportedVersion name the file.
  static absl::StatusOr<std::unique_ptr<SnapshotFileReader>> Open(std::unique_ptr<SnapshotReader> in, LogPosition id,
                                                                  ClusterId cluster, const std::string& name,
                                                                  std::shared_ptr<const std::atomic<bool>> stopping);

  ~SnapshotFileReader() override;
  [[nodiscard]] const SnapshotHead& head() const;
  absl::StatusOr<std::optional<absl::string_view>> Next() override;
  // OK, or what Next failed with: a state machine may not pass it on.
  [[nodiscard]] const absl::Status& status() const;
  // Of the whole file; once Next returned the end.
  [[nodiscard]] SnapshotInfo info() const;

 private:
  struct Impl;
  explicit SnapshotFileReader(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

std::string EncodeVotersAt(const raft::RecoveredState::VotersAt& voters);
absl::StatusOr<raft::RecoveredState::VotersAt> DecodeVotersAt(absl::string_view bytes);

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_SNAPSHOT_FILE_H_
