// Epoch and vote in a SlotFile: one write and one fdatasync per change, no new blocks (rule R-02).
//
// It has a thread of its own, so that a vote never waits behind the log's group of the moment: an election is when the
// disk is busy and time matters. Changes that queue up meanwhile are written once, the latest: it
// supersedes the others, and all their callbacks may say "on disk".
//
// The second copy, which protects against the loss of the newest slot (see slot_file.h), is written when things have
// been quiet for kMirrorDelay, so that it stands in the way of no election.
#ifndef QUORATE_STORAGE_FILE_ELECTION_STATE_STORE_H_
#define QUORATE_STORAGE_FILE_ELECTION_STATE_STORE_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/environment.h"
#include "quorate/file_system.h"
#include "quorate/log_sink.h"
#include "quorate/storage.h"
#include "storage/slot_file.h"
#include "storage/start_ledger.h"

namespace quorate::storage {

inline constexpr uint32_t kElectionStateMagic = 0x31455251;  // "QRE1"

// nullopt: never voted, as format leaves it.
std::string EncodeElectionState(const std::optional<ElectionState>& state);
absl::StatusOr<std::optional<ElectionState>> ParseElectionState(absl::string_view value, absl::string_view path);

class FileElectionStateStore final : public ElectionStateStore {
 public:
  static constexpr absl::Duration kMirrorDelay = absl::Milliseconds(100);

  FileElectionStateStore(FileSystem* files, std::string path, DirectoryId directory, Clock* clock,
                         ExecutorFactory* executors, std::shared_ptr<LogSink> log_sink, StartLedger* ledger);
  ~FileElectionStateStore() override;
  FileElectionStateStore(const FileElectionStateStore&) = delete;
  FileElectionStateStore& operator=(const FileElectionStateStore&) = delete;

  absl::StatusOr<std::optional<ElectionState>> Load() override;
  void Store(const ElectionState& state, absl::AnyInvocable<void(absl::Status) &&> done) override;

 private:
  struct Call {
    ElectionState state;
    absl::AnyInvocable<void(absl::Status) &&> done;
  };
  void Drain();
  void Mirror();
  void Die(const absl::Status& status);

  FileSystem* const files_;
  const std::string path_;
  const DirectoryId directory_;
  Clock* const clock_;
  const std::shared_ptr<LogSink> log_sink_;
  StartLedger* const ledger_;

  std::mutex mutex_;
  std::vector<Call> queue_;  // guarded by mutex_
  bool scheduled_ = false;   // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_

  // The store's thread only (or Load and the destructor, when it doesn't run).
  absl::Status dead_;
  std::optional<SlotFile> file_;
  std::vector<Call> calls_;
  Executor::TimerId mirror_timer_ = Executor::kNoTimer;

  std::unique_ptr<Executor> executor_;
  Executor* const runner_;  // the same, still valid for a task that the destructor waits for
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_FILE_ELECTION_STATE_STORE_H_
