// Changes of the voter set in whole quorums: the way of each change and its refusals. What may begin is decided in
// membership_rules_test.cc; the interleavings that broke others are in membership_races_test.cc.
#include "raft/membership.h"

#include "quorate/status.h"
#include "raft/grown_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;

TEST_CASE("1 -> 3 -> 5 -> 3 voters, with writes all the way") {
  Grown c(Options(1, 4));
  int written = 0;
  const auto write = [&] { written += c.Leader() != 0 && c.Propose(c.Leader(), "x").ok() ? 1 : 0; };
  const auto change = [&](const VoterChange& what) {
    const uint64_t id = c.Change(c.Leader(), what);
    for (int i = 0; i < 4000 && !c.ChangeResult(id).has_value(); ++i) {
      write();
      c.RunFor(Milliseconds(2));
    }
    REQUIRE(c.ChangeResult(id).has_value());
    CHECK(c.ChangeResult(id)->ok());
    for (int i = 0; i < 10; ++i) {
      write();
      c.RunFor(Milliseconds(2));
    }
  };
  for (int id : {2, 3, 4, 5}) change(c.AddOf(id));
  CHECK(c.VoterIds() == Ids{1, 2, 3, 4, 5});
  change(c.RemoveOf(2));
  change(c.RemoveOf(c.Leader()));  // itself
  Settle(c);
  CHECK(c.VoterIds() == Ids{3, 4, 5});
  CHECK(written > 60);
  // The new set carries it alone.
  for (int id : {1, 2}) c.Crash(id);
  REQUIRE(c.Propose(c.Leader(), "after").ok());
  Settle(c);
  NoViolations(c);
}

TEST_CASE("an add shows its phases, and is asked of the endpoint before anything is written") {
  Grown c(Options(1, 1));
  const Offset before = c.core(1).log_end().end;
  std::vector<PendingVoterChange::Phase> phases;
  const uint64_t id = c.Change(1, c.AddOf(2));
  while (!c.ChangeResult(id).has_value()) {
    const auto pending = c.core(1).voter_change();
    if (pending.has_value() && (phases.empty() || phases.back() != pending->phase)) {
      phases.push_back(pending->phase);
      if (pending->phase != PendingVoterChange::Phase::kCommitting) CHECK(c.core(1).log_end().end == before);
      if (pending->phase == PendingVoterChange::Phase::kCommitting) {
        CHECK(pending->record == before);
        CHECK(c.core(1).committed_voters() != nullptr);
        CHECK(c.core(1).committed_voters()->size() == 1);
        CHECK(c.core(1).voters().size() == 2);  // in force at once
      }
    }
    c.RunFor(absl::Microseconds(50));
  }
  CHECK(c.ChangeResult(id)->ok());
  CHECK(phases.front() == PendingVoterChange::Phase::kProbing);
  CHECK(phases.back() == PendingVoterChange::Phase::kCommitting);
  CHECK_FALSE(c.core(1).voter_change().has_value());
  CHECK(c.core(1).committed_voters() == nullptr);
  NoViolations(c);
}

TEST_CASE("M-34: a newcomer far behind catches up before it votes, and its progress shows") {
  ClusterOptions options = Options(1, 1);
  options.fetch_credit_bytes = 2000;
  Grown c(options);
  c.Crash(2);
  for (int i = 0; i < 300; ++i) (void)c.Propose(1, std::string(1000, 'x'));
  c.Start(2);
  const uint64_t id = c.Change(1, c.AddOf(2));
  bool seen = false;
  REQUIRE(c.RunUntil(
      [&] {
        const auto pending = c.core(1).voter_change();
        if (pending.has_value() && pending->phase == PendingVoterChange::Phase::kCatchingUp) {
          CHECK(c.core(1).voters().size() == 1);
          seen = seen || (pending->caught_up_to > Offset(10) && pending->caught_up_to < pending->catch_up_target);
        }
        return c.ChangeResult(id).has_value();
      },
      Seconds(20)));
  CHECK(c.ChangeResult(id)->ok());
  CHECK(seen);
  NoViolations(c);
}

TEST_CASE("F-N15: an address at which nobody, or somebody else answers is never committed") {
  Grown c(Options(3, 2));
  VoterChange nowhere = c.AddOf(4);
  nowhere.voter.endpoints[0].port = 1;
  CHECK(ReasonOf(c.Ask(nowhere)) == Reason::kUnreachable);
  VoterChange elsewhere = c.AddOf(4);
  elsewhere.voter.endpoints[0] = c.address(5);
  CHECK(ReasonOf(c.Ask(elsewhere)) == Reason::kWrongReplica);
  VoterChange moved = c.UpdateOf(c.Other());
  moved.voter.endpoints[0].port = 1;
  CHECK(ReasonOf(c.Ask(moved)) == Reason::kUnreachable);
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  CHECK(OutcomeOf(c.Ask(nowhere)) == Outcome::kNotApplied);
  CHECK(DetailOf(c.Ask(nowhere))->retry_after > absl::ZeroDuration());
  NoViolations(c);
}

TEST_CASE("M-34: a newcomer that answers but doesn't fetch is refused and named") {
  Grown c(Options(3, 1));
  c.filter = [](const Message& m) { return !(m.from.id == NodeId(4) && std::holds_alternative<FetchRequest>(m.body)); };
  c.RunFor(Milliseconds(400));  // what it said before is no news
  const absl::Status refused = c.Ask(c.AddOf(4));
  CHECK(ReasonOf(refused) == Reason::kNotCaughtUp);
  CHECK(std::string(refused.message()).find("4:") != std::string::npos);
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  NoViolations(c);
}

TEST_CASE("a newcomer whose kraft.version doesn't fit, or that never votes, is refused") {
  ClusterOptions options = Options(3, 1);
  options.observers = 1;
  Grown c(options);
  CHECK(ReasonOf(c.Ask(c.AddOf(4))) == Reason::kWrongReplica);  // the observer
  c.Crash(5);
  c.config(5).kraft_version_min = c.config(5).kraft_version_max = 7;
  c.Start(5);
  CHECK(ReasonOf(c.Ask(c.AddOf(5))) == Reason::kUnsupportedVersion);
  NoViolations(c);
}

TEST_CASE("asking for the same twice is the same change; asking for another waits its turn") {
  Grown c(Options(3, 2));
  const int leader = c.Leader();
  const uint64_t first = c.Change(leader, c.AddOf(4));
  const uint64_t again = c.Change(leader, c.AddOf(4));
  const uint64_t other = c.Change(leader, c.AddOf(5));
  CHECK(ReasonOf(*c.ChangeResult(other)) == Reason::kChangePending);
  CHECK(Await(c, first).ok());
  CHECK(Await(c, again).ok());
  CHECK(c.Ask(c.AddOf(4)).ok());  // and once more, when it is done
  CHECK(c.Ask(c.RemoveOf(4)).ok());
  CHECK(c.Ask(c.RemoveOf(4)).ok());
  CHECK(ReasonOf(c.Ask(c.RemoveOf(5))) == Reason::kVoterNotFound);
  NoViolations(c);
}

TEST_CASE("a change is asked of the leader; elsewhere the answer says where that is") {
  Grown c(Options(3, 1));
  const absl::Status refused = Await(c, c.Change(c.Other(), c.AddOf(4)));
  CHECK(ReasonOf(refused) == Reason::kNotLeader);
  CHECK(LeaderHintFrom(refused)->id == NodeId(c.Leader()));
}

TEST_CASE("a dry run changes nothing and says what would be said") {
  Grown c(Options(3, 1));
  const int leader = c.Leader();
  const auto dry = [&](const VoterChange& change) { return Await(c, c.Change(leader, change, Seconds(1), true)); };
  CHECK(dry(c.AddOf(4)).ok());
  CHECK(dry(c.RemoveOf(1)).ok());
  CHECK(ReasonOf(dry(c.RemoveOf(4))) == Reason::kVoterNotFound);
  c.Crash(4);
  c.Crash(leader == 3 ? 2 : 3);
  c.RunFor(Seconds(1));
  CHECK(ReasonOf(dry(c.AddOf(4))) == Reason::kNotCaughtUp);
  CHECK(ReasonOf(dry(c.RemoveOf(leader))) == Reason::kUnsafeChange);
  CHECK(c.core(leader).voters().size() == 3);
  CHECK_FALSE(c.core(leader).voter_change().has_value());
  NoViolations(c);
}

TEST_CASE("the deadline ends the waiting: before the record nothing happens, behind it it still may") {
  Grown c(Options(3, 1));
  const int leader = c.Leader();
  VoterChange nowhere = c.AddOf(4);
  nowhere.voter.endpoints[0].port = 1;
  const absl::Status early = Await(c, c.Change(leader, nowhere, Milliseconds(50)));
  CHECK(ReasonOf(early) == Reason::kDeadlineExceeded);
  CHECK(OutcomeOf(early) == Outcome::kNotApplied);
  CHECK_FALSE(c.core(leader).voter_change().has_value());

  for (int id = 1; id <= 3; ++id) c.HoldDisk(id, true);
  const absl::Status late = Await(c, c.Change(leader, c.RemoveOf(c.Other()), Milliseconds(50)));
  CHECK(ReasonOf(late) == Reason::kDeadlineExceeded);
  CHECK(OutcomeOf(late) == Outcome::kUnknown);
  CHECK(c.core(leader).voter_change().has_value());
  for (int id = 1; id <= 3; ++id) c.HoldDisk(id, false);
  REQUIRE(c.RunUntil([&] { return !c.core(leader).voter_change().has_value(); }, Seconds(2)));
  CHECK(c.VoterIds().size() == 2);
  NoViolations(c);
}

TEST_CASE("a leader that loses its place answers each asker once, with what it can know") {
  Grown c(Options(3, 1));
  const int leader = c.Leader();
  c.filter = [](const Message& m) { return !std::holds_alternative<ProbeRequest>(m.body); };
  const uint64_t early = c.Change(leader, c.AddOf(4));
  const uint64_t joined = c.Change(leader, c.AddOf(4));
  c.Do(leader, [](Core& core, Instant now) { core.Resign(now, false); });
  for (uint64_t id : {early, joined}) {
    CHECK(ReasonOf(Await(c, id)) == Reason::kLeadershipLost);
    CHECK(OutcomeOf(Await(c, id)) == Outcome::kNotApplied);
  }
  c.filter = nullptr;
  Settle(c);
  const int next = c.Leader();
  for (int id = 1; id <= 3; ++id) c.HoldDisk(id, true);
  const uint64_t late = c.Change(next, c.RemoveOf(next));
  c.Do(next, [](Core& core, Instant now) { core.Resign(now, false); });
  CHECK(OutcomeOf(Await(c, late)) == Outcome::kUnknown);
  NoViolations(c);
}

TEST_CASE("only a replica itself may ask by message, and not for another") {
  Grown c(Options(3, 1));
  const int leader = c.Leader();
  const auto ask = [&](int from, const VoterChange& change) {
    Message m;
    m.cluster_id = c.cluster_id();
    m.from = c.key(from);
    m.from_incarnation = c.incarnation(from);
    m.to = c.key(leader);
    m.request_incarnation = m.from_incarnation;
    m.request_id = 77;
    m.body = VoterChangeRequest{c.core(leader).epoch(), change};
    c.record_sent = true;
    c.ForgetSent();
    c.Inject(leader, m);
    c.RunFor(Milliseconds(100));
    for (const Message& sent : c.sent()) {
      if (const auto* answer = std::get_if<VoterChangeResponse>(&sent.body)) return answer->error;
    }
    return PeerError::kShuttingDown;
  };
  const int other = c.Other();
  CHECK(ask(other, c.AddOf(4)) == PeerError::kInvalidRequest);
  CHECK(ask(other, c.RemoveOf(leader)) == PeerError::kInvalidRequest);
  CHECK(ask(4, c.UpdateOf(4)) == PeerError::kVoterChangeRefused);
  CHECK(ask(4, c.AddOf(4)) == PeerError::kNone);
  CHECK(c.VoterIds() == Ids{1, 2, 3, 4});
  NoViolations(c);
}

TEST_CASE("the askers of one change are bounded") {
  Grown c(Options(3, 1));
  const int leader = c.Leader();
  c.filter = [](const Message& m) { return !std::holds_alternative<ProbeRequest>(m.body); };
  std::vector<uint64_t> ids;
  for (size_t i = 0; i <= RunningChange::kAskersMax; ++i) ids.push_back(c.Change(leader, c.AddOf(4)));
  CHECK(ReasonOf(*c.ChangeResult(ids.back())) == Reason::kOverloaded);
  c.filter = nullptr;
  for (size_t i = 0; i < RunningChange::kAskersMax; ++i) CHECK(Await(c, ids[i]).ok());
}

}  // namespace
}  // namespace quorate::raft
