// File: controller/partition_change.h
//
// The one place that turns "this is what should become of the partition" into a record. Fencing,
// controlled shutdown, unfencing and ISR changes all come through here, so that the rules for leaders
// and epochs exist once:
//
//   * an ISR is never emptied: when its last member goes, it stays on record and the leader becomes
//     none, because that member alone has everything that was acknowledged (fault F-B06);
//   * a leader is written, and so the leader epoch raised, exactly when the leader changes. Shrinking or
//     growing the ISR doesn't raise it (Kafka's rule since metadata.version 3.6-IV0);
//   * every record raises the partition epoch; a change that changes nothing is no record.
//
// Reassignment (completing it is the first step of each change) and eligible leader replicas (KIP-966:
// recomputed before the election) take their place at the start of BuildPartitionChange.
//
// Pure functions.
#ifndef QUORATE_CONTROLLER_PARTITION_CHANGE_H_
#define QUORATE_CONTROLLER_PARTITION_CHANGE_H_

#include <optional>

#include "controller/election.h"
#include "metadata/records.h"
#include "quorate/metadata.h"

namespace quorate::controller {

struct PartitionTarget {
  ReplicaList isr;
  ElectionMode mode = ElectionMode::kOnline;
  std::optional<LeaderRecoveryState> recovery;  // absent: as it is, unless an unclean election says otherwise
};

// The record that takes the partition from `current` to `target`; nullopt if it is there already.
std::optional<metadata::PartitionChangeRecord> BuildPartitionChange(const PartitionId& id, const PartitionInfo& current,
                                                                    const PartitionTarget& target,
                                                                    Acceptable acceptable);

// `members` in the order of `replicas`, as every ISR is written.
ReplicaList InReplicaOrder(const ReplicaList& replicas, const ReplicaList& members);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_PARTITION_CHANGE_H_
