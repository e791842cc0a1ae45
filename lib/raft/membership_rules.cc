#include "raft/membership_rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/simulation.h"
#include "quorate/limits.h"
#include "quorate/status.h"
#include "raft/quorum.h"

namespace quorate::raft {
namespace {

// Kafka's numbers for these refusals (KIP-853).
constexpr int16_t kRequestTimedOut = 7;
constexpr int16_t kInvalidRequest = 42;
constexpr int16_t kDuplicateVoter = 126;
constexpr int16_t kVoterNotFound = 127;

absl::Status Refuse(Reason reason, int16_t kafka_error, absl::Duration retry_after, absl::string_view why) {
  StatusDetail detail;
  detail.reason = reason;
  detail.outcome = Outcome::kNotApplied;
  detail.kafka_error = kafka_error;
  detail.retry_after = retry_after;
  return MakeError(detail, why);
}

absl::Status Invalid(absl::string_view why) {
  return Refuse(Reason::kInvalidArgument, kInvalidRequest, absl::ZeroDuration(), why);
}

// The checks of the request alone.
absl::Status CheckRequest(const MembershipView& view, const VoterChange& change) {
  const Voter& voter = change.voter;
  if (voter.key.id < NodeId(0)) return Invalid(absl::StrCat("voter id ", voter.key.id.value(), " is negative"));
  if (voter.key.directory.value().is_reserved()) {
    return Invalid(absl::StrCat("voter ", voter.key.id.value(),
                                " needs its directory id, the one in its meta.properties; '",
                                voter.key.directory.ToString(), "' is none"));
  }
  if (change.kind == VoterChange::Kind::kRemove) return absl::OkStatus();
  if (voter.kraft_version_min < 0 || voter.kraft_version_max < voter.kraft_version_min) {
    return Invalid(absl::StrCat("kraft.version range ", voter.kraft_version_min, "..", voter.kraft_version_max));
  }
  const auto bad = std::find_if(voter.endpoints.begin(), voter.endpoints.end(), [](const Endpoint& e) {
    return e.port == 0 || e.host.empty() || e.host.size() > limits::kHostNameBytesMax ||
           e.listener.size() > limits::kListenerNameBytesMax;
  });
  if (bad != voter.endpoints.end()) {
    return Invalid(absl::StrCat("'", bad->ToString().substr(0, 300),
                                "' can't be reached by anybody: an endpoint has a host and a port"));
  }
  const bool has_listener = std::any_of(voter.endpoints.begin(), voter.endpoints.end(), [&](const Endpoint& e) {
    return view.listener.empty() || e.listener == view.listener;
  });
  if (!has_listener) {
    return Invalid(absl::StrCat("the endpoints of voter ", voter.key.id.value(), " lack the leader's listener '",
                                view.listener, "'"));
  }
  return VoterSet::Check({voter});
}

// M-32: one at a time, and each on a set that is certain.
absl::Status CheckTurn(const MembershipView& view) {
  if (view.running != nullptr) {
    return Refuse(Reason::kChangePending, kRequestTimedOut, view.retry_after,
                  absl::StrCat("the change \"", ToString(view.running->kind), " voter ",
                               view.running->voter.key.ToString(), "\" is under way; one voter at a time"));
  }
  if (!view.leader_ready) {
    QUORATE_MARK("C-15");
    return Refuse(Reason::kLeaderNotReady, kRequestTimedOut, view.retry_after,
                  "the leader was elected just now and hasn't committed a record of its epoch yet");
  }
  if (!view.voters_committed) {
    return Refuse(Reason::kChangePending, kRequestTimedOut, view.retry_after,
                  "the last change of the voter set isn't committed yet");
  }
  return absl::OkStatus();
}

size_t CountAlive(const MembershipView& view, const ReplicaKey& without) {
  return static_cast<size_t>(std::count_if(view.alive.begin(), view.alive.end(),
                                           [&](const ReplicaKey& key) { return !key.Matches(without); }));
}

bool SomebodyLeads(const MembershipView& view, const ReplicaKey& without) {
  return std::any_of(view.alive.begin(), view.alive.end(), [&](const ReplicaKey& key) {
    return !key.Matches(without) &&
           std::find(view.never_lead.begin(), view.never_lead.end(), key) == view.never_lead.end();
  });
}

absl::StatusOr<Verdict> JudgeAdd(const MembershipView& view, const VoterChange& change) {
  const ReplicaKey& key = change.voter.key;
  if (const Voter* known = view.voters->FindById(key.id); known != nullptr && !QUORATE_MUTANT("M-37")) {
    if (known->key == key && known->endpoints == change.voter.endpoints) return Verdict::kAlreadyDone;
    if (known->key == key) {
      return Refuse(Reason::kVoterExists, kDuplicateVoter, absl::ZeroDuration(),
                    absl::StrCat("voter ", key.ToString(), " is one already, with other endpoints; update it instead"));
    }
    return Refuse(Reason::kVoterExists, kDuplicateVoter, absl::ZeroDuration(),
                  absl::StrCat("id ", key.id.value(), " votes already, on directory ", known->key.directory.ToString(),
                               "; remove ", known->key.ToString(), " first"));
  }
  if (change.automatic && view.voters->WasRemoved(key) && !QUORATE_MUTANT("M-36")) {
    return Refuse(Reason::kVoterRemoved, kInvalidRequest, absl::ZeroDuration(),
                  absl::StrCat("replica ", key.ToString(),
                               " was removed from the voters and isn't let in again by itself; add it explicitly"));
  }
  if (view.voters->size() >= limits::kVotersMax) {
    return Refuse(Reason::kTooLarge, kInvalidRequest, absl::ZeroDuration(),
                  absl::StrCat("there are ", view.voters->size(), " voters, the limit is ", limits::kVotersMax));
  }
  const auto& voters = view.voters->voters();
  const auto hidden = std::find_if(voters.begin(), voters.end(), [](const Voter& v) { return v.endpoints.empty(); });
  if (hidden != voters.end()) {
    // Alone it needs none. With a second voter it would be one that nobody can follow again after a restart.
    return Refuse(Reason::kNoEndpoint, kInvalidRequest, absl::ZeroDuration(),
                  absl::StrCat("voter ", hidden->key.ToString(), " has no endpoint in the voter set, so that voter ",
                               key.ToString(), " couldn't reach it; start node ", hidden->key.id.value(),
                               " with advertised endpoints first, which it then makes known by itself"));
  }
  return Verdict::kGo;
}

absl::StatusOr<Verdict> JudgeRemove(const MembershipView& view, const VoterChange& change) {
  const ReplicaKey& key = change.voter.key;
  if (!view.voters->Contains(key)) {
    if (view.voters->WasRemoved(key)) return Verdict::kAlreadyDone;
    const Voter* other = view.voters->FindById(key.id);
    return Refuse(Reason::kVoterNotFound, kVoterNotFound, absl::ZeroDuration(),
                  other == nullptr ? absl::StrCat("there is no voter ", key.ToString())
                                   : absl::StrCat("there is no voter ", key.ToString(), "; voter ", key.id.value(),
                                                  " has directory ", other->key.directory.ToString()));
  }
  if (view.voters->size() == 1) {
    return Refuse(
        Reason::kUnsafeChange, kInvalidRequest, absl::ZeroDuration(),
        absl::StrCat("voter ", key.ToString(), " is the last one; a quorum without voters can't even add one"));
  }
  const bool lives =
      std::any_of(view.alive.begin(), view.alive.end(), [&](const ReplicaKey& k) { return k.Matches(key); });
  if (change.automatic && lives) {
    return Refuse(Reason::kUnsafeChange, kInvalidRequest, view.retry_after,
                  absl::StrCat("voter ", key.ToString(), " is alive: two processes run with id ", key.id.value(),
                               ", on different directories; stop one of them"));
  }
  const size_t remaining = view.voters->size() - 1;
  const size_t alive = CountAlive(view, key);
  if (alive < MajorityOf(remaining)) {
    return Refuse(Reason::kUnsafeChange, kRequestTimedOut, view.retry_after,
                  absl::StrCat("without voter ", key.ToString(), " ", remaining, " remain, of which ", alive,
                               alive == 1 ? " is" : " are", " alive; a majority is ", MajorityOf(remaining)));
  }
  if (!SomebodyLeads(view, key)) {
    return Refuse(Reason::kUnsafeChange, kRequestTimedOut, view.retry_after,
                  absl::StrCat("without voter ", key.ToString(),
                               " nobody would lead: the others that are alive have priority 0"));
  }
  return Verdict::kGo;
}

absl::StatusOr<Verdict> JudgeUpdate(const MembershipView& view, const VoterChange& change) {
  const Voter* known = view.voters->Find(change.voter.key);
  if (known == nullptr) {
    return Refuse(Reason::kVoterNotFound, kVoterNotFound, absl::ZeroDuration(),
                  absl::StrCat("there is no voter ", change.voter.key.ToString(), " to update"));
  }
  return *known == change.voter ? Verdict::kAlreadyDone : Verdict::kGo;
}

}  // namespace

absl::StatusOr<Verdict> JudgeVoterChange(const MembershipView& view, const VoterChange& change) {
  if (absl::Status checked = CheckRequest(view, change); !checked.ok()) return checked;
  if (absl::Status turn = CheckTurn(view); !turn.ok()) return turn;
  switch (change.kind) {
    case VoterChange::Kind::kAdd:
      return JudgeAdd(view, change);
    case VoterChange::Kind::kRemove:
      return JudgeRemove(view, change);
    case VoterChange::Kind::kUpdate:
      return JudgeUpdate(view, change);
  }
  return Invalid(absl::StrCat("kind ", static_cast<int>(change.kind), " of change is unknown"));
}

absl::Status JudgeStop(const MembershipView& view, const ReplicaKey& key) {
  const size_t alive = CountAlive(view, key);
  const size_t needed = MajorityOf(view.voters->size());
  if (!view.voters->Contains(key)) return absl::OkStatus();
  if (alive >= needed) {
    if (SomebodyLeads(view, key)) return absl::OkStatus();
    return Refuse(Reason::kUnsafeChange, kRequestTimedOut, view.retry_after,
                  absl::StrCat("voter ", key.ToString(),
                               " must not be stopped now: the others that are alive have priority 0 and never lead"));
  }
  return Refuse(Reason::kUnsafeChange, kRequestTimedOut, view.retry_after,
                absl::StrCat("voter ", key.ToString(), " must not be stopped now: of ", view.voters->size(), " voters ",
                             alive, " would be alive, a majority is ", needed));
}

absl::Status JudgeProbe(const VoterChange& change, const ReplicaKey& from, const ProbeResponse& answer,
                        int16_t kraft_version) {
  const Voter& voter = change.voter;
  const std::string where = voter.endpoints.empty() ? std::string() : voter.endpoints.front().Address();
  if (from != voter.key) {
    return Refuse(Reason::kWrongReplica, kInvalidRequest, absl::ZeroDuration(),
                  absl::StrCat("at ", where, " answers replica ", from.ToString(), " and not ", voter.key.ToString()));
  }
  if (answer.error != PeerError::kNone) {
    return Refuse(Reason::kWrongReplica, kInvalidRequest, absl::ZeroDuration(),
                  absl::StrCat("replica ", from.ToString(), " at ", where,
                               " takes no part in elections; only a node with the controller role can vote"));
  }
  if (kraft_version < answer.kraft_version_min || kraft_version > answer.kraft_version_max) {
    return Refuse(Reason::kUnsupportedVersion, kInvalidRequest, absl::ZeroDuration(),
                  absl::StrCat("replica ", from.ToString(), " supports kraft.version ", answer.kraft_version_min,
                               " to ", answer.kraft_version_max, ", in force is ", kraft_version));
  }
  return absl::OkStatus();
}

bool IsSameChange(const VoterChange& a, const VoterChange& b) {
  if (a.kind != b.kind || a.voter.key != b.voter.key) return false;
  return a.kind == VoterChange::Kind::kRemove || a.voter == b.voter;
}

VoterSet Changed(const VoterSet& voters, const VoterChange& change) {
  std::vector<Voter> next = voters.voters();
  std::vector<ReplicaKey> removed = voters.removed();
  const ReplicaKey& key = change.voter.key;
  switch (change.kind) {
    case VoterChange::Kind::kAdd:
      std::erase_if(next, [&](const Voter& voter) { return voter.key.id == key.id; });  // nobody, or M-37
      next.push_back(change.voter);
      std::erase(removed, key);  // whoever is asked back in may come back by itself, too
      break;
    case VoterChange::Kind::kRemove:
      std::erase_if(next, [&](const Voter& voter) { return voter.key.Matches(key); });
      std::erase(removed, key);
      removed.push_back(key);
      if (removed.size() > limits::kRemovedVotersMax) removed.erase(removed.begin());
      break;
    case VoterChange::Kind::kUpdate:
      std::replace_if(
          next.begin(), next.end(), [&](const Voter& voter) { return voter.key.Matches(key); }, change.voter);
      break;
  }
  return VoterSet(std::move(next), std::move(removed));
}

}  // namespace quorate::raft
