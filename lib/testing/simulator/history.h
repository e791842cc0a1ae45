// What the referee remembers of logs: a shadow of each replica's, and the one history that was committed.
//
// Each batch of a log gets a *chain*: a hash over its own bytes and the chain before it. So two logs are equal up to an
// offset exactly when their chains there are, and log matching (I-05) is one comparison for each append and not one
// of whole logs.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_HISTORY_H_
#define QUORATE_TESTING_SIMULATOR_HISTORY_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "quorate/batch.h"
#include "quorate/types.h"
#include "raft/voter_set.h"

namespace quorate::testing::simulator {

struct LogEntry {
  Offset base;
  Offset end;
  Epoch epoch;
  uint32_t crc = 0;
  uint64_t chain = 0;
};

// A replica's log, in and out of memory alike, from `start` on.
class ShadowLog {
 public:
  void Reset(Offset start, uint64_t chain);
  const LogEntry& Append(const Batch& batch);
  // Both to batch boundaries. Truncate leaves what it cut off in `cut`.
  void Truncate(Offset end, std::vector<LogEntry>* cut);
  void Trim(Offset start);

  [[nodiscard]] Offset start() const { return start_; }
  [[nodiscard]] Offset end() const { return entries_.empty() ? start_ : entries_.back().end; }
  [[nodiscard]] const std::vector<LogEntry>& entries() const { return entries_; }
  // The first entry that ends above `offset`, as an index; entries().size() when there is none.
  [[nodiscard]] size_t IndexOf(Offset offset) const;
  // The one that covers `offset`; null: none.
  [[nodiscard]] const LogEntry* Covering(Offset offset) const;
  // The chain at a batch boundary; nullopt: not a boundary of this log.
  [[nodiscard]] std::optional<uint64_t> ChainAt(Offset boundary) const;

 private:
  Offset start_;
  uint64_t start_chain_ = 0;
  std::vector<LogEntry> entries_;
};

class History {
 public:
  struct Committed {
    LogEntry entry;
    Batch batch;
    std::vector<absl::string_view> records;
    Epoch by;  // of the leader that committed it
  };

  // Somebody's log got this batch. What is wrong with it, or nullopt: I-05.
  std::optional<std::string> Note(const Batch& batch, const LogEntry& entry);
  // Whether this is a batch as somebody's log has it: I-29.
  [[nodiscard]] bool IsGenuine(const Batch& batch) const;
  // A node of epoch `by` believes this entry to be committed: I-07.
  std::optional<std::string> Commit(const LogEntry& entry, Epoch by);

  [[nodiscard]] const std::vector<Committed>& committed() const { return committed_; }
  [[nodiscard]] Offset committed_end() const { return committed_.empty() ? Offset(0) : committed_.back().entry.end; }
  // The first one that ends above `offset`, as an index.
  [[nodiscard]] size_t IndexOf(Offset offset) const;
  // Whether this very entry was committed, and by whom.
  [[nodiscard]] bool IsCommitted(const LogEntry& entry) const { return CommittedBy(entry).has_value(); }
  [[nodiscard]] std::optional<Epoch> CommittedBy(const LogEntry& entry) const;
  // The chain at a batch boundary at or below committed_end; nullopt otherwise.
  [[nodiscard]] std::optional<uint64_t> ChainAt(Offset boundary) const;
  // The last entry that a leader of an epoch below `epoch` committed; null: none.
  [[nodiscard]] const LogEntry* LastCommittedBefore(Epoch epoch) const;
  // Whether a committed voters record left it out that the one before had.
  [[nodiscard]] bool WasRemoved(const ReplicaKey& key) const { return removed_.contains(key); }
  // The committed voters records below `end`, the latest; null: none.
  [[nodiscard]] const std::pair<Offset, raft::VoterSet>* VotersAsOf(Offset end) const;

 private:
  struct Known {
    uint64_t chain = 0;
    Batch batch;
  };
  absl::flat_hash_map<std::pair<int64_t, int32_t>, Known> known_;  // (base offset, epoch); only looked up
  std::vector<Committed> committed_;
  std::vector<std::pair<Offset, raft::VoterSet>> voters_;
  std::set<ReplicaKey> removed_;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_HISTORY_H_
