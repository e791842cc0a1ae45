// The voter sets that the log has seen, each with the offset of its record.
//
// The set in force is the latest in the log, committed or not (Raft paper section 6), and the one before comes back
// when that record is truncated (M-33). Before the first record the configured set is in force. Keeping only "the
// current set" is the tempting alternative; it has split clusters, because a truncation then has nothing to
// go back to.
#ifndef QUORATE_RAFT_VOTER_HISTORY_H_
#define QUORATE_RAFT_VOTER_HISTORY_H_

#include <vector>

#include "quorate/types.h"
#include "raft/voter_set.h"

namespace quorate::raft {

class VoterHistory {
 public:
  explicit VoterHistory(VoterSet initial) : initial_(std::move(initial)) {}

  // A record at `offset`, above all others.
  void Append(Offset offset, VoterSet voters);
  // Forgets the records at and above `end`.
  void TruncateTo(Offset end);

  [[nodiscard]] const VoterSet& Latest() const { return entries_.empty() ? initial_ : entries_.back().voters; }
  [[nodiscard]] bool has_record() const { return !entries_.empty(); }

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
