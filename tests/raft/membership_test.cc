// Changes of the voter set in whole quorums: the way of each change, its refusals, and the interleavings that broke
// others. What may begin is decided in membership_rules_test.cc.
#include "raft/membership.h"

#include "absl/strings/str_cat.h"
#include "quorate/status.h"
#include "raft/core_cluster.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

using absl::Milliseconds;
using absl::Seconds;
using Ids = std::vector<int>;

void NoViolations(CoreCluster& c) { REQUIRE(c.violations() == std::vector<std::string>()); }

// Waits for the answer.
absl::Status Await(CoreCluster& c, uint64_t change, absl::Duration at_most = Seconds(40)) {
  if (!c.RunUntil([&] { return c.ChangeResult(change).has_value(); }, at_most)) return absl::UnknownError("no answer");
  return *c.ChangeResult(change);
}

void Settle(CoreCluster& c) {
  REQUIRE(c.RunUntil([&] { return c.Settled(); }, Seconds(15)));
}

struct Grown : CoreCluster {
  explicit Grown(ClusterOptions options) : CoreCluster(std::move(options)) {
    StartAll();
    Settle(*this);
  }
  absl::Status Ask(const VoterChange& change) { return Await(*this, Change(Leader(), change)); }
  // Another node leads, than which ever does now.
  int Other() { return Leader() == 1 ? 2 : 1; }
};

ClusterOptions Options(int voters, int spares) {
  ClusterOptions o;
  o.voters = voters;
  o.spares = spares;
  return o;
}

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

TEST_CASE("M-35, C-14: a leader that is removed leads until the others have committed it, then no more") {
  for (int voters : {2, 3, 5}) {
    Grown c(Options(voters, 0));
    const int leader = c.Leader();
    CHECK(c.Ask(c.RemoveOf(leader)).ok());
    CHECK(c.core(leader).role() != ReplicaRole::kLeader);
    REQUIRE(c.RunUntil([&] { return c.Leader() != 0 && c.Leader() != leader && c.Settled(); }, Seconds(10)));
    CHECK(c.VoterIds().size() == static_cast<size_t>(voters - 1));
    // It goes on as an observer, and disturbs nobody (M-36).
    const Epoch epoch = c.core(c.Leader()).epoch();
    c.RunFor(Seconds(20));
    CHECK(c.core(c.Leader()).epoch() == epoch);
    CHECK(c.core(leader).leader().id == NodeId(c.Leader()));
    NoViolations(c);
  }
}

TEST_CASE("M-07: a leader outside its own set doesn't count itself") {
  Grown c(Options(2, 0));
  const int leader = c.Leader();
  const int other = 3 - leader;
  c.HoldDisk(other, true);
  const uint64_t id = c.Change(leader, c.RemoveOf(leader));
  c.RunFor(Milliseconds(300));
  // Its own disk has the record; that of the only voter doesn't.
  CHECK_FALSE(c.ChangeResult(id).has_value());
  CHECK(c.core(leader).voters().size() == 1);
  CHECK(c.core(leader).high_watermark() < c.core(leader).log_end().end);
  c.HoldDisk(other, false);
  CHECK(Await(c, id).ok());
  NoViolations(c);
}

TEST_CASE("M-35: two voters, one removes itself and crashes before the other has the record: both come back") {
  // The one with the longer log isn't in its own set, the other can't win without its vote (thesis section 4.2.2).
  Grown c(Options(2, 0));
  const int leader = c.Leader();
  const int other = 3 - leader;
  c.CutLink(leader, other);
  const uint64_t id = c.Change(leader, c.RemoveOf(leader));
  c.RunFor(Milliseconds(50));
  CHECK(c.synced(leader) == c.core(leader).log_end().end);
  c.Crash(leader);
  c.HealLinks();
  c.RunFor(Milliseconds(100));
  c.Start(leader);
  REQUIRE(c.RunUntil([&] { return c.Leader() == other && c.Settled(); }, Seconds(20)));
  CHECK(c.VoterIds() == Ids{other});
  CHECK_FALSE(c.ChangeResult(id).has_value());  // the asker went down with the node
  NoViolations(c);
}

TEST_CASE("a two-node shrink leaves one that knows that it is alone") {
  Grown c(Options(2, 0));
  const int leader = c.Leader();
  CHECK(c.Ask(c.RemoveOf(3 - leader)).ok());
  c.Crash(3 - leader);
  REQUIRE(c.Propose(leader, "alone").ok());
  c.RunFor(Seconds(2));
  CHECK(c.core(leader).role() == ReplicaRole::kLeader);
  CHECK(c.core(leader).high_watermark() == c.core(leader).log_end().end);
  NoViolations(c);
}

TEST_CASE("M-36: removed and added again in one process life; removed and left running, it stays out") {
  ClusterOptions options = Options(3, 1);
  options.auto_join = true;
  Grown c(options);
  // KIP-1186: by itself.
  REQUIRE(c.RunUntil([&] { return c.VoterIds().size() == 4 && c.Settled(); }, Seconds(20)));
  if (c.Leader() == 4) {
    (void)c.Transfer(4, std::nullopt);
    REQUIRE(c.RunUntil([&] { return c.Leader() != 4 && c.Settled(); }, Seconds(5)));
  }
  CHECK(c.Ask(c.RemoveOf(4)).ok());
  c.RunFor(Seconds(20));
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  c.Crash(4);
  c.Start(4);
  c.RunFor(Seconds(20));
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  CHECK(c.Ask(c.AddOf(4)).ok());
  CHECK(c.VoterIds() == Ids{1, 2, 3, 4});
  NoViolations(c);
}

TEST_CASE("F-D16, KIP-1186: a voter that lost its disk takes its own place again, under its new directory") {
  ClusterOptions options = Options(3, 0);
  options.auto_join = true;
  Grown c(options);
  const int victim = c.Other();
  const ReplicaKey old = c.key(victim);
  c.Crash(victim);
  c.Wipe(victim);
  c.Start(victim);
  REQUIRE(c.RunUntil(
      [&] {
        const Core& leader = c.core(c.Leader());
        return leader.committed_voters() == nullptr && leader.voters().size() == 3 &&
               VoterSet(leader.voters()).Find(old) == nullptr;
      },
      Seconds(30)));
  CHECK(VoterSet(c.core(c.Leader()).voters()).Contains(c.key(victim)));
  NoViolations(c);
}

TEST_CASE("replacing a disk by hand: the new one is refused until the old one is removed") {
  Grown c(Options(3, 0));
  const int victim = c.Other();
  const VoterChange remove = c.RemoveOf(victim);
  c.Crash(victim);
  c.Wipe(victim);
  c.Start(victim);
  c.RunFor(Seconds(1));
  CHECK(ReasonOf(c.Ask(c.AddOf(victim))) == Reason::kVoterExists);  // M-37
  CHECK(c.Ask(remove).ok());
  CHECK(c.Ask(c.AddOf(victim)).ok());
  CHECK(c.VoterIds() == Ids{1, 2, 3});
  NoViolations(c);
}

TEST_CASE("KIP-853: a voter that comes back at another address makes it known; a leader does so for itself") {
  Grown c(Options(3, 0));
  const auto knows = [&](int moved) {
    for (int id = 1; id <= 3; ++id) {
      const Voter* voter = VoterSet(c.core(id).voters()).FindById(NodeId(moved)) == nullptr
                               ? nullptr
                               : &c.core(id).voters()[static_cast<size_t>(moved - 1)];
      if (voter == nullptr || voter->endpoints.front() != c.address(moved)) return false;
    }
    return true;
  };
  for (int moved : {1, 2, 3}) {
    c.Crash(moved);
    c.Move(moved);
    c.Start(moved);
    INFO("node " << moved);
    REQUIRE(c.RunUntil([&] { return c.Settled() && knows(moved); }, Seconds(20)));
  }
  NoViolations(c);
}

TEST_CASE("a sole voter that moved writes down its own address") {
  Grown c(Options(1, 0));
  c.Crash(1);
  c.Move(1);
  c.Start(1);
  REQUIRE(c.RunUntil([&] { return c.core(1).voters()[0].endpoints.front() == c.address(1); }, Seconds(5)));
  NoViolations(c);
}

TEST_CASE("the leader's new address costs it nothing: the connection that ends isn't its loss") {
  Grown c(Options(3, 0));
  const int leader = c.Leader();
  const Epoch epoch = c.core(leader).epoch();
  Endpoint elsewhere = c.address(leader);
  elsewhere.host = "alias";
  c.RunFor(Seconds(1));
  for (int id = 1; id <= 3; ++id) {
    if (id == leader) continue;
    // The followers learn an address at which nobody connects yet; the driver drops the old connection.
    BeginEpochRequest begin{epoch, {elsewhere}};
    Message m;
    m.cluster_id = c.cluster_id();
    m.from = c.key(leader);
    m.from_incarnation = c.incarnation(leader);
    m.to = c.key(id);
    m.request_incarnation = m.from_incarnation;
    m.request_id = 1;
    m.body = begin;
    c.Inject(id, m);
  }
  c.RunFor(Milliseconds(90));
  for (int id = 1; id <= 3; ++id) CHECK(c.core(id).epoch() == epoch);
  CHECK(c.Leader() == leader);
  for (int id = 1; id <= 3; ++id) {
    if (id != leader) CHECK(c.core(id).role() == ReplicaRole::kFollower);
  }
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

// ---- The bug of 2015, in its three shapes ---------------------------------------------------------------------
//
// Leader A appends a change that nobody else gets. Leader B of the next epoch, which doesn't know of it, makes another
// one and commits it. Then A wins again, by the majority of *its* set, and overwrites what B committed. M-32 forbids
// B's change until B has committed a record of its own epoch: then a majority of the old set has a newer log than A.

struct TwoLeaders : Grown {
  explicit TwoLeaders(ClusterOptions options) : Grown(std::move(options)) {}
  // Returns the new leader, which hasn't committed anything in its epoch; the old one has `change` in its log, alone.
  int Begin(const VoterChange& change, const Ids& with_old) {
    old_leader = Leader();
    for (int id = 1; id <= 4; ++id) {
      if (id != old_leader) CutLink(old_leader, id);
    }
    Change(old_leader, change);
    RunFor(Milliseconds(20));
    for (int id : with_old) {
      for (int other = 1; other <= 4; ++other) {
        if (other != id && other != old_leader) CutLink(id, other);
      }
    }
    // The others elect; what the winner then appends reaches nobody.
    filter = [this](const Message& m) {
      const auto* push = std::get_if<FetchResponse>(&m.body);
      return push == nullptr || push->batches.empty() || m.from.id == NodeId(old_leader);
    };
    RunUntil([&] { return Leader() != old_leader && Leader() != 0; }, Seconds(5));
    return Leader();
  }
  int old_leader = 0;
};

TEST_CASE("M-32, C-15: the single-server bug of 2015, add against add") {
  TwoLeaders c(Options(4, 2));
  const int next = c.Begin(c.AddOf(5), {});
  REQUIRE(next != c.old_leader);
  CHECK(ReasonOf(*c.ChangeResult(c.Change(next, c.AddOf(6)))) == Reason::kLeaderNotReady);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  NoViolations(c);
}

TEST_CASE("M-32, C-15: the single-server bug of 2015, add against remove") {
  TwoLeaders c(Options(4, 1));
  const int next = c.Begin(c.AddOf(5), {});
  REQUIRE(next != c.old_leader);
  CHECK(ReasonOf(*c.ChangeResult(c.Change(next, c.RemoveOf(c.old_leader)))) == Reason::kLeaderNotReady);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  NoViolations(c);
}

TEST_CASE("M-32, C-15: the single-server bug of 2015, remove against remove") {
  TwoLeaders c(Options(4, 0));
  const int victim = c.Leader() == 1 ? 2 : 1;
  const int next = c.Begin(c.RemoveOf(victim), {});
  REQUIRE(next != c.old_leader);
  CHECK(ReasonOf(*c.ChangeResult(c.Change(next, c.RemoveOf(c.old_leader)))) == Reason::kLeaderNotReady);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  NoViolations(c);
}

TEST_CASE("M-33, C-13: a change that only the deposed leader has is rolled back with its record") {
  TwoLeaders c(Options(4, 0));
  const int victim = c.Leader() == 1 ? 2 : 1;
  const int next = c.Begin(c.RemoveOf(victim), {});
  REQUIRE(next != c.old_leader);
  CHECK(c.core(c.old_leader).voters().size() == 3);
  c.filter = nullptr;
  c.HealLinks();
  Settle(c);
  for (int id = 1; id <= 4; ++id) {
    CHECK(c.core(id).voters().size() == 4);
    CHECK(c.core(id).committed_voters() == nullptr);
  }
  NoViolations(c);
}

TEST_CASE("M-06, C-16: a replica that doesn't know yet that it votes answers a candidate which does") {
  Grown c(Options(1, 1));
  REQUIRE(c.Ask(c.AddOf(2)).ok());
  Settle(c);
  // Its disk loses the record that made it a voter, as if it had never arrived; then the leader restarts.
  c.Crash(2);
  c.RollBack(2, 1);
  c.Crash(1);
  c.Start(1);
  c.Start(2);
  CHECK(c.core(2).voters().size() == 1);
  REQUIRE(c.RunUntil([&] { return c.Leader() == 1 && c.Settled(); }, Seconds(10)));
  CHECK(c.VoterIds() == Ids{1, 2});
  NoViolations(c);
}

}  // namespace
}  // namespace quorate::raft
