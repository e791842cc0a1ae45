// What a member tells its parent, and when: lines with CLOCK_MONOTONIC nanoseconds, which all processes of a machine
// share. A line is kept until something final is said: to wake the parent in the middle of an election would cost that
// election a context switch, on a machine whose cores are all needed.
//
//   role <role> <epoch> <ns>         a new role, as the core took it (buffered)
//   leader <epoch> <id> <ns>         a watcher was told who leads (buffered)
//   acked <epoch> <ns>               the first write of this node's leadership is acknowledged
//   applied <epoch> <ns>             the state machine got the first record of that epoch
//   ready <ns>                       a linearizable read has succeeded
//   status <epoch> <leader> <silence ns> <ns>
//   did <command> <ns>               a command of the parent begins to take effect
//   ended <command> <ok|failed> <ns> a command that takes its time is done
//
// Thread-safe.
#ifndef QUORATE_BENCH_ELECTION_MEMBER_TRACE_H_
#define QUORATE_BENCH_ELECTION_MEMBER_TRACE_H_

#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "quorate/types.h"
#include "raft/observer.h"

namespace quorate::bench {

int64_t NowNanos();

class MemberTrace {
 public:
  explicit MemberTrace(int to) : to_(to) {}
  // The time is taken by the caller, before it waits for anything.
  template <typename... Words>
  void Note(int64_t nanos, const Words&... words) {
    Add(Line(nanos, words...), false);
  }
  template <typename... Words>
  void Say(int64_t nanos, const Words&... words) {
    Add(Line(nanos, words...), true);
  }

 private:
  template <typename First, typename... Words>
  static std::string Line(int64_t nanos, const First& first, const Words&... words) {
    std::string line = absl::StrCat(first);
    (absl::StrAppend(&line, " ", words), ...);
    absl::StrAppend(&line, " ", nanos, "\n");
    return line;
  }
  void Add(const std::string& line, bool flush);

  const int to_;
  std::mutex mutex_;
  std::string kept_;
};

// Notes each change of role.
class RoleObserver final : public raft::Observer {
 public:
  explicit RoleObserver(MemberTrace* trace) : trace_(trace) {}
  void OnStep(const raft::Core& core, const raft::Effects& effects) override;

 private:
  MemberTrace* const trace_;
  ReplicaRole role_ = ReplicaRole::kUnattached;
  Epoch epoch_;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_ELECTION_MEMBER_TRACE_H_
