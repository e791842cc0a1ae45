// The referee on those who lead, and on whom others take for their leader: I-01, I-12, I-16, I-26.
#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {
namespace {

// A leader that hears from no majority has this much longer than its fetch timeout, and its clock may be slow.
constexpr int64_t kPatience = 5;
// And this long to notice it, once it runs again after a pause.
constexpr absl::Duration kGrace = absl::Seconds(1);

}  // namespace

void Referee::CheckLeading(Replica* replica, const raft::Core& core) {
  const std::pair<Epoch, NodeId> followed{core.epoch(), core.leader().id};
  if (followed != replica->followed) {
    replica->followed = followed;
    const auto known = leaders_.find(followed.first);
    if (followed.second != kNoNode && (known == leaders_.end() || known->second.id != followed.second)) {
      Fail("I-01", absl::StrCat("node ", replica->node, " follows node ", followed.second.value(), " in epoch ",
                                followed.first.value(), ", which that node doesn't lead"));
    }
  }
  if (core.role() != ReplicaRole::kLeader) {
    replica->overdue_since.reset();
    return;
  }
  // M-35: it may lead until the set without it is committed, and not a moment longer.
  if (!replica->voters().Contains(replica->key) && !replica->voter_records.empty() &&
      replica->voter_records.back().first < core.high_watermark()) {
    Fail("I-16", absl::StrCat("node ", replica->node, " leads on, though it isn't in the voter set, and that is ",
                              "committed at ", replica->voter_records.back().first.value()));
  }
  CheckHeardMajority(replica);
}

// F-N02: a leader to which no majority of its voters speaks any more gives up (check-quorum).
void Referee::CheckHeardMajority(Replica* replica) {
  const Instant now = scheduler_->now();
  std::vector<Instant> heard;
  for (const Voter& voter : replica->voters().voters()) {
    const auto at = replica->heard.find(voter.key);
    const bool itself = voter.key.Matches(replica->key);
    heard.push_back(itself ? now : at == replica->heard.end() ? replica->leads_since : at->second);
  }
  if (heard.empty()) return;
  std::sort(heard.begin(), heard.end(), std::greater<>());
  const Instant majority = std::max(heard[heard.size() / 2], replica->leads_since);
  if (now - majority <= replica->fetch_timeout * kPatience + kGrace) {
    replica->overdue_since.reset();
  } else if (!replica->overdue_since.has_value()) {
    replica->overdue_since = now;
  } else if (now - *replica->overdue_since > kGrace) {
    Fail("I-26", absl::StrCat("node ", replica->node, " leads epoch ", replica->leads->value(),
                              " on, though no majority of its voters has fetched from it for ",
                              absl::FormatDuration(now - majority)));
  }
}

// F-P11: what leaders had been told by a disk that is about to go back.
void Referee::NoteLoss(const ReplicaKey& key) {
  for (auto& [own, leader] : replicas_) {
    if (!leader->alive || leader->core == nullptr || leader->core->role() != ReplicaRole::kLeader) continue;
    for (const raft::ReplicaProgress& progress : leader->core->Progress()) {
      if (progress.key == key) leader->lost_acknowledged[key] = progress.durable_end;
    }
  }
}

void Referee::Delivers(int node, const Message& message) {
  Replica& replica = At(node);
  const auto* fetch = std::get_if<FetchRequest>(&message.body);
  if (fetch == nullptr || !replica.alive || replica.leads != fetch->epoch) return;
  Instant& heard = replica.heard[message.from];
  heard = std::max(heard, scheduler_->now());
}

// And then a leader that is told less by it must not go on as if nothing had happened.
void Referee::CheckFenced(const Replica& leader, const Message& message) {
  const auto& answer = std::get<FetchResponse>(message.body);
  const auto lost = leader.lost_acknowledged.find(message.to);
  const Replica* replica = Find(message.to);
  if (lost == leader.lost_acknowledged.end() || replica == nullptr || leader.leads != answer.epoch) return;
  // An answer without records may only ask it who it is.
  if (answer.error != PeerError::kNone || answer.batches.empty() || replica->durable >= lost->second ||
      !replica->alive || message.request_incarnation != replica->incarnation) {
    return;
  }
  Fail("I-12", absl::StrCat("node ", leader.node, " serves replica ", message.to.ToString(),
                            ", whose log had been durable up to ", lost->second.value(), " and is now up to ",
                            replica->durable.value(), " (F-P11)"));
}

}  // namespace quorate::testing::simulator
