// The referee: it looks at every event from outside, with knowledge that no node has. core_cluster_snapshots.cc has
// what it knows of snapshots.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/control_records.h"
#include "raft/core_cluster.h"
#include "raft/quorum.h"

namespace quorate::raft {

void CoreCluster::CheckSent(Node& n, const Message& message) {
  const Epoch persisted = n.stored.has_value() ? n.stored->epoch : Epoch(0);
  const auto epoch_of = [](const auto& body) {
    if constexpr (requires { body.epoch; }) return body.epoch;
    return Epoch(0);  // a probe asks nobody's epoch
  };
  const Epoch epoch = std::visit(epoch_of, message.body);
  if (epoch > persisted) Violation(absl::StrCat("I-03: node ", n.id, " speaks in an epoch that it hasn't stored"));
  if (const auto* fetch = std::get_if<FetchRequest>(&message.body); fetch != nullptr && fetch->durable_end > n.synced) {
    Violation(
        absl::StrCat("I-12: node ", n.id, " acknowledged ", fetch->durable_end.value(), ", synced ", n.synced.value()));
  }
  const auto vote_for = [&](NodeId candidate, Epoch in) {
    const auto [vote, fresh] = votes_.try_emplace({n.id, in}, candidate);
    if (!fresh && vote->second != candidate) Violation(absl::StrCat("I-02: node ", n.id, " voted twice"));
    if (!n.stored.has_value() || n.stored->epoch < in ||
        (n.stored->epoch == in && n.stored->voted_for.id != candidate)) {
      Violation(absl::StrCat("M-01: node ", n.id, " sent a vote that it hasn't stored"));
    }
  };
  if (const auto* vote = std::get_if<VoteResponse>(&message.body);
      vote != nullptr && vote->granted && !vote->pre_vote) {
    vote_for(message.to.id, vote->epoch);
  }
  if (const auto* vote = std::get_if<VoteRequest>(&message.body); vote != nullptr && !vote->pre_vote) {
    vote_for(NodeId(n.id), vote->epoch);
  }
}

void CoreCluster::CheckLeadership(Node& n) {
  if (n.core->role() != ReplicaRole::kLeader) return;
  if (!n.core->is_voter() && n.core->committed_voters() == nullptr) {
    Violation(absl::StrCat("M-35: node ", n.id, " leads though the set without it is committed"));
  }
  const auto [leader, fresh] = leaders_.try_emplace(n.core->epoch(), n.id);
  if (leader->second != n.id) Violation(absl::StrCat("I-01: two leaders in epoch ", n.core->epoch().value()));
  if (!fresh) return;
  const auto votes = [&](const std::vector<Voter>* voters) {
    return voters != nullptr &&
           std::any_of(voters->begin(), voters->end(), [&](const Voter& v) { return v.key == key(n.id); });
  };
  if (!n.config.may_vote || (!votes(&n.core->voters()) && !votes(n.core->committed_voters()))) {
    Violation(absl::StrCat("M-12: observer ", n.id, " leads"));
  }
  std::map<Offset, std::pair<Epoch, uint32_t>> held;
  for (const Batch& batch : n.log) held[batch.base_offset()] = {batch.epoch(), batch.crc()};
  for (const auto& [offset, record] : committed_) {
    if (offset < n.log_start.end) continue;  // I-11 and I-18 say that a snapshot has it
    const auto at = held.find(offset);
    if (at == held.end() || at->second != record) {
      Violation(absl::StrCat("I-06: new leader ", n.id, " lacks committed offset ", offset.value()));
    }
  }
}

std::vector<std::pair<Offset, VoterSet>> CoreCluster::SetsOf(const Node& n) const {
  std::vector<std::pair<Offset, VoterSet>> sets = {{kNoOffset, VoterSet(n.config.initial_voters)}};
  if (!n.snapshots.empty()) {
    const RecoveredState::VotersAt& voters = snapshot_voters_.at(n.snapshots.back().info.digest);
    if (voters.offset != kNoOffset) sets = {{voters.offset, VoterSet(voters.voters, voters.removed)}};
  }
  for (const Batch& batch : n.log) {
    if (batch.kind() != BatchKind::kControl) continue;
    auto found = VoterSetsIn(batch);
    for (auto& set : *found) {
      if (set.first > sets.front().first) sets.push_back(std::move(set));
    }
  }
  return sets;
}

void CoreCluster::CheckVoters(Node& n, const Batch& batch) {
  if (batch.kind() != BatchKind::kControl || VoterSetsIn(batch)->empty()) return;
  CheckDecidingMajorities();
  const auto sets = SetsOf(n);
  if (n.core->role() != ReplicaRole::kLeader || sets.size() < 2) return;
  // I-14: one at a time, on a committed set, by one voter.
  const auto& [offset, before] = sets[sets.size() - 2];
  if (offset == kNoOffset) return;  // the first leader writes the configured voters down
  if (n.core->high_watermark() <= offset)
    Violation(absl::StrCat("I-14: node ", n.id, " changes an uncommitted voter set"));
  int added = 0;
  int removed = 0;
  for (const Voter& voter : sets.back().second.voters()) {
    const Voter* same = before.FindById(voter.key.id);
    added += same == nullptr || !same->key.Matches(voter.key) ? 1 : 0;
  }
  for (const Voter& voter : before.voters()) removed += sets.back().second.Contains(voter.key) ? 0 : 1;
  if (added + removed > 1) Violation(absl::StrCat("I-14: +", added, " -", removed, " voters in one change"));
}

bool CoreCluster::MayWin(const Node& candidate, const VoterSet& voters) const {
  const auto end = [this](const Node& n) {
    return LogPosition{n.log.empty() ? n.log_start.epoch : n.log.back().epoch(), LogEnd(n)};
  };
  size_t votes = 0;
  for (const Voter& voter : voters.voters()) {
    const Node& n = *nodes_.at(static_cast<size_t>(voter.key.id.value() - 1));
    votes += n.config.self == voter.key && end(n) <= end(candidate) ? 1 : 0;
  }
  return votes >= MajorityOf(voters.size());
}

void CoreCluster::CheckDecidingMajorities() {
  // I-15: whoever can win an election, by its log, shares a voter with any other majority that can decide.
  std::vector<std::pair<int, VoterSet>> winners;
  for (const auto& n : nodes_) {
    VoterSet set = SetsOf(*n).back().second;
    if (!set.empty() && MayWin(*n, set)) winners.emplace_back(n->id, std::move(set));
  }
  for (const auto& [a, first] : winners) {
    for (const auto& [b, second] : winners) {
      size_t common = 0;
      for (const Voter& voter : first.voters()) common += second.Contains(voter.key) ? 1 : 0;
      const auto needed = [common](const VoterSet& set) {  // of the common ones, after all others
        const size_t majority = MajorityOf(set.size());
        return majority - std::min(majority, set.size() - common);
      };
      if (needed(first) + needed(second) <= common) {
        Violation(absl::StrCat("I-15: nodes ", a, " and ", b, " can win with majorities that share nobody"));
      }
    }
  }
}

void CoreCluster::CheckHighWatermark(Node& n) {
  const Offset high = n.core->high_watermark();
  if (high < n.high_watermark) Violation(absl::StrCat("I-10: high watermark of node ", n.id, " fell"));
  if (high > n.core->log_end().end) Violation(absl::StrCat("I-10: high watermark of node ", n.id, " above its log"));
  if (high == n.high_watermark) return;
  const Offset before = std::exchange(n.high_watermark, high);
  if (n.core->role() == ReplicaRole::kLeader) {
    int backing = 0;  // I-08, I-16: voters, and on disk
    const auto newest =
        std::find_if(n.log.begin(), n.log.end(), [&](const Batch& b) { return b.end_offset() >= high; });
    if (newest == n.log.end() || newest->epoch() != n.core->epoch())
      Violation("I-09: committed by counting old records");
    for (const Voter& voter : n.core->voters()) {  // of the set in force, by replica key
      const int id = voter.key.id.value();
      if (newest == n.log.end() || key(id) != voter.key) continue;
      const std::vector<Batch>& log = node(id).log;
      // Behind a snapshot it is there too: I-18 has looked at what snapshots hold.
      const bool has = node(id).log_start.end >= high || std::any_of(log.begin(), log.end(), [&](const Batch& b) {
                         return b.base_offset() == newest->base_offset() && b.crc() == newest->crc();
                       });
      backing += has && node(id).synced >= high ? 1 : 0;
    }
    if (backing <= static_cast<int>(n.core->voters().size() / 2))
      Violation(absl::StrCat("I-08: ", high.value(), " is on ", backing, " disks"));
  }
  for (const Batch& batch : n.log) {
    if (batch.end_offset() <= before || batch.base_offset() >= high) continue;
    const std::pair<Epoch, uint32_t> what{batch.epoch(), batch.crc()};
    const auto [known, fresh] = committed_.try_emplace(batch.base_offset(), what);
    if (known->second != what) Violation(absl::StrCat("I-07: two records at offset ", batch.base_offset().value()));
  }
  committed_end_ = std::max(committed_end_, high);
}

void CoreCluster::CheckRead(uint64_t id, const absl::StatusOr<Offset>& offset) {
  ReadRecord& read = reads_.at(id);
  if (read.result.has_value()) Violation(absl::StrCat("I-24: read ", id, " answered twice"));
  read.result = offset;
  if (offset.ok() && *offset < read.must_cover) {
    Violation(absl::StrCat("I-20: read ", id, " got ", offset->value(), ", committed was ", read.must_cover.value()));
  }
}

}  // namespace quorate::raft
