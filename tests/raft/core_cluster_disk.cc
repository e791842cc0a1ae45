// The simulated disks' part of the log: appends that complete late, in the order of the calls, or when a test lets
// them.
#include <algorithm>
#include <utility>

#include "raft/core_cluster.h"

namespace quorate::raft {

void CoreCluster::HoldDisk(int id, bool hold) {
  node(id).hold_disk = hold;
  if (hold) return;
  for (auto& event : std::exchange(node(id).held, {})) event();
}

void CoreCluster::HoldStores(int id, bool hold) {
  node(id).hold_stores = hold;
  if (hold) return;
  for (auto& event : std::exchange(node(id).held_stores, {})) event();
}

void CoreCluster::SetLog(int id, std::vector<Batch> log, std::optional<ElectionState> election) {
  node(id).log = std::move(log);
  node(id).synced = LogEnd(node(id));
  node(id).stored = std::move(election);
  for (const Batch& batch : node(id).log) bytes_[{batch.base_offset(), batch.epoch()}] = batch.crc();
}

void CoreCluster::RollBack(int id, size_t batches) {
  node(id).log.resize(std::min(batches, node(id).log.size()));
  node(id).synced = LogEnd(node(id));
}

absl::Duration CoreCluster::DiskTime() {
  const auto spread = static_cast<uint64_t>(absl::ToInt64Nanoseconds(options_.disk_max - options_.disk));
  return options_.disk + absl::Nanoseconds(random_.Below(spread + 1));
}

void CoreCluster::PerformLog(Node& n, const Effects& effects) {
  for (const LogOperation& operation : effects.log) {
    if (const auto* truncate = std::get_if<TruncateLog>(&operation)) {
      if (n.core->role() == ReplicaRole::kLeader) Violation("I-04: a leader truncated its log");
      if (truncate->new_end < n.high_watermark) Violation("I-13: truncated below the high watermark");
      while (!n.log.empty() && n.log.back().end_offset() > truncate->new_end) n.log.pop_back();
      n.synced = std::min(n.synced, truncate->new_end);
      ++n.generation;
    } else if (const auto* reset = std::get_if<ResetLog>(&operation)) {
      if (n.core->role() == ReplicaRole::kLeader) Violation("I-04: a leader dropped its log");
      if (reset->start.end < n.high_watermark) Violation("I-13: reset to below the high watermark");
      ResetLogOf(n, reset->start);
    } else {
      const Batch& batch = std::get<AppendLog>(operation).batch;
      if (batch.base_offset() != LogEnd(n)) Violation("an append leaves a gap");
      const auto [known, fresh] = bytes_.try_emplace({batch.base_offset(), batch.epoch()}, batch.crc());
      if (!fresh && known->second != batch.crc()) Violation("I-05: same offset and epoch, other bytes");
      n.log.push_back(batch);
      CheckVoters(n, batch);
    }
  }
  if (effects.log.empty()) return;
  auto complete = [this, id = n.id, life = n.life, end = LogEnd(n), disk_generation = n.generation,
                   generation = effects.log_generation] {
    OnNode(id, life, [=, this](Node& target) {
      if (target.generation == disk_generation) {
        target.synced = std::max(target.synced, end);
        target.replaced.reset();
      }
      target.core->LogDurable(now_, end, generation);
    });
  };
  n.log_done_at = std::max(n.log_done_at, now_ + DiskTime());
  At(n.log_done_at, [this, id = n.id, complete] {
    if (node(id).hold_disk) {
      node(id).held.push_back(complete);
    } else {
      complete();
    }
  });
}

}  // namespace quorate::raft
