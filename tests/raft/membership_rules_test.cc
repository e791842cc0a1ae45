// Which changes of the voter set may begin, what they lead to, and when a newcomer has caught up: arithmetic only.
#include "raft/membership_rules.h"

#include "absl/strings/match.h"
#include "base/xoshiro.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/catch_up.h"
#include "raft/control_records.h"
#include "raft/one_core.h"
#include "raft/quorum.h"
#include "support/catch.h"

namespace quorate::raft {
namespace {

Voter MakeVoter(int id) { return Voter{OneCore::Key(id), {OneCore::Address(id)}, 0, 1}; }

VoterSet MakeSet(const std::vector<int>& ids) {
  std::vector<Voter> voters;
  for (int id : ids) voters.push_back(MakeVoter(id));
  return VoterSet(std::move(voters));
}

VoterChange Change(VoterChange::Kind kind, int id) { return VoterChange{kind, MakeVoter(id), false}; }
VoterChange Add(int id) { return Change(VoterChange::Kind::kAdd, id); }
VoterChange Remove(int id) { return Change(VoterChange::Kind::kRemove, id); }
VoterChange Update(int id) { return Change(VoterChange::Kind::kUpdate, id); }

// A leader that could do anything, over `set`, all alive.
struct Leader {
  explicit Leader(VoterSet in_force) : set(std::move(in_force)) {
    view.voters = &set;
    view.leader_ready = view.voters_committed = true;
    view.listener = "CONTROLLER";
    view.retry_after = absl::Milliseconds(600);
    for (const Voter& voter : set.voters()) view.alive.push_back(voter.key);
  }
  void Dead(int id) {
    std::erase_if(view.alive, [&](const ReplicaKey& key) { return key.id == NodeId(id); });
  }
  Reason Refusal(const VoterChange& change) const {
    const auto verdict = JudgeVoterChange(view, change);
    if (verdict.ok()) return Reason::kUnspecified;
    CHECK(OutcomeOf(verdict.status()) == Outcome::kNotApplied);
    CHECK_FALSE(verdict.status().message().empty());
    return ReasonOf(verdict.status());
  }
  bool Goes(const VoterChange& change) const {
    const auto verdict = JudgeVoterChange(view, change);
    return verdict.ok() && *verdict == Verdict::kGo;
  }
  bool Done(const VoterChange& change) const {
    const auto verdict = JudgeVoterChange(view, change);
    return verdict.ok() && *verdict == Verdict::kAlreadyDone;
  }

  VoterSet set;
  MembershipView view;
};

TEST_CASE("a change that nothing speaks against may begin") {
  const Leader leader(MakeSet({1, 2, 3}));
  CHECK(leader.Goes(Add(4)));
  CHECK(leader.Goes(Remove(3)));
  VoterChange moved = Update(2);
  moved.voter.endpoints[0].port = 1;
  CHECK(leader.Goes(moved));
}

TEST_CASE("a voter that another one couldn't reach gets no second one at its side, and the refusal says what to do") {
  Leader leader(MakeSet({1}));
  leader.set = VoterSet({Voter{OneCore::Key(1), {}, 0, 1}});
  leader.view.listener = "";
  CHECK(leader.Refusal(Add(2)) == Reason::kNoEndpoint);
  const absl::Status refused = JudgeVoterChange(leader.view, Add(2)).status();
  CHECK_FALSE(IsRetriable(refused));
  CHECK(absl::StrContains(refused.message(), "voter 1:"));
  CHECK(absl::StrContains(refused.message(), "start node 1 with advertised endpoints first"));
  CHECK(leader.Goes(Update(1)));  // which is how it gets one
  leader.set = MakeSet({1});
  CHECK(leader.Goes(Add(2)));
}

TEST_CASE("requests that make no sense are refused before anything else is looked at") {
  Leader leader(MakeSet({1, 2, 3}));
  leader.view.leader_ready = false;  // would be refused for this, too
  VoterChange change = Add(4);
  SECTION("negative id") { change.voter.key.id = NodeId(-7); }
  SECTION("no directory") { change.voter.key.directory = DirectoryId(); }
  SECTION("reserved directory") { change.voter.key.directory = DirectoryId(Uuid(0, 7)); }
  SECTION("no endpoint") { change.voter.endpoints.clear(); }
  SECTION("another listener than the leader's") { change.voter.endpoints[0].listener = "BROKER"; }
  SECTION("port 0") { change.voter.endpoints[0].port = 0; }
  SECTION("no host") { change.voter.endpoints[0].host.clear(); }
  SECTION("host too long") { change.voter.endpoints[0].host = std::string(limits::kHostNameBytesMax + 1, 'h'); }
  SECTION("too many endpoints") { change.voter.endpoints.resize(limits::kEndpointsMax + 1, OneCore::Address(4)); }
  SECTION("version range upside down") { change.voter.kraft_version_min = 5; }
  CHECK(leader.Refusal(change) == Reason::kInvalidArgument);
  change.kind = VoterChange::Kind::kUpdate;
  CHECK(leader.Refusal(change) == Reason::kInvalidArgument);
}

TEST_CASE("M-32: one change at a time, by a leader that has committed in its epoch, on a set that is committed") {
  Leader leader(MakeSet({1, 2, 3}));
  const VoterChange running = Add(5);
  for (const VoterChange& change : {Add(4), Remove(3), Update(2)}) {
    leader.view.running = &running;
    CHECK(leader.Refusal(change) == Reason::kChangePending);
    CHECK(KafkaErrorOf(JudgeVoterChange(leader.view, change).status()) == 7);
    CHECK(DetailOf(JudgeVoterChange(leader.view, change).status())->retry_after == absl::Milliseconds(600));
    leader.view.running = nullptr;
    leader.view.leader_ready = false;
    CHECK(leader.Refusal(change) == Reason::kLeaderNotReady);
    leader.view.leader_ready = true;
    leader.view.voters_committed = false;
    CHECK(leader.Refusal(change) == Reason::kChangePending);
    leader.view.voters_committed = true;
  }
}

TEST_CASE("M-37: an id votes once; adding what is there is done, another directory or endpoint is refused") {
  const Leader leader(MakeSet({1, 2, 3}));
  CHECK(leader.Done(Add(2)));
  VoterChange elsewhere = Add(2);
  elsewhere.voter.endpoints[0].port = 77;
  CHECK(leader.Refusal(elsewhere) == Reason::kVoterExists);
  VoterChange other_disk = Add(2);
  other_disk.voter.key.directory = DirectoryId(Uuid(5, 5));
  CHECK(leader.Refusal(other_disk) == Reason::kVoterExists);
  CHECK(KafkaErrorOf(JudgeVoterChange(leader.view, other_disk).status()) == 126);
}

TEST_CASE("removing whom nobody knows, another disk, or somebody twice") {
  const Leader leader(MakeSet({1, 2, 3}));
  CHECK(leader.Refusal(Remove(9)) == Reason::kVoterNotFound);
  CHECK(KafkaErrorOf(JudgeVoterChange(leader.view, Remove(9)).status()) == 127);
  VoterChange other_disk = Remove(2);
  other_disk.voter.key.directory = DirectoryId(Uuid(5, 5));
  CHECK(leader.Refusal(other_disk) == Reason::kVoterNotFound);
  const Leader after(Changed(leader.set, Remove(2)));
  CHECK(after.Done(Remove(2)));
}

TEST_CASE("a removal must leave a living majority, and somebody") {
  Leader leader(MakeSet({1, 2, 3}));
  leader.Dead(3);
  CHECK(leader.Goes(Remove(3)));                              // the dead one: 2 of 2 remain
  CHECK(leader.Refusal(Remove(2)) == Reason::kUnsafeChange);  // 1 of 2
  CHECK(Leader(MakeSet({1})).Refusal(Remove(1)) == Reason::kUnsafeChange);
  CHECK(Leader(MakeSet({1, 2})).Goes(Remove(1)));
}

TEST_CASE("whether it is safe to stop a voter is another question than whether it is safe to remove it") {
  Leader leader(MakeSet({1, 2, 3, 4}));
  leader.Dead(4);
  CHECK(leader.Goes(Remove(3)));                                                      // {1, 2, 4}: two of three
  CHECK(ReasonOf(JudgeStop(leader.view, OneCore::Key(3))) == Reason::kUnsafeChange);  // two of four
  CHECK(JudgeStop(leader.view, OneCore::Key(4)).ok());                                // it is down already
  CHECK(JudgeStop(Leader(MakeSet({1, 2, 3})).view, OneCore::Key(1)).ok());
}

TEST_CASE("M-36: a removed replica isn't let in by itself; who is asked back in may come and go again") {
  VoterSet set = Changed(MakeSet({1, 2, 3}), Remove(3));
  CHECK(set.WasRemoved(OneCore::Key(3)));
  VoterChange by_itself = Add(3);
  by_itself.automatic = true;
  CHECK(Leader(set).Refusal(by_itself) == Reason::kVoterRemoved);
  VoterChange new_disk = by_itself;
  new_disk.voter.key.directory = DirectoryId(Uuid(5, 5));
  CHECK(Leader(set).Goes(new_disk));
  CHECK(Leader(set).Goes(Add(3)));
  set = Changed(set, Add(3));
  CHECK_FALSE(set.WasRemoved(OneCore::Key(3)));
  CHECK(set.Contains(OneCore::Key(3)));
}

TEST_CASE("a replica that asks for its old disk's removal is refused while that disk is alive elsewhere") {
  Leader leader(MakeSet({1, 2, 3}));
  VoterChange old_disk = Remove(3);
  old_disk.automatic = true;
  CHECK(leader.Refusal(old_disk) == Reason::kUnsafeChange);
  leader.Dead(3);
  CHECK(leader.Goes(old_disk));
}

TEST_CASE("the list of removed replicas is bounded, survives encoding, and keeps the newest") {
  VoterSet set = MakeSet({1, 2});
  for (int id = 10; id < 10 + static_cast<int>(limits::kRemovedVotersMax) + 5; ++id) {
    set = Changed(Changed(set, Add(id)), Remove(id));
  }
  CHECK(set.removed().size() == limits::kRemovedVotersMax);
  CHECK_FALSE(set.WasRemoved(OneCore::Key(14)));
  CHECK(set.WasRemoved(OneCore::Key(15)));
  const VotersRecord record{set.voters(), set.removed()};
  const auto decoded = DecodeControlRecord(EncodeControlRecord(record));
  REQUIRE(decoded.ok());
  CHECK(std::get<VotersRecord>(*decoded) == record);
  VotersRecord too_many = record;
  too_many.removed.push_back(OneCore::Key(9));
  CHECK_FALSE(DecodeControlRecord(EncodeControlRecord(too_many)).ok());
}

TEST_CASE("an update replaces the endpoints of a voter, and records a directory that wasn't") {
  VoterSet set({Voter{ReplicaKey{NodeId(1), DirectoryId()}, {OneCore::Address(1)}, 0, 1}, MakeVoter(2)});
  CHECK(Leader(set).Goes(Update(1)));
  set = Changed(set, Update(1));
  CHECK(set == MakeSet({1, 2}));
  CHECK(Leader(set).Done(Update(1)));
  CHECK(Leader(set).Refusal(Update(3)) == Reason::kVoterNotFound);
}

TEST_CASE("I-14, I-15: every change that may begin leaves any two majorities with a member in common") {
  Xoshiro random(5);
  VoterSet set = MakeSet({1, 2, 3});
  for (int i = 0; i < 5000; ++i) {
    const VoterChange change = Change(random.Below(2) == 0 ? VoterChange::Kind::kAdd : VoterChange::Kind::kRemove,
                                      static_cast<int>(1 + random.Below(7)));
    if (!Leader(set).Goes(change)) continue;
    const VoterSet next = Changed(set, change);
    REQUIRE(VoterSet::Check(next.voters()).ok());
    // All groups of the seven ids, the dumb way.
    const auto deciding = [](const VoterSet& voters, unsigned group) {
      size_t votes = 0;
      for (const Voter& voter : voters.voters()) votes += group >> voter.key.id.value() & 1;
      return votes >= MajorityOf(voters.size());
    };
    for (unsigned group = 0; group < 256; ++group) {
      if (deciding(set, group)) REQUIRE_FALSE(deciding(next, ~group & 0xFF));
    }
    set = next;
  }
}

TEST_CASE("F-N15: an endpoint must answer as the replica that is added, vote, and speak the version in force") {
  const VoterChange change = Add(4);
  ProbeResponse answer{PeerError::kNone, Epoch(1), {}, 0, 1};
  CHECK(JudgeProbe(change, OneCore::Key(4), answer, 1).ok());
  CHECK(ReasonOf(JudgeProbe(change, OneCore::Key(5), answer, 1)) == Reason::kWrongReplica);
  CHECK(ReasonOf(JudgeProbe(change, ReplicaKey{NodeId(4), DirectoryId(Uuid(5, 5))}, answer, 1)) ==
        Reason::kWrongReplica);
  CHECK(ReasonOf(JudgeProbe(change, OneCore::Key(4), answer, 2)) == Reason::kUnsupportedVersion);
  answer.error = PeerError::kInvalidRequest;
  CHECK(ReasonOf(JudgeProbe(change, OneCore::Key(4), answer, 1)) == Reason::kWrongReplica);
}

TEST_CASE("who asks for the same may wait with the first; what differs may not") {
  CHECK(IsSameChange(Add(4), Add(4)));
  VoterChange by_itself = Add(4);
  by_itself.automatic = true;
  CHECK(IsSameChange(Add(4), by_itself));
  VoterChange elsewhere = Add(4);
  elsewhere.voter.endpoints[0].port = 1;
  CHECK_FALSE(IsSameChange(Add(4), elsewhere));
  VoterChange remove = Remove(4);
  remove.voter.endpoints.clear();
  CHECK(IsSameChange(Remove(4), remove));  // endpoints say nothing there
  CHECK_FALSE(IsSameChange(Add(4), Remove(4)));
}

// ---- Catching up (M-34) ---------------------------------------------------------------------------------------

struct Newcomer {
  Instant at(int ms) const { return Instant::FromNanos(1'000'000'000) + absl::Milliseconds(ms); }
  CatchUp catch_up{at(0), Offset(1000), absl::Milliseconds(300), absl::Milliseconds(3000)};
  CatchUp::State Step(int ms, int64_t leader, int64_t durable, std::optional<int> fetched) {
    return catch_up.Step(at(ms), Offset(leader), Offset(durable),
                         fetched.has_value() ? std::make_optional(at(*fetched)) : std::nullopt);
  }
};

TEST_CASE("M-34: one that is there already has caught up at once") {
  Newcomer n;
  CHECK(n.Step(0, 1000, 1000, -10) == CatchUp::State::kDone);
}

TEST_CASE("M-34: a long first round is followed by shorter ones, each to the leader's end at its begin") {
  Newcomer n;
  CHECK(n.Step(10, 1100, 0, 10) == CatchUp::State::kRunning);
  CHECK(n.Step(1000, 5000, 1000, 1000) == CatchUp::State::kRunning);
  CHECK(n.catch_up.target() == Offset(5000));
  CHECK(n.Step(1200, 5600, 4999, 1200) == CatchUp::State::kRunning);
  CHECK(n.Step(1250, 5700, 5000, 1250) == CatchUp::State::kDone);
}

TEST_CASE("M-34: one that needs an election timeout for each round is refused after ten") {
  Newcomer n;
  int64_t end = 1000;
  for (int round = 1; round < CatchUp::kRoundsMax; ++round) {
    REQUIRE(n.Step(400 * round, end + 100, end, 400 * round) == CatchUp::State::kRunning);
    end += 100;
  }
  CHECK(n.Step(400 * CatchUp::kRoundsMax, end + 100, end, 400 * CatchUp::kRoundsMax) == CatchUp::State::kTooSlow);
}

TEST_CASE("M-34: one that never fetches is told from one that is slow; one that was there long ago isn't there") {
  Newcomer never;
  CHECK(never.Step(2999, 1000, -1, std::nullopt) == CatchUp::State::kRunning);
  CHECK(never.catch_up.Deadline() == never.at(3000));
  CHECK(never.Step(3000, 1000, -1, std::nullopt) == CatchUp::State::kSilent);
  Newcomer stopped;
  CHECK(stopped.Step(0, 1000, 1000, -5000) == CatchUp::State::kRunning);
  CHECK(stopped.Step(2000, 1000, 500, 1500) == CatchUp::State::kRunning);
  CHECK(stopped.Step(4499, 1000, 500, 1500) == CatchUp::State::kRunning);
  CHECK(stopped.Step(4500, 1000, 500, 1500) == CatchUp::State::kSilent);
}

}  // namespace
}  // namespace quorate::raft
