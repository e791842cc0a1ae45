// Reads back what really is on a disk: a copy of it, without anything that wasn't synced, is opened as after a power
// failure, and must hold the log up to where the store said that it was durable, and the vote that it said was stored
// (I-12, I-03; and with them I-08, which counts on what stores say). The node itself notices nothing.
//
// Sampled: a look costs as much as a restart.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_DISK_AUDIT_H_
#define QUORATE_TESTING_SIMULATOR_DISK_AUDIT_H_

#include "testing/simulator/cluster.h"

namespace quorate::testing::simulator {

// Tells the referee what is missing. `node` is up.
void AuditDisk(Cluster* cluster, int node);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_DISK_AUDIT_H_
