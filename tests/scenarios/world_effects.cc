// What the cores want done, done: and written down.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quorate/quorum_types.h"
#include "quorate/status.h"
#include "scenarios/world.h"

namespace quorate::scenarios {
namespace {

std::string VoteText(const ReplicaKey& vote) {
  return vote.id == kNoNode ? "no vote" : absl::StrCat("vote for ", vote.id.value());
}

}  // namespace

std::string RoleText(ReplicaRole role) {
  switch (role) {
    case ReplicaRole::kUnattached:
      return "Unattached";
    case ReplicaRole::kProspective:
      return "Prospective";
    case ReplicaRole::kCandidate:
      return "Candidate";
    case ReplicaRole::kLeader:
      return "Leader";
    case ReplicaRole::kFollower:
      return "Follower";
    case ReplicaRole::kResigned:
      return "Resigned";
    case ReplicaRole::kHalted:
      return "Halted";
  }
  return "?";
}

void World::Do(Node& node, const std::function<void(raft::Core&, Instant)>& event) {
  if (!node.running()) return;
  event(*node.core, node.now);
  Absorb(node);
  Settle(node);
}

void World::Settle(Node& node) {
  // One job may bring the next. Stores first, as an engine would: everything said waits for them.
  for (const DiskJob kind : {DiskJob::kStore, DiskJob::kLog, DiskJob::kRead, DiskJob::kSnapshot}) {
    if (node.held.count(kind) > 0 || !node.running()) continue;
    const auto job = std::find_if(node.jobs.begin(), node.jobs.end(), [&](const auto& j) { return j.kind == kind; });
    if (job == node.jobs.end()) continue;
    const std::function<void()> done = std::move(job->done);
    node.jobs.erase(job);
    done();
    return Settle(node);
  }
}

void World::AddJob(Node& node, DiskJob kind, std::string what, std::function<void()> done) {
  if (node.held.count(kind) > 0) Tell(absl::StrCat(node.id, " waits for its disk: ", what));
  node.jobs.push_back({kind, std::move(what), std::move(done)});
}

void World::Absorb(Node& node) {
  const raft::Effects effects = node.core->TakeEffects();
  if (effects.halt.has_value()) {
    Tell(absl::StrCat(node.id, " halts: ", effects.halt->message()));
    node.halt = effects.halt;
  }
  TellRole(node);
  PerformLog(node, effects);
  if (effects.high_watermark.has_value()) {
    Tell(absl::StrCat(node.id, " commits up to ", effects.high_watermark->value()));
  }
  if (effects.store.has_value()) PerformStore(node, *effects.store);
  PerformReads(node, effects);
  PerformSnapshots(node, effects);
  TellAnswers(node, effects);
  PerformSends(node, effects);
  referee_.OnStep(node);
}

void World::TellRole(Node& node) {
  const raft::Core& core = *node.core;
  const NodeId leader = core.leader().id;
  const bool same = core.role() == node.seen_role && core.epoch() == node.seen_epoch &&
                    (core.role() != ReplicaRole::kFollower || leader == node.seen_leader || leader == kNoNode);
  node.seen_role = core.role();
  node.seen_epoch = core.epoch();
  node.seen_leader = leader;
  if (same || node.halt.has_value()) return;
  const std::string of =
      core.role() == ReplicaRole::kFollower && leader != kNoNode ? absl::StrCat(" of ", leader.value()) : std::string();
  Tell(absl::StrCat(node.id, " is ", RoleText(core.role()), of, " in e", core.epoch().value()));
}

void World::PerformLog(Node& node, const raft::Effects& effects) {
  Disk& disk = node.disk;
  std::vector<std::string> what;
  for (const raft::LogOperation& operation : effects.log) {
    if (const auto* truncate = std::get_if<raft::TruncateLog>(&operation)) {
      referee_.OnTruncate(node, truncate->new_end);
      while (!disk.log.empty() && disk.log.back().end_offset() > truncate->new_end) disk.log.pop_back();
      disk.synced = std::min(disk.synced, truncate->new_end);
      ++node.truncations;
      what.push_back(absl::StrCat("cut to ", truncate->new_end.value()));
      Tell(absl::StrCat(node.id, " cuts its log to ", truncate->new_end.value()));
    } else if (const auto* reset = std::get_if<raft::ResetLog>(&operation)) {
      if (!disk.former.has_value()) disk.former = FormerLog{disk.start, disk.log, disk.synced};
      disk.log.clear();
      disk.start = reset->start;
      disk.synced = reset->start.end;
      ++node.truncations;
      what.push_back(absl::StrCat("begin at ", Words::Of(reset->start)));
      Tell(absl::StrCat(node.id, " begins its log anew at ", Words::Of(reset->start)));
    } else {
      const Batch& batch = std::get<raft::AppendLog>(operation).batch;
      referee_.OnAppend(node, batch);
      disk.log.push_back(batch);
      what.push_back(Words::PlaceOf(batch));
      Tell(absl::StrCat(node.id, " appends ", Words::Of(batch)));
    }
  }
  if (effects.log.empty()) return;
  AddJob(node, DiskJob::kLog, absl::StrCat("log ", absl::StrJoin(what, ", ")),
         [this, &node, end = disk.End().end, truncations = node.truncations, generation = effects.log_generation] {
           if (node.truncations == truncations) {
             node.disk.synced = std::max(node.disk.synced, end);
             node.disk.former.reset();
           }
           if (!node.running()) return;
           node.core->LogDurable(node.now, end, generation);
           Absorb(node);
         });
}

void World::PerformStore(Node& node, const raft::StoreElectionState& store) {
  const std::string what = absl::StrCat("e", store.state.epoch.value(), ", ", VoteText(store.state.voted_for));
  if (node.held.count(DiskJob::kStore) == 0) Tell(absl::StrCat(node.id, " stores ", what));
  AddJob(node, DiskJob::kStore, "store " + what, [this, &node, store] {
    referee_.OnStore(node, store.state);
    node.disk.election = store.state;
    if (!node.running()) return;
    node.core->ElectionStateStored(node.now, store.sequence);
    Absorb(node);
  });
}

absl::StatusOr<std::vector<Batch>> World::ReadLog(const Node& node, const raft::ReadLog& read) const {
  std::vector<Batch> batches;
  size_t bytes = 0;
  for (const Batch& batch : node.disk.log) {
    if (batch.base_offset() < read.from) continue;
    if (batches.empty() && batch.base_offset() != read.from) break;
    if (!batches.empty() && bytes + batch.size() > read.bytes_max) break;
    bytes += batch.size();
    batches.push_back(batch);
  }
  if (batches.empty()) return absl::OutOfRangeError("nothing begins there");
  return batches;
}

void World::PerformReads(Node& node, const raft::Effects& effects) {
  for (const raft::ReadLog& read : effects.read_log) {
    // A disk reads when it gets to it: a held one may meanwhile see a log that was cut and written anew.
    AddJob(node, DiskJob::kRead, absl::StrCat("read from ", read.from.value()), [this, &node, read] {
      if (!node.running()) return;
      node.core->LogRead(node.now, read.id, ReadLog(node, read));
      Absorb(node);
    });
  }
}

void World::PerformSnapshots(Node& node, const raft::Effects& effects) {
  Disk& disk = node.disk;
  for (const raft::ReadSnapshotChunk& read : effects.read_snapshot) {
    AddJob(node, DiskJob::kSnapshot, absl::StrCat("read snapshot ", Words::Of(read.snapshot)), [this, &node, read] {
      if (!node.running()) return;
      absl::StatusOr<raft::SnapshotChunk> chunk = absl::NotFoundError("no such snapshot");
      for (const StoredSnapshot& snapshot : node.disk.snapshots) {
        if (snapshot.info.id != read.snapshot) continue;
        if (read.position > snapshot.bytes.size()) {
          chunk = absl::OutOfRangeError("behind its end");
          continue;
        }
        const size_t bytes = std::min(read.bytes_max, options_.chunk_bytes);
        chunk = raft::SnapshotChunk{snapshot.info, Bytes::FromString(snapshot.bytes.substr(read.position, bytes))};
      }
      node.core->SnapshotChunkRead(node.now, read.id, std::move(chunk));
      Absorb(node);
    });
  }
  if (effects.abandon_snapshot) {
    if (disk.partial.has_value()) Tell(absl::StrCat(node.id, " drops its part of a snapshot"));
    disk.partial.reset();
  }
  if (effects.write_snapshot.has_value()) {
    const raft::WriteSnapshotChunk write = *effects.write_snapshot;
    AddJob(node, DiskJob::kSnapshot, absl::StrCat("write snapshot ", Words::Of(write.info.id)), [this, &node, write] {
      std::optional<StoredSnapshot>& partial = node.disk.partial;
      const bool goes_on = partial.has_value() && partial->info == write.info && write.position > 0;
      if (write.begin && !goes_on) partial.emplace().info = write.info;
      absl::Status written = absl::DataLossError("the piece doesn't continue the file");
      if (partial.has_value() && partial->bytes.size() == write.position) {
        partial->bytes += std::string(write.data.view());
        written = absl::OkStatus();
      }
      if (!node.running()) return;
      node.core->SnapshotChunkWritten(node.now, write.id, std::move(written));
      Absorb(node);
    });
  }
  if (effects.verify_snapshot.has_value()) {
    AddJob(node, DiskJob::kSnapshot, absl::StrCat("verify snapshot ", Words::Of(effects.verify_snapshot->info.id)),
           [this, &node, verify = *effects.verify_snapshot] {
             absl::StatusOr<raft::RecoveredState::VotersAt> voters = absl::DataLossError("the digest is wrong");
             const auto made = made_.find(verify.info.digest);
             std::optional<StoredSnapshot>& partial = node.disk.partial;
             if (partial.has_value() && made != made_.end() && partial->bytes == made->second.bytes) {
               voters = made->second.voters;
               node.disk.snapshots.push_back(made->second);
             }
             partial.reset();
             if (!node.running()) return;
             node.core->SnapshotVerified(node.now, verify.id, std::move(voters));
             Absorb(node);
           });
  }
  if (effects.install_snapshot.has_value()) {
    Tell(absl::StrCat(node.id, " installs snapshot ", Words::Of(effects.install_snapshot->info.id)));
    std::erase_if(disk.snapshots, [&](const StoredSnapshot& snapshot) {
      return snapshot.info.id.end < effects.install_snapshot->info.id.end;
    });
  }
}

void World::TellAnswers(Node& node, const raft::Effects& effects) {
  for (const raft::ReadOutcome& outcome : effects.reads) {
    referee_.OnReadAnswered(outcome.id, outcome.offset);
    read_answers_.emplace(outcome.id, outcome.offset);
    Tell(absl::StrCat(
        node.id, " answers read ", outcome.id, ": ",
        outcome.offset.ok() ? absl::StrCat("from ", outcome.offset->value()) : Words::Of(outcome.offset.status())));
  }
  for (const raft::VoterChangeOutcome& outcome : effects.voter_changes) {
    Tell(absl::StrCat(node.id, " answers change ", outcome.id, ": ", Words::Of(outcome.status)));
  }
  for (const raft::TransferOutcome& outcome : effects.transfers) {
    Tell(absl::StrCat(node.id, " answers transfer ", outcome.id, ": ", Words::Of(outcome.status)));
  }
}

Message World::Addressed(const Node& node, const Message& message) const {
  if (message.to.id >= NodeId(0)) return message;
  const auto peer = node.peers.find(message.to.id);
  Message addressed = message;
  for (const auto& other : nodes_) {
    if (peer != node.peers.end() && other->config.advertised_endpoints.front() == peer->second) {
      addressed.to.id = NodeId(other->id);
    }
  }
  return addressed;
}

void World::PerformSends(Node& node, const raft::Effects& effects) {
  for (const raft::PeerAddress& peer : effects.peers) {
    if (peer.endpoint.has_value()) {
      node.peers[peer.id] = *peer.endpoint;
    } else {
      node.peers.erase(peer.id);
    }
  }
  for (const Message& sent : effects.send) {
    referee_.OnSend(node, sent);
    const Message message = Addressed(node, sent);
    const Network::Fate fate = network_.Send(message);
    if (quiet_) continue;
    const char* const text = fate == Network::Fate::kLost ? ", lost" : fate == Network::Fate::kHeld ? ", held" : "";
    Tell(absl::StrCat(words_.Of(message), text));
  }
}

std::string World::Show(const Node& node) const {
  const Disk& disk = node.disk;
  std::vector<std::string> epochs;
  for (const Batch& batch : disk.log) {
    for (uint32_t i = 0; i < batch.record_count(); ++i) epochs.push_back(absl::StrCat(batch.epoch().value()));
  }
  const std::string start = disk.start.end == Offset() ? "" : absl::StrCat("from ", Words::Of(disk.start), ": ");
  const std::string log = absl::StrCat("log ", start, epochs.empty() ? "empty" : absl::StrJoin(epochs, " "));
  const std::string vote = VoteText(disk.election.has_value() ? disk.election->voted_for : ReplicaKey());
  if (!node.running()) {
    return absl::StrCat(node.id, " ", node.halt.has_value() ? "halted" : "is down", ", stored e",
                        disk.election.has_value() ? disk.election->epoch.value() : 0, ", ", vote, ", ", log);
  }
  const raft::Core& core = *node.core;
  const LeaderInfo leader = core.leader();
  const std::string of = core.role() == ReplicaRole::kFollower ? " of " + Words::Of(leader) : std::string();
  return absl::StrCat(node.id, " ", RoleText(core.role()), of, " e", core.epoch().value(), ", ", vote, ", ", log,
                      ", durable ", core.durable_end().value(), ", hw ", core.high_watermark().value(), ", voters ",
                      Words::Of(core.voters()));
}

void World::SayNetwork() {
  for (const Network::Packets::iterator& packet : network_.All()) {
    Say(absl::StrCat(words_.Of(packet->message), packet->held ? ", held" : ""));
  }
}

}  // namespace quorate::scenarios
