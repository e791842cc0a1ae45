#include "scenarios/referee.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "raft/control_records.h"

namespace quorate::scenarios {

void Referee::Violation(const std::string& invariant, absl::string_view what) {
  const std::string line = absl::StrCat(invariant, ": ", what);
  std::vector<std::string>& lines = tolerated_.count(invariant) > 0 ? told_ : violations_;
  if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
}

std::vector<std::string> Referee::TakeViolations() { return std::exchange(violations_, {}); }
std::vector<std::string> Referee::TakeTolerated() { return std::exchange(told_, {}); }

const Node* Referee::NodeOf(const ReplicaKey& key) const {
  for (const auto& node : *nodes_) {
    if (node->config.self == key) return node.get();
  }
  return nullptr;
}

void Referee::OnGivenLog(const Node& node) {
  for (const Batch& batch : node.disk.log) bytes_[{batch.base_offset(), batch.epoch()}] = batch.crc();
}

void Referee::OnStart(const Node& node) { high_watermarks_.erase(node.config.self); }

void Referee::OnStore(const Node& node, const ElectionState& state) {
  if (node.disk.election.has_value() && state.epoch < node.disk.election->epoch) {
    Violation("I-03", absl::StrCat("the stored epoch of node ", node.id, " fell"));
  }
}

void Referee::OnAppend(const Node& node, const Batch& batch) {
  if (batch.base_offset() != node.disk.End().end) {
    Violation("I-05", absl::StrCat("node ", node.id, " leaves a gap in its log"));
  }
  const auto [known, fresh] = bytes_.try_emplace({batch.base_offset(), batch.epoch()}, batch.crc());
  if (!fresh && known->second != batch.crc()) {
    Violation("I-05", absl::StrCat("node ", node.id, " has other bytes at offset ", batch.base_offset().value(),
                                   " of epoch ", batch.epoch().value()));
  }
  const auto sets = raft::VoterSetsIn(batch);
  if (!sets.ok() || sets->empty() || node.core->role() != ReplicaRole::kLeader) return;
  // A leader knows what is committed before it changes the set again (M-32).
  size_t open = sets->size();
  for (const Batch& earlier : node.disk.log) {
    const auto found = raft::VoterSetsIn(earlier);
    open += found.ok() && earlier.end_offset() > node.core->high_watermark() ? found->size() : 0;
  }
  if (open > 1) Violation("I-14", absl::StrCat("node ", node.id, " has ", open, " voter sets that aren't committed"));
}

void Referee::OnTruncate(const Node& node, Offset new_end) {
  if (node.core->role() == ReplicaRole::kLeader) {
    Violation("I-04", absl::StrCat("node ", node.id, " leads and cuts its log"));
  }
  const auto high = high_watermarks_.find(node.config.self);
  if (high != high_watermarks_.end() && new_end < high->second) {
    Violation("I-13", absl::StrCat("node ", node.id, " cuts its log to ", new_end.value(),
                                   ", below its high watermark ", high->second.value()));
  }
}

void Referee::OnSend(const Node& node, const Message& message) {
  const Epoch epoch = std::visit(
      [](const auto& body) {
        if constexpr (requires { body.epoch; }) return body.epoch;
        return Epoch();
      },
      message.body);
  const Epoch stored = node.disk.election.has_value() ? node.disk.election->epoch : Epoch();
  if (epoch > stored) {
    Violation("I-03",
              absl::StrCat("node ", node.id, " speaks in epoch ", epoch.value(), " and has stored ", stored.value()));
  }
  if (const auto* fetch = std::get_if<FetchRequest>(&message.body);
      fetch != nullptr && fetch->durable_end > node.disk.synced) {
    Violation("I-12", absl::StrCat("node ", node.id, " acknowledges ", fetch->durable_end.value(), ", on its disk is ",
                                   node.disk.synced.value()));
  }
  if (const auto* vote = std::get_if<VoteResponse>(&message.body);
      vote != nullptr && vote->granted && !vote->pre_vote) {
    OnVote(node, message.to.id, vote->epoch);
  }
  if (const auto* vote = std::get_if<VoteRequest>(&message.body); vote != nullptr && !vote->pre_vote) {
    OnVote(node, NodeId(node.id), vote->epoch);
  }
}

void Referee::OnVote(const Node& node, NodeId candidate, Epoch epoch) {
  const auto [vote, fresh] = votes_.try_emplace({node.config.self, epoch}, candidate);
  if (!fresh && vote->second != candidate) {
    Violation("I-02", absl::StrCat("node ", node.id, " voted for ", vote->second.value(), " and for ",
                                   candidate.value(), " in epoch ", epoch.value()));
  }
  const auto& stored = node.disk.election;
  const bool kept =
      stored.has_value() && (stored->epoch > epoch || (stored->epoch == epoch && stored->voted_for.id == candidate));
  if (!kept) Violation("M-01", absl::StrCat("node ", node.id, " speaks of a vote that it hasn't stored"));
}

void Referee::OnStep(const Node& node) {
  if (node.halt.has_value()) return;
  CheckNewLeader(node);
  CheckHighWatermark(node);
  CheckVoters(node);
}

void Referee::CheckNewLeader(const Node& node) {
  if (node.core->role() != ReplicaRole::kLeader) return;
  const auto [leader, fresh] = leaders_.try_emplace(node.core->epoch(), node.config.self);
  if (leader->second != node.config.self) {
    Violation("I-01", absl::StrCat("epoch ", node.core->epoch().value(), " is led by ", leader->second.id.value(),
                                   " and by ", node.id));
  }
  if (!fresh) return;
  for (const auto& [offset, record] : committed_) {
    if (offset < node.disk.start.end) continue;  // in its snapshot
    const auto at = std::find_if(node.disk.log.begin(), node.disk.log.end(),
                                 [offset = offset](const Batch& batch) { return batch.base_offset() == offset; });
    if (at == node.disk.log.end() || Record{at->epoch(), at->crc()} != record) {
      Violation("I-06", absl::StrCat("the new leader ", node.id, " lacks committed offset ", offset.value()));
    }
  }
}

void Referee::CheckHighWatermark(const Node& node) {
  const Offset high = node.core->high_watermark();
  Offset& before = high_watermarks_[node.config.self];
  if (high < before) Violation("I-10", absl::StrCat("the high watermark of node ", node.id, " fell"));
  if (high > node.core->log_end().end) {
    Violation("I-10", absl::StrCat("the high watermark of node ", node.id, " is above its log"));
  }
  if (high <= before) return;
  if (node.core->role() == ReplicaRole::kLeader) CheckBacking(node, high);
  for (const Batch& batch : node.disk.log) {
    if (batch.end_offset() <= before || batch.base_offset() >= high) continue;
    const Record record{batch.epoch(), batch.crc()};
    const auto [known, fresh] = committed_.try_emplace(batch.base_offset(), record);
    if (known->second != record) {
      Violation("I-07", absl::StrCat("two records are committed at offset ", batch.base_offset().value()));
    }
  }
  before = high;
  committed_end_ = std::max(committed_end_, high);
}

void Referee::CheckBacking(const Node& node, Offset high) {
  const std::vector<Batch>& log = node.disk.log;
  const auto newest =
      std::find_if(log.begin(), log.end(), [high](const Batch& batch) { return batch.end_offset() >= high; });
  if (newest == log.end() || newest->epoch() != node.core->epoch()) {
    Violation("I-09", absl::StrCat("node ", node.id, " commits ", high.value(), " by counting old records"));
    return;
  }
  size_t backing = 0;
  for (const Voter& voter : node.core->voters()) {
    const Node* other = NodeOf(voter.key);
    if (other == nullptr || other->disk.synced < high) continue;
    const bool has = other->disk.start.end >= high ||
                     std::any_of(other->disk.log.begin(), other->disk.log.end(), [&](const Batch& batch) {
                       return batch.base_offset() == newest->base_offset() && batch.crc() == newest->crc();
                     });
    backing += has ? 1 : 0;
  }
  if (backing * 2 <= node.core->voters().size()) {
    Violation("I-08", absl::StrCat("node ", node.id, " commits ", high.value(), ", which is on ", backing, " of ",
                                   node.core->voters().size(), " disks"));
  }
}

void Referee::CheckVoters(const Node& node) {
  const std::vector<Voter>* committed = node.core->committed_voters();
  if (committed == nullptr || committed->empty()) return;
  const auto missing_from = [](const std::vector<Voter>& a, const std::vector<Voter>& b) {
    return std::count_if(a.begin(), a.end(), [&](const Voter& voter) {
      return std::none_of(b.begin(), b.end(), [&](const Voter& other) { return other.key == voter.key; });
    });
  };
  const auto changed = missing_from(*committed, node.core->voters()) + missing_from(node.core->voters(), *committed);
  if (changed > 1) Violation("I-14", absl::StrCat("node ", node.id, " changed ", changed, " voters at once"));
}

void Referee::OnReadAnswered(uint64_t id, const absl::StatusOr<Offset>& offset) {
  if (!answered_.insert(id).second) Violation("I-24", absl::StrCat("read ", id, " is answered twice"));
  if (offset.ok() && *offset < reads_[id]) {
    Violation("I-20", absl::StrCat("read ", id, " may be served from ", offset->value(), ", but ", reads_[id].value(),
                                   " was committed when it was asked"));
  }
}

}  // namespace quorate::scenarios
