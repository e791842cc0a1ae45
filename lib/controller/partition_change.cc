#include "controller/partition_change.h"

#include <algorithm>

namespace quorate::controller {

ReplicaList InReplicaOrder(const ReplicaList& replicas, const ReplicaList& members) {
  ReplicaList ordered;
  for (NodeId replica : replicas) {
    if (std::find(members.begin(), members.end(), replica) != members.end()) ordered.push_back(replica);
  }
  return ordered;
}

std::optional<metadata::PartitionChangeRecord> BuildPartitionChange(const PartitionId& id, const PartitionInfo& current,
                                                                    const PartitionTarget& target,
                                                                    Acceptable acceptable) {
  metadata::PartitionChangeRecord record{id, {}, {}, {}, {}};
  ReplicaList isr = InReplicaOrder(current.replicas, target.isr);
  LeaderRecoveryState recovery = target.recovery.value_or(current.recovery);
  const Election election = Elect(current, isr, target.mode, acceptable);
  if (election.unclean) {
    isr = {election.leader};
    recovery = LeaderRecoveryState::kRecovering;
  }
  if (isr.empty()) isr = current.isr;  // its last member stays
  if (election.leader != current.leader) record.leader = election.leader;
  if (isr != current.isr) record.isr = isr;
  if (recovery != current.recovery) record.recovery = recovery;
  if (record.changes_nothing()) return std::nullopt;
  return record;
}

}  // namespace quorate::controller
