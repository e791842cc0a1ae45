// One core that leads, and what is proposed to it.
#ifndef QUORATE_TESTS_RAFT_LEADING_CORE_H_
#define QUORATE_TESTS_RAFT_LEADING_CORE_H_

#include <string>

#include "raft/one_core.h"
#include "support/catch.h"

namespace quorate::raft {

inline absl::Status Propose(OneCore& one, const std::string& record) {
  const absl::string_view view = record;
  const absl::Status status = one.core->Propose(one.now, absl::MakeConstSpan(&view, 1), 0).status();
  one.Take();
  return status;
}

// A leader of epoch 1 with an empty log before it: LeaderChange, KRaftVersion and Voters are offsets 0 to 2.
inline void Lead(OneCore& one) {
  one.Elect();
  REQUIRE(one.core->role() == ReplicaRole::kLeader);
  REQUIRE(one.core->log_end().end == Offset(3));
}

}  // namespace quorate::raft

#endif  // QUORATE_TESTS_RAFT_LEADING_CORE_H_
