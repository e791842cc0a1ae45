// How the last starts of this directory ended (fault F-P05): a node that dies again and again soon after its start is
// to wait longer before each attempt, instead of burning a core and disturbing the quorum; and never to delete anything
// to get out of it. One line of text in the file `starts`:
//
//   version=1 phase=running unclean=000002 since=00000001577836800000 crc=xxxxxxxx
//
// It is no part of the consensus state. Nothing but the length of a pause depends on it, so it is written in place and
// not synced, an error of it is logged and forgotten, and a line that can't be read counts as none. That is also why it
// may go by the wall clock: a clock that jumps makes a pause too long or too short, up to a minute, and nothing else.
//
// A start is unclean when the life before it didn't end in order: the process was killed, or a store had failed when
// it was closed. kFreeStarts of them in a row, each within kWindow of the one before, are taken as they come; from then
// on the pause doubles from one second to a minute. Whoever has run for kStable is out of the loop, however it ends;
// and a life that ended before it got to its log, say because it was told to stop while it waited, proves nothing: the
// line becomes again what it was.
//
// Threads: NoteRecovered, NoteStable and NoteTrouble from any.
#ifndef QUORATE_STORAGE_START_LEDGER_H_
#define QUORATE_STORAGE_START_LEDGER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "quorate/environment.h"
#include "quorate/file_system.h"
#include "quorate/log_sink.h"

namespace quorate::storage {

struct StartRecord {
  enum class Phase { kRecovering, kRunning, kClosed };
  Phase phase = Phase::kClosed;
  int32_t unclean = 0;   // starts in a row
  int64_t since_ms = 0;  // when the last one was, by the wall clock
  friend bool operator==(const StartRecord&, const StartRecord&) = default;
};

std::string EncodeStartRecord(const StartRecord& record);
std::optional<StartRecord> ParseStartRecord(absl::string_view text);

class StartLedger {
 public:
  static constexpr int32_t kFreeStarts = 5;
  static constexpr absl::Duration kWindow = absl::Minutes(10);
  static constexpr absl::Duration kStable = absl::Minutes(1);
  static constexpr absl::Duration kBackoffMax = absl::Minutes(1);

  // Counts this start.
  StartLedger(FileSystem* files, const std::string& directory, Clock* clock, std::shared_ptr<LogSink> log_sink);
  // An end in order, unless there was trouble or nothing was begun.
  ~StartLedger();
  StartLedger(const StartLedger&) = delete;
  StartLedger& operator=(const StartLedger&) = delete;

  void NoteRecovered();
  void NoteStable();
  void NoteTrouble();

  [[nodiscard]] int32_t unclean_starts() const { return unclean_; }
  [[nodiscard]] absl::Duration backoff() const;

 private:
  void Load(FileSystem* files);
  void Write(const StartRecord& record);

  const std::string path_;
  const std::shared_ptr<LogSink> log_sink_;
  const int64_t now_ms_;
  StartRecord before_;   // what the last life left
  int32_t unclean_ = 0;  // starts before this one
  std::mutex mutex_;
  std::unique_ptr<File> file_;  // guarded by mutex_; null: it can't be written
  StartRecord mine_;            // guarded by mutex_
  bool trouble_ = false;        // guarded by mutex_
};

}  // namespace quorate::storage

#endif  // QUORATE_STORAGE_START_LEDGER_H_
