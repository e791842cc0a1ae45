// Majority arithmetic, on its own so that it can be checked against a dumb twin.
//
// Three questions of a leader are the same question. "Up to which offset is the log committed?", "since when
// have I certainly been in touch with a majority?" and "which read round has a majority confirmed?" all ask for
// the largest value that more than half of the voters have reached. One function answers them, so that no
// two of them can disagree about what a majority is. The voters that count are the caller's business:
// exactly one value for each voter of the configuration in force (I-16).
#ifndef QUORATE_RAFT_QUORUM_H_
#define QUORATE_RAFT_QUORUM_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <vector>

namespace quorate::raft {

// The smallest number of voters of which any two groups share a member. MajorityOf(0) is 1: nobody decides alone
// in a quorum that has no voters.
constexpr size_t MajorityOf(size_t voters) { return voters / 2 + 1; }

// The largest value that at least a majority of `values` (one per voter) has reached; `none` if there are no voters.
template <typename T>
T ReachedByMajority(std::vector<T> values, T none) {
  if (values.empty()) return none;
  const auto kth = values.begin() + static_cast<std::ptrdiff_t>(MajorityOf(values.size()) - 1);
  std::nth_element(values.begin(), kth, values.end(), std::greater<T>());
  return *kth;
}

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_QUORUM_H_
