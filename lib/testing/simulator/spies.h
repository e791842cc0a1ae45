// Stores that do what the real ones do, and tell the referee: what was opened, what became durable, what was voted.
//
// Around whatever store a host brings, so that adapters of others are watched like ours.
//
// One thread.
#ifndef QUORATE_TESTING_SIMULATOR_SPIES_H_
#define QUORATE_TESTING_SIMULATOR_SPIES_H_

#include <memory>

#include "quorate/storage.h"
#include "testing/simulator/referee.h"

namespace quorate::testing::simulator {

std::unique_ptr<LogStore> WatchLogStore(std::unique_ptr<LogStore> store, Referee* referee, int node);
std::unique_ptr<ElectionStateStore> WatchElectionStateStore(std::unique_ptr<ElectionStateStore> store, Referee* referee,
                                                            int node);
std::unique_ptr<SnapshotStore> WatchSnapshotStore(std::unique_ptr<SnapshotStore> store, Referee* referee, int node);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_SPIES_H_
