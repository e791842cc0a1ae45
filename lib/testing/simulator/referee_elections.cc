// The referee on votes, epochs and what is said: I-01, I-02, I-03, I-06, I-12, I-16, I-29.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "testing/simulator/message_digest.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

void Referee::CheckEpoch(Replica* replica, const raft::Core& core) {
  if (core.epoch() < replica->epoch) {
    Fail("I-03", absl::StrCat("node ", replica->node, " went from epoch ", replica->epoch.value(), " back to ",
                              core.epoch().value()));
  }
  replica->epoch = core.epoch();
}

void Referee::CheckNewLeader(Replica* replica, const raft::Core& core) {
  const Epoch epoch = core.epoch();
  const auto [leader, fresh] = leaders_.try_emplace(epoch, replica->key);
  if (leader->second != replica->key || (!fresh && replica->leads != epoch)) {
    return Fail("I-01",
                absl::StrCat("epoch ", epoch.value(), " is led by node ", replica->node, ", and was led by ",
                             leader->second == replica->key ? "an earlier life of it"
                                                            : absl::StrCat("node ", leader->second.id.value())));
  }
  replica->leads = epoch;
  replica->leads_since = scheduler_->now();
  replica->heard.clear();
  replica->overdue_since.reset();
  replica->lost_acknowledged.clear();
  if (replica->priority == kPriorityNever) {
    Fail("I-16", absl::StrCat("node ", replica->node, " leads epoch ", epoch.value(), ", and was never to lead"));
  }
  // A candidate that slept over its own election leads an epoch that others have left behind.
  const LogEntry* last = history_.LastCommittedBefore(epoch);
  if (last != nullptr && replica->log.start() <= last->end && replica->log.ChainAt(last->end) != last->chain) {
    Fail("I-06", absl::StrCat("node ", replica->node, " leads epoch ", epoch.value(),
                              " without what was committed before it, up to ", last->end.value(), "; its log ends at ",
                              replica->log.end().value()));
  }
  // I-16: elected by a majority of the voters that it knows, each of which has sent it a vote.
  size_t votes = 0;
  for (const Voter& voter : replica->voters().voters()) {
    const Replica* granter = Find(voter.key);
    if (granter == nullptr) continue;
    if (granter == replica) {
      const bool own = replica->persisted.has_value() && replica->persisted->epoch == epoch &&
                       replica->persisted->voted_for.Matches(replica->key);
      votes += own ? 1 : 0;
      continue;
    }
    const auto vote = granter->votes.find(epoch);
    votes += vote != granter->votes.end() && vote->second.Matches(replica->key) ? 1 : 0;
  }
  if (votes <= replica->voters().size() / 2) {
    Fail("I-16", absl::StrCat("node ", replica->node, " leads epoch ", epoch.value(), " with the votes of ", votes,
                              " of ", replica->voters().size(), " voters"));
  }
  if (on_moment) on_moment(replica->node, Moment::kBecomesLeader);
}

void Referee::NoteVote(Replica* replica, Epoch epoch, const ReplicaKey& candidate) {
  const auto [vote, fresh] = replica->votes.try_emplace(epoch, candidate);
  if (!fresh && !vote->second.Matches(candidate)) {
    Fail("I-02", absl::StrCat("node ", replica->node, " voted in epoch ", epoch.value(), " for node ",
                              vote->second.id.value(), " and for node ", candidate.id.value()));
  }
  const std::optional<ElectionState>& stored = replica->persisted;
  if (!stored.has_value() || stored->epoch < epoch ||
      (stored->epoch == epoch && !stored->voted_for.Matches(candidate))) {
    Fail("I-03", absl::StrCat("node ", replica->node, " sent a vote for node ", candidate.id.value(), " in epoch ",
                              epoch.value(), " that it hasn't stored (M-01)"));
  }
  if (fresh && on_moment) on_moment(replica->node, Moment::kVotes);
}

// I-06 rests on this: votes, and pre-votes, go to logs that are as new as the voter's own (M-03, M-08).
void Referee::CheckGrant(const Replica& replica, const Message& message, const VoteResponse& vote) {
  const Replica* candidate = Find(message.to);
  if (candidate == nullptr || vote.epoch != replica.epoch || replica.log.entries().empty()) return;
  const auto asked = candidate->asked_votes.find(message.request_id);
  if (asked == candidate->asked_votes.end()) return;
  const LogEntry& last = replica.log.entries().back();
  if (asked->second >= LogPosition{last.epoch, last.end}) return;
  Fail("I-06", absl::StrCat("node ", replica.node, " grants node ", message.to.id.value(), " a ",
                            vote.pre_vote ? "pre-vote" : "vote", " in epoch ", vote.epoch.value(), " for a log up to ",
                            asked->second.end.value(), " of epoch ", asked->second.epoch.value(), "; its own is up to ",
                            last.end.value(), " of epoch ", last.epoch.value()));
}

// Who says that somebody leads an epoch must be right.
void Referee::CheckNamedLeader(const Replica& replica, const Message& message) {
  std::visit(
      [&](const auto& body) {
        if constexpr (requires { body.leader; }) {
          const auto known = leaders_.find(body.epoch);
          if (body.leader.id == kNoNode || (known != leaders_.end() && known->second.id == body.leader.id)) return;
          Fail("I-01",
               absl::StrCat("node ", replica.node, " says that node ", body.leader.id.value(), " leads epoch ",
                            body.epoch.value(), "; ", known == leaders_.end() ? "nobody does" : "another one does"));
        }
      },
      message.body);
}

void Referee::Sends(int node, const Message& message) {
  Replica& replica = At(node);
  if (!replica.alive) return;
  const Epoch epoch = EpochOf(message);
  if (epoch > (replica.persisted.has_value() ? replica.persisted->epoch : Epoch(0))) {
    Fail("I-03", absl::StrCat("node ", node, " speaks in epoch ", epoch.value(), " (", message.TypeName(),
                              "), which it hasn't stored"));
  }
  CheckNamedLeader(replica, message);
  replica.incarnation = message.from_incarnation;
  if (const auto* vote = std::get_if<VoteResponse>(&message.body)) {
    // A vote that was given before is given again, whatever the log has become since (M-04): also when only the disk
    // remembers it.
    const bool repeated =
        !vote->pre_vote && (replica.votes.contains(vote->epoch) || replica.epoch_at_start == vote->epoch);
    if (vote->granted && !vote->pre_vote) NoteVote(&replica, vote->epoch, message.to);
    if (vote->granted && !repeated) CheckGrant(replica, message, *vote);
  } else if (const auto* ask = std::get_if<VoteRequest>(&message.body)) {
    if (!ask->pre_vote) NoteVote(&replica, ask->epoch, replica.key);
    replica.asked_votes[message.request_id] = ask->log_end;
    if (replica.asked_votes.size() > 100) replica.asked_votes.erase(replica.asked_votes.begin());
  } else if (const auto* fetch = std::get_if<FetchRequest>(&message.body)) {
    replica.session = fetch->session;
    if (fetch->durable_end > replica.on_disk) {
      Fail("I-12", absl::StrCat("node ", node, " acknowledges offset ", fetch->durable_end.value(),
                                ", its disk has its log up to ", replica.on_disk.value()));
    }
  } else if (const auto* answer = std::get_if<FetchResponse>(&message.body)) {
    CheckFenced(replica, message);
    for (const Batch& batch : answer->batches) {
      if (history_.IsGenuine(batch)) continue;
      Fail("I-29", absl::StrCat("node ", node, " sends a batch at offset ", batch.base_offset().value(), " of epoch ",
                                batch.epoch().value(), " that nobody wrote"));
    }
  }
}

}  // namespace quorate::testing::simulator
