// Three cores, and a network and disks that take no time: what a commit costs the cores and nobody else.
//
// Not the engine: no strand, no store, no transport. Effects are carried out here in the order that lib/raft/core.h
// asks for, messages go from core to core as structs, and the clock stands still.
#ifndef QUORATE_BENCH_MICRO_CORE_TRIO_H_
#define QUORATE_BENCH_MICRO_CORE_TRIO_H_

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/xoshiro.h"
#include "raft/core.h"

namespace quorate::bench {

class CoreTrio {
 public:
  static constexpr int kCores = 3;

  // Starts the cores and lets virtual time pass until one of them leads and the others follow.
  static absl::StatusOr<std::unique_ptr<CoreTrio>> Elect();

  // Appends `records` as one batch at the leader, and goes on until nothing is left to do on any core.
  absl::Status Commit(absl::Span<const absl::string_view> records);

  raft::Core& leader() { return *members_[static_cast<size_t>(leader_)].core; }
  raft::Core& follower() { return *members_[static_cast<size_t>((leader_ + 1) % kCores)].core; }
  // A message of the leader to that follower, and back.
  [[nodiscard]] Message FromLeader(MessageBody body) const {
    return Between(leader_, follower_index(), std::move(body));
  }
  [[nodiscard]] Message FromFollower(MessageBody body) const {
    return Between(follower_index(), leader_, std::move(body));
  }
  [[nodiscard]] Instant now() const { return now_; }

 private:
  struct Member {
    ReplicaKey key;
    IncarnationId incarnation;
    std::unique_ptr<raft::Core> core;
  };

  CoreTrio();
  [[nodiscard]] int follower_index() const { return (leader_ + 1) % kCores; }
  [[nodiscard]] Message Between(int from, int to, MessageBody body) const;
  // Carries out what the core of `member` wants; its messages join the queue.
  void Do(size_t member);
  void DeliverAll();

  Xoshiro random_{7};
  Instant now_ = Instant::FromNanos(1'000'000'000);
  std::array<Member, kCores> members_;
  std::deque<Message> on_the_way_;
  int leader_ = 0;
  absl::Status failure_;
};

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_MICRO_CORE_TRIO_H_
