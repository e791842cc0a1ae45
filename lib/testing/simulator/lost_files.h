// Files that are gone (fault F-D15): somebody tidied up, a volume wasn't mounted, a restore was incomplete. A directory
// that was formatted once has all its files, and a node that misses one has to refuse: to begin anew would be to forget
// votes and records that others count on (M-39). After the refusal its owner puts back what was there.
//
// Pure functions of a disk; one thread.
#ifndef QUORATE_TESTING_SIMULATOR_LOST_FILES_H_
#define QUORATE_TESTING_SIMULATOR_LOST_FILES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "testing/sim_file_system.h"

namespace quorate::testing::simulator {

struct LostFiles {
  SimDisk before;
  std::string what;  // for people
};

// Removes the election state, the log, everything but the identity, or the identity, as `lot` says, for good. nullopt:
// there is nothing of that.
std::optional<LostFiles> LoseFiles(SimFileSystem* files, const std::string& directory, uint64_t lot);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_LOST_FILES_H_
