// The core's arithmetic, each piece beside a dumb twin: slow, obvious, and asked the same random questions.
#include <algorithm>
#include <map>
#include <set>

#include "base/xoshiro.h"
#include "raft/epoch_index.h"
#include "raft/log_tail.h"
#include "raft/one_core.h"
#include "raft/outbox.h"
#include "raft/quorum.h"
#include "raft/replica_log.h"
#include "raft/timing.h"
#include "raft/voter_history.h"
#include "raft/votes.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

VoterSet Voters(const std::vector<int>& ids) {
  std::vector<Voter> voters;
  for (int id : ids) voters.push_back(Voter{OneCore::Key(id), {}, 0, 1});
  return VoterSet(std::move(voters));
}

TEST_CASE("quorum: the value that a majority reached, as counted by hand") {
  Xoshiro random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<int64_t> values(random.Below(9));
    for (int64_t& value : values) value = static_cast<int64_t>(random.Below(6)) - 1;
    int64_t twin = -1;
    for (int64_t candidate : values) {
      const auto reached = std::count_if(values.begin(), values.end(), [&](int64_t v) { return v >= candidate; });
      if (2 * static_cast<size_t>(reached) > values.size()) twin = std::max(twin, candidate);
    }
    REQUIRE(ReachedByMajority(values, int64_t{-1}) == twin);
  }
}

TEST_CASE("quorum: any two majorities intersect, and a smaller number wouldn't do") {
  for (size_t n = 1; n <= 31; ++n) {
    CHECK(2 * MajorityOf(n) > n);
    CHECK(2 * (MajorityOf(n) - 1) <= n);
  }
}

TEST_CASE("votes: won and lost as a recount says") {
  Xoshiro random(2);
  for (int i = 0; i < 5'000; ++i) {
    const int n = static_cast<int>(1 + random.Below(7));
    std::vector<int> ids;
    for (int id = 1; id <= n; ++id) ids.push_back(id);
    VoteTally tally(Voters(ids));
    std::map<int, bool> twin;
    for (int k = 0; k < 10; ++k) {
      const int id = static_cast<int>(1 + random.Below(9));
      const bool granted = random.Below(2) == 0;
      tally.Record(OneCore::Key(id), granted);
      if (id <= n) twin.emplace(id, granted);
      std::set<NodeId> unreachable;
      for (int voter = 1; voter <= 9; ++voter) {
        if (random.Below(3) == 0) unreachable.insert(NodeId(voter));
      }
      int yes = 0;
      int no = 0;
      for (const auto& [voter, answer] : twin) (answer ? yes : no)++;
      int silent = 0;
      for (int voter = 1; voter <= n; ++voter) silent += !twin.contains(voter) && unreachable.contains(NodeId(voter));
      REQUIRE(tally.Won() == (2 * yes > n));
      REQUIRE(tally.Lost({}) == (2 * (n - no) <= n));
      REQUIRE(tally.Lost(unreachable) == (no > 0 && 2 * (n - no - silent) <= n));
      REQUIRE(tally.Unanswered().size() == static_cast<size_t>(n - yes - no));
      REQUIRE(tally.Granting().size() == static_cast<size_t>(yes));
    }
  }
  CHECK_FALSE(VoteTally(VoterSet()).Won());
}

TEST_CASE("epoch index: end offsets and truncation as a list of epochs says") {
  Xoshiro random(3);
  for (int i = 0; i < 2'000; ++i) {
    EpochIndex index;
    std::vector<int> twin;  // epoch of each offset
    int epoch = 1;
    for (int step = 0; step < 40; ++step) {
      if (random.Below(5) == 0) {
        const size_t end = random.Below(twin.size() + 1);
        twin.resize(end);
        index.TruncateTo(Offset(static_cast<int64_t>(end)));
        epoch += 1;
      } else {
        epoch += static_cast<int>(random.Below(3) == 0 ? random.Below(3) : 0);
        index.Assign(Epoch(epoch), Offset(static_cast<int64_t>(twin.size())));
        twin.push_back(epoch);
      }
      REQUIRE(index.LastEpoch() == Epoch(twin.empty() ? 0 : twin.back()));
      const int asked = static_cast<int>(random.Below(static_cast<uint64_t>(epoch) + 2));
      LogPosition expected;
      for (size_t o = 0; o < twin.size() && twin[o] <= asked; ++o) {
        expected = {Epoch(twin[o]), Offset(static_cast<int64_t>(o) + 1)};
      }
      REQUIRE(index.EndOffsetFor(Epoch(asked), Offset(static_cast<int64_t>(twin.size()))) == expected);
      if (!twin.empty()) {
        const size_t at = random.Below(twin.size());
        REQUIRE(index.EpochAt(Offset(static_cast<int64_t>(at))) == Epoch(twin[at]));
      }
    }
  }
}

TEST_CASE("log tail: reads what a plain list would, within its bound") {
  Xoshiro random(4);
  for (int i = 0; i < 300; ++i) {
    const size_t bytes_max = 1 + random.Below(800);
    LogTail tail(bytes_max);
    std::vector<Batch> twin;
    for (int step = 0; step < 60; ++step) {
      if (random.Below(6) == 0 && !twin.empty()) {
        twin.resize(random.Below(twin.size() + 1));
        tail.TruncateTo(Offset(static_cast<int64_t>(twin.size())));
      } else {
        twin.push_back(OneCore::Data(static_cast<int64_t>(twin.size()), 1, std::string(random.Below(100), 'x')));
        tail.Append(twin.back());
      }
      const size_t from = random.Below(twin.size() + 2);
      const size_t most = random.Below(400);
      const std::vector<Batch> got = tail.Read(Offset(static_cast<int64_t>(from)), most);
      size_t bytes = 0;
      for (size_t k = 0; k < got.size(); ++k) {
        REQUIRE(got[k].crc() == twin[from + k].crc());
        bytes += got[k].size();
      }
      REQUIRE((got.size() <= 1 || bytes <= most));
      REQUIRE((tail.bytes() <= bytes_max || tail.Read(Offset(static_cast<int64_t>(twin.size()) - 1), 0).size() == 1));
      if (!twin.empty()) REQUIRE((tail.bytes() == 0 || !tail.Read(Offset(int64_t(twin.size()) - 1), 0).empty()));
    }
  }
}

TEST_CASE("M-33: the voter set in force is the latest in the log, and goes back when it is truncated") {
  Xoshiro random(5);
  VoterHistory history(Voters({1}));
  std::vector<std::pair<int64_t, VoterSet>> twin = {{-1, Voters({1})}};
  int64_t end = 0;
  for (int i = 0; i < 2'000; ++i) {
    if (random.Below(3) == 0) {
      end = static_cast<int64_t>(random.Below(static_cast<uint64_t>(end) + 1));
      history.TruncateTo(Offset(end));
      while (twin.back().first >= end) twin.pop_back();
    } else {
      const VoterSet voters = Voters({1, static_cast<int>(2 + random.Below(50))});
      history.Append(Offset(end), voters);
      twin.emplace_back(end, voters);
      end += static_cast<int64_t>(1 + random.Below(3));
    }
    REQUIRE(history.Latest() == twin.back().second);
    REQUIRE(history.has_record() == (twin.size() > 1));
  }
}

TEST_CASE("voter sets: membership is by replica key, and senseless sets are refused") {
  const VoterSet voters = Voters({3, 1, 2});
  CHECK(voters.voters().front().key.id == NodeId(1));  // sorted
  CHECK(voters.Contains(OneCore::Key(2)));
  CHECK(voters.Contains(ReplicaKey{NodeId(2), DirectoryId()}));
  CHECK_FALSE(voters.Contains(ReplicaKey{NodeId(2), DirectoryId(Uuid(5, 500))}));
  CHECK_FALSE(voters.IsSoleVoter(OneCore::Key(1)));
  CHECK(Voters({1}).IsSoleVoter(OneCore::Key(1)));
  CHECK(VoterSet::Check({Voter{OneCore::Key(1), {}, 0, 1}, Voter{OneCore::Key(1), {}, 0, 1}}).ok() == false);
  CHECK(VoterSet::Check({Voter{ReplicaKey{NodeId(-3), DirectoryId()}, {}, 0, 1}}).ok() == false);
  CHECK(VoterSet::Check(std::vector<Voter>(40)).ok() == false);
}

TEST_CASE("outbox: what was said before a store leaves at once, what was said after waits, in order") {
  Xoshiro random(6);
  Outbox outbox;
  uint64_t next = 0;
  uint64_t requested = 0;
  uint64_t stored = 0;
  std::vector<std::pair<uint64_t, uint64_t>> twin;  // (message, needs)
  for (int i = 0; i < 5'000; ++i) {
    switch (random.Below(4)) {
      case 0:
        requested = outbox.BeginStore();
        break;
      case 1:
        stored = std::max(stored, random.Below(requested + 1));
        outbox.Stored(stored);
        break;
      case 2: {
        Message message;
        message.request_id = ++next;
        twin.emplace_back(next, requested);
        outbox.Send(std::move(message));
        break;
      }
      default:
        for (const Message& message : outbox.Take()) {
          REQUIRE_FALSE(twin.empty());
          REQUIRE(message.request_id == twin.front().first);
          REQUIRE(twin.front().second <= stored);
          twin.erase(twin.begin());
        }
        REQUIRE((twin.empty() || twin.front().second > stored));
    }
  }
}

TEST_CASE("outbox: a store that was never asked for opens nothing, and a hanging disk holds only so much") {
  Outbox outbox;
  outbox.BeginStore();
  outbox.Stored(7);
  for (size_t i = 0; i < Outbox::kHeldMax + 10; ++i) outbox.Send(Message());
  CHECK(outbox.Take().empty());
  outbox.Stored(1);
  CHECK(outbox.Take().size() == Outbox::kHeldMax);
}

TEST_CASE("timing: random waits stay within their ranges, and successors wait ever longer") {
  Xoshiro random(7);
  const QuorumTimeouts timeouts;
  const Timing timing(timeouts, &random);
  for (int i = 0; i < 1'000; ++i) {
    const absl::Duration election = timing.Election();
    REQUIRE(election >= timeouts.election);
    REQUIRE(election < 2 * timeouts.election);
    const absl::Duration round_trip = absl::Milliseconds(random.Below(200));
    const absl::Duration backoff = timing.Backoff(1 + static_cast<int>(random.Below(60)), round_trip);
    REQUIRE(backoff >= absl::Milliseconds(1));
    REQUIRE(backoff <= timeouts.election_backoff_max);
    REQUIRE(timing.Backoff(1, absl::ZeroDuration()) <= absl::Milliseconds(21));
    REQUIRE(timing.Backoff(1, round_trip) <= 2 * std::max(round_trip, absl::Milliseconds(10)) + absl::Milliseconds(1));
    REQUIRE(timing.Stagger(round_trip) >= round_trip + absl::Milliseconds(10));
    REQUIRE(timing.Stagger(round_trip) < round_trip + absl::Milliseconds(20));
  }
  for (size_t count = 1; count <= 31; ++count) {
    CHECK(timing.SuccessorWait(0, count) == absl::ZeroDuration());
    for (size_t position = 2; position <= count; ++position) {
      CHECK(timing.SuccessorWait(position, count) >= timing.SuccessorWait(position - 1, count));
      CHECK(timing.SuccessorWait(position, count) <= timeouts.election_backoff_max);
    }
    CHECK(timing.SuccessorWait(count, count) == timeouts.election_backoff_max);
  }
}

TEST_CASE("recovery refuses gaps, falling epochs and unreadable control records, and finds what a core needs") {
  Recovery recovery;
  CHECK(recovery.Visit(OneCore::Data(0, 2)).ok());
  CHECK(recovery.Visit(OneCore::Data(1, 4)).ok());
  CHECK_FALSE(recovery.Visit(OneCore::Data(3, 4)).ok());
  CHECK_FALSE(recovery.Visit(OneCore::Data(2, 3)).ok());
  const absl::string_view text = "?";
  CHECK_FALSE(recovery.Visit(*Batch::Make({Offset(2), Epoch(4), BatchKind::kControl, 0, 0}, {&text, 1})).ok());
  const RecoveredState state = recovery.Finish({{}, {Epoch(4), Offset(2)}}, std::nullopt);
  REQUIRE(state.epochs.size() == 2);
  CHECK(state.epochs[1].epoch == Epoch(4));
  CHECK(state.epochs[1].start == Offset(1));
  CHECK(state.voters.empty());
}

}  // namespace
}  // namespace quorate::raft
