#include "plain_raft.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "base/xoshiro.h"

namespace quorate::bench {
namespace {

enum class Role { kFollower, kCandidate, kLeader };

struct Server {
  int term = 1;
  int voted_for = 0;  // server 0 led term 1
  int log_length = 0;
  Role role = Role::kFollower;
  int votes = 0;
  Instant deadline;
};

// Server 0 is the leader that dies; the others go on.
class Election {
 public:
  Election(const PlainRaftOptions& options, Random& random) : options_(options), random_(random) {
    servers_.resize(static_cast<size_t>(options.servers));
    // Different lengths, in a random order: as after a crash in the middle of replication.
    std::vector<int> lengths;
    for (int i = 1; i < options.servers; ++i) lengths.push_back(i);
    for (size_t i = lengths.size(); i > 1; --i) std::swap(lengths[i - 1], lengths[random.Below(i)]);
    for (size_t i = 1; i < servers_.size(); ++i) servers_[i].log_length = lengths[i - 1];
  }

  absl::Duration Run(absl::Duration limit) {
    // The last heartbeat goes out at 0; the leader dies before it would send the next.
    for (size_t i = 1; i < servers_.size(); ++i) {
      servers_[i].deadline = Instant::FromNanos(0) + options_.network.Draw(random_) + Timeout();
      ArmTimer(i);
    }
    const Instant died = Instant::FromNanos(0) + options_.timeout_min / 2 * Uniform(random_);
    while (!events_.empty() && now_ - died < limit) {
      auto next = events_.extract(events_.begin());
      now_ = next.key().first;
      std::move(next.mapped())();
      if (heartbeat_arrived_) return now_ - died;
    }
    return limit;
  }

 private:
  using Event = absl::AnyInvocable<void() &&>;

  absl::Duration Timeout() {
    return options_.timeout_min + (options_.timeout_max - options_.timeout_min) * Uniform(random_);
  }
  void At(Instant when, Event event) { events_.emplace(std::make_pair(when, ++last_event_), std::move(event)); }
  void Send(Event event) { At(now_ + options_.network.Draw(random_), std::move(event)); }

  void ArmTimer(size_t i) {
    At(servers_[i].deadline, [this, i, deadline = servers_[i].deadline] {
      if (servers_[i].deadline == deadline && servers_[i].role != Role::kLeader) Stand(i);
    });
  }
  void ResetTimer(size_t i) {
    servers_[i].deadline = now_ + Timeout();
    ArmTimer(i);
  }

  void Stand(size_t i) {
    Server& self = servers_[i];
    ++self.term;
    self.role = Role::kCandidate;
    self.voted_for = static_cast<int>(i);
    self.votes = 1;
    ResetTimer(i);
    for (size_t j = 1; j < servers_.size(); ++j) {
      if (j == i) continue;
      Send([this, i, j, term = self.term, length = self.log_length] { OnVoteRequest(i, j, term, length); });
    }
  }

  void SeeTerm(size_t i, int term) {
    if (term <= servers_[i].term) return;
    servers_[i].term = term;
    servers_[i].role = Role::kFollower;
    servers_[i].voted_for = -1;
  }

  void OnVoteRequest(size_t candidate, size_t voter, int term, int log_length) {
    SeeTerm(voter, term);
    Server& self = servers_[voter];
    const bool free = self.voted_for == -1 || self.voted_for == static_cast<int>(candidate);
    const bool granted = term == self.term && free && log_length >= self.log_length;
    if (granted) {
      self.voted_for = static_cast<int>(candidate);
      ResetTimer(voter);
    }
    const absl::Duration stored = granted ? options_.store.Draw(random_) : absl::ZeroDuration();
    At(now_ + stored + options_.network.Draw(random_),
       [this, candidate, granted, term = self.term] { OnVote(candidate, term, granted); });
  }

  void OnVote(size_t candidate, int term, bool granted) {
    SeeTerm(candidate, term);
    Server& self = servers_[candidate];
    if (self.role != Role::kCandidate || term != self.term || !granted) return;
    if (2 * ++self.votes <= options_.servers) return;
    self.role = Role::kLeader;
    for (size_t j = 1; j < servers_.size(); ++j) {
      if (j != candidate) Send([this] { heartbeat_arrived_ = true; });
    }
  }

  const PlainRaftOptions& options_;
  Random& random_;
  std::vector<Server> servers_;
  Instant now_;
  uint64_t last_event_ = 0;
  bool heartbeat_arrived_ = false;
  std::map<std::pair<Instant, uint64_t>, Event> events_;
};

}  // namespace

absl::Duration PlainRaftElection(const PlainRaftOptions& options, Random& random, absl::Duration limit) {
  return Election(options, random).Run(limit);
}

}  // namespace quorate::bench
