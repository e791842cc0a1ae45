// File: controller/isr.h
//
// Changes of in-sync replicas: those that events bring about (a broker goes, a broker comes back) and
// those that leaders ask for (AlterPartition, KIP-497: a leader adds a follower that caught up, or drops
// one that lags).
//
// Stateless; works on a Draft.
#ifndef QUORATE_CONTROLLER_ISR_H_
#define QUORATE_CONTROLLER_ISR_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/config.h"
#include "controller/draft.h"
#include "controller/requests.h"

namespace quorate::controller {

// Takes `broker` out of every ISR that has other members, and moves what it leads. It isn't acceptable as
// a leader any more, whatever the image says of it. Costs what the broker replicates.
void LeaveIsrs(const ControllerConfig& config, NodeId broker, Draft& draft);

// Elects leaders for partitions that have none, now that `broker` may lead. Costs what the broker
// replicates or what is leaderless, whichever is less.
void ElectLeaderless(const ControllerConfig& config, NodeId broker, Draft& draft);

// A leader's request. An error refuses all of it; the response has a status for each partition, and the
// draft the records of those that are well.
absl::StatusOr<AlterPartitionResponse> AlterPartition(const AlterPartitionRequest& request, Draft& draft);

}  // namespace quorate::controller

#endif  // QUORATE_CONTROLLER_ISR_H_
