// The voter sets that the log has seen, each with the offset of its record.
//
// The set in force is the latest in the log, committed or not (Raft paper section 6), and the one before comes back
// when that record is truncated (M-33). Before the first record the configured set is in force. Keeping only "the
// current set" is the tempting alternative; it has split clusters, because a truncation then has nothing to
// go back to.
//
// A snapshot carries the set as of its end, not the newest known (M-40): a record above that end may still be truncated
// on the node that loads the snapshot. When the log begins behind a snapshot, that set is the base which stands for all
// records before; it can't be truncated.
#ifndef QUORATE_RAFT_VOTER_HISTORY_H_
#define QUORATE_RAFT_VOTER_HISTORY_H_

#include <vector>

#include "quorate/types.h"
#include "raft/core.h"
#include "raft/voter_set.h"

namespace quorate::raft {

class VoterHistory {
 public:
  explicit VoterHistory(VoterSet initial) : initial_(std::move(initial)) {}

  // A record at `offset`, above all others.
  void Append(Offset offset, VoterSet voters);
  // Forgets the records at and above `end`, which is not below the log's start.
  void TruncateTo(Offset end);
  // The log begins at `start` from now on: of the records below only the last is of any use.
  void TrimTo(Offset start);
  // The log was replaced by a snapshot, which has this set; offset kNoOffset: it has none.
  void ResetTo(const RecoveredState::VotersAt& voters);

  [[nodiscard]] const VoterSet& Latest() const { return entries_.empty() ? initial_ : entries_.back().voters; }
  // The set before the latest record, while that lies at or above `committed`; null: the latest set is committed, or
  // was configured.
  [[nodiscard]] const VoterSet* BeforeUncommitted(Offset committed) const;
  [[nodiscard]] bool has_record() const { return !entries_.empty(); }
  // What was in force at `end`, which is not below the log's start: by the last record before it.
  [[nodiscard]] RecoveredState::VotersAt AsOf(Offset end) const;

 private:
  struct Entry {
    Offset offset;
    VoterSet voters;
  };
  VoterSet initial_;
  std::vector<Entry> entries_;  // ascending
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_VOTER_HISTORY_H_
