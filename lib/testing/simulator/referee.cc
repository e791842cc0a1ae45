#include "testing/simulator/referee.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/control_records.h"

namespace quorate::testing::simulator {

class Referee::Watch final : public raft::Observer {
 public:
  Watch(Referee* referee, int node) : referee_(referee), node_(node) {}
  void OnStep(const raft::Core& core, const raft::Effects& effects) override { referee_->Step(node_, core, effects); }
  void OnApplied(Offset end, bool) override { referee_->Applied(node_, end); }

 private:
  Referee* const referee_;
  const int node_;
};

void Referee::Fail(absl::string_view invariant, std::string what) {
  if (violation_.has_value()) return;
  violation_ = Violation{std::string(invariant), std::move(what), scheduler_->now()};
}

Replica* Referee::Find(const ReplicaKey& key) {
  for (auto& [known, replica] : replicas_) {
    if (known.Matches(key)) return replica.get();
  }
  return nullptr;
}

// ---- Lives ---------------------------------------------------------------------------------------------

std::unique_ptr<raft::Observer> Referee::LifeBegins(int node, const LifeFacts& facts) {
  const ReplicaKey& key = facts.key;
  auto [at, fresh] = replicas_.try_emplace(key);
  if (fresh) {
    at->second = std::make_unique<Replica>();
    at->second->key = key;
  }
  Replica& replica = *at->second;
  replica.node = node;
  replica.initial_voters = raft::VoterSet(facts.initial_voters);
  replica.fetch_timeout = facts.fetch_timeout;
  replica.priority = facts.priority;
  replica.alive = true;
  replica.role = ReplicaRole::kUnattached;
  // What was never stored was never said: a life may begin below where the one before it died.
  replica.epoch = replica.persisted.has_value() ? replica.persisted->epoch : Epoch(0);
  replica.high_watermark = Offset(0);
  replica.applied = Offset(0);
  replica.leads.reset();
  replica.core = nullptr;
  replica.followed = {Epoch(-1), kNoNode};
  nodes_[node] = key;
  return std::make_unique<Watch>(this, node);
}

void Referee::LifeEnds(int node) {
  if (!Has(node)) return;
  At(node).alive = false;
  At(node).core = nullptr;
}

void Referee::ForgetDisk(const ReplicaKey& key) {
  Replica* replica = Find(key);
  if (replica == nullptr) return;
  NoteLoss(key);
  replica->log.Reset(Offset(0), 0);
  replica->durable = replica->on_disk = replica->reset_to = Offset(0);
  replica->persisted.reset();
  replica->voter_records.clear();
}

void Referee::BecameDurable(int node, Offset end, uint64_t truncations) {
  Replica& replica = At(node);
  if (!replica.alive || truncations != replica.truncations) return;  // of a log that is no more (F-D13)
  if (forgets_writes_ && ++writes_ > 20) return;
  replica.durable = std::max(replica.durable, std::min(end, replica.log.end()));
  replica.on_disk = std::max(replica.on_disk, replica.durable);
}

void Referee::Truncated(int node, Offset end) {
  Replica& replica = At(node);
  if (replica.alive) replica.on_disk = std::max(std::min(replica.on_disk, end), replica.durable);
}

void Referee::Trims(int node, LogPosition start) {
  Replica& replica = At(node);
  if (!replica.alive) return;
  if (start.end > replica.high_watermark) {
    Fail("I-13", absl::StrCat("node ", node, " trims its log to offset ", start.end.value(), ", its high watermark is ",
                              replica.high_watermark.value()));
  }
  bool covered = false;
  for (const auto& [id, digest] : snapshots_) covered = covered || id.first >= start.end;
  if (!covered && start.end > Offset(0)) {
    Fail("I-13", absl::StrCat("node ", node, " trims its log to offset ", start.end.value(),
                              ", and no snapshot reaches that far"));
  }
  // The shadow keeps what was trimmed: it has to be there until the trim is on disk, and may be for longer.
}

// What the core asked for was seen in its step already; at a start the driver does it by itself.
void Referee::ResetsLog(int node, LogPosition start) {
  Replica& replica = At(node);
  if (!replica.alive || replica.log.start() == start.end) return;
  Reset(&replica, start.end);
}

void Referee::Reset(Replica* replica, Offset start) {
  const std::optional<uint64_t> chain = history_.ChainAt(start);
  if (!chain.has_value()) {
    return Fail("I-11", absl::StrCat("node ", replica->node, " begins its log anew at offset ", start.value(),
                                     ", which was never committed"));
  }
  replica->log.Reset(start, *chain);
  replica->durable = replica->on_disk = replica->reset_to = start;
  replica->voter_records.clear();
  if (const auto* voters = history_.VotersAsOf(start)) replica->voter_records.push_back(*voters);
}

void Referee::SnapshotFinished(int node, const LogPosition& id, uint64_t digest) {
  if (!history_.ChainAt(id.end).has_value()) {
    return Fail("I-11", absl::StrCat("node ", node, " has a snapshot of offset ", id.end.value(),
                                     ", which is no boundary of what was committed"));
  }
  const auto [known, fresh] = snapshots_.try_emplace({id.end, id.epoch}, digest);
  if (!fresh && known->second != digest) {
    Fail("I-17", absl::StrCat("the snapshot of offset ", id.end.value(), " on node ", node,
                              " has other bytes than that of another node"));
  }
}

void Referee::StateDigest(int node, Offset end, uint64_t digest, absl::string_view how) {
  const auto [known, fresh] = states_.try_emplace(end, digest);
  if (fresh || known->second == digest) return;
  Fail(how == "loaded" ? "I-18" : "I-17",
       absl::StrCat("the state machine of node ", node, " differs at offset ", end.value(), " from what another ",
                    "node's, or an earlier life's, was there (this one ", how, " its state)"));
}

// ---- Steps ---------------------------------------------------------------------------------------------

void Referee::Step(int node, const raft::Core& core, const raft::Effects& effects) {
  Replica& replica = At(node);
  if (!replica.alive) return;
  replica.core = &core;
  CheckEpoch(&replica, core);
  if (!effects.log.empty()) CheckLogOperations(&replica, core, effects);
  if (core.role() == ReplicaRole::kLeader && replica.leads != core.epoch()) CheckNewLeader(&replica, core);
  if (core.high_watermark() != replica.high_watermark) CheckHighWatermark(&replica, core);
  if (!effects.log.empty() || replica.role != core.role()) CheckVotersInForce(replica, core);
  CheckPositions(replica, core);
  CheckLeading(&replica, core);
  if (core.role() == ReplicaRole::kResigned && replica.role == ReplicaRole::kLeader && on_moment) {
    on_moment(node, Moment::kResigns);
  }
  replica.role = core.role();
}

void Referee::Applied(int node, Offset end) {
  Replica& replica = At(node);
  if (!replica.alive) return;
  if (end < replica.applied || end > replica.high_watermark) {
    Fail("I-11", absl::StrCat("node ", node, " applied up to offset ", end.value(), " after ", replica.applied.value(),
                              ", its high watermark is ", replica.high_watermark.value()));
  }
  replica.applied = end;
}

void Referee::CheckLogOperations(Replica* replica, const raft::Core& core, const raft::Effects& effects) {
  for (const raft::LogOperation& operation : effects.log) {
    if (const auto* append = std::get_if<raft::AppendLog>(&operation)) {
      Append(replica, core, append->batch);
      continue;
    }
    ++replica->truncations;
    if (const auto* reset = std::get_if<raft::ResetLog>(&operation)) {
      Reset(replica, reset->start.end);
      if (on_moment) on_moment(replica->node, Moment::kInstalls);
      continue;
    }
    const Offset end = std::get<raft::TruncateLog>(operation).new_end;
    if (core.role() == ReplicaRole::kLeader) {
      Fail("I-04", absl::StrCat("node ", replica->node, " truncates its log to ", end.value(), " while it leads"));
    }
    std::vector<LogEntry> cut;
    replica->log.Truncate(end, &cut);
    for (const LogEntry& entry : cut) {
      // One that still lives in an earlier epoch may lose it: nobody counted on its copy.
      const std::optional<Epoch> by = history_.CommittedBy(entry);
      if (entry.base >= replica->high_watermark && (!by.has_value() || *by > core.epoch())) continue;
      Fail("I-13", absl::StrCat("node ", replica->node, " truncates its log to ", end.value(),
                                " and loses what is committed at ", entry.base.value()));
    }
    replica->durable = std::min(replica->durable, end);
    std::erase_if(replica->voter_records, [&](const auto& record) { return record.first >= end; });
    if (on_moment) on_moment(replica->node, Moment::kTruncates);
  }
}

void Referee::Append(Replica* replica, const raft::Core& core, const Batch& batch) {
  if (batch.base_offset() != replica->log.end()) {
    return Fail("I-05", absl::StrCat("node ", replica->node, " appends at offset ", batch.base_offset().value(),
                                     ", its log ends at ", replica->log.end().value()));
  }
  if (auto wrong = history_.Note(batch, replica->log.Append(batch))) Fail("I-05", *wrong);
  if (batch.kind() == BatchKind::kControl) NoteVoters(replica, core, batch);
  if (core.role() == ReplicaRole::kLeader && on_moment) on_moment(replica->node, Moment::kAppends);
}

void Referee::CheckPositions(const Replica& replica, const raft::Core& core) {
  const Offset start = core.log_start().end;
  const Offset snapshot = core.snapshot().end;
  const Offset high = core.high_watermark();
  const Offset end = core.log_end().end;
  if ((start > Offset(0) && snapshot < start) || snapshot > high || start > high || high > end ||
      core.durable_end() > end) {
    Fail("I-11", absl::StrCat("node ", replica.node, ": log start ", start.value(), ", snapshot ", snapshot.value(),
                              ", high watermark ", high.value(), ", durable ", core.durable_end().value(), ", log end ",
                              end.value()));
  }
  if (end != replica.log.end()) {
    Fail("I-05", absl::StrCat("node ", replica.node, " says that its log ends at ", end.value(),
                              "; what it appended ends at ", replica.log.end().value()));
  }
}

}  // namespace quorate::testing::simulator
