// Bit rot: one flipped bit on the disk of a machine that is down (faults F-D02 to F-D05), placed so that the library
// must notice it - and never so that nobody could.
//
// In a log, bytes rot only where a later frame says that they were durable: the last group that was written can't be
// told from a torn tail by anyone (rule R-04). Of a file with two slots the newer value is spared as long as it is in
// one slot only. The run looks for other copies: whoever owns the disk gets it repaired after the refusal.
//
// Pure functions of a disk; one thread.
#ifndef QUORATE_TESTING_SIMULATOR_DISK_ROT_H_
#define QUORATE_TESTING_SIMULATOR_DISK_ROT_H_

#include <optional>
#include <string>

#include "testing/sim_file_system.h"

namespace quorate::testing::simulator {

struct Rot {
  std::string path;
  uint64_t bit = 0;
  char flipped = 0;  // what the byte became

  // Flips it back, if it is still there.
  void UndoOn(SimFileSystem* files) const;
};

// Flips a bit somewhere in `directory`. nullopt: nothing there could be told from a torn write, or it isn't ours.
std::optional<Rot> RotABit(SimFileSystem* files, const std::string& directory, Random* random);

// The same in one of the two slots of the election state: always to be repaired from the other (F-D04).
std::optional<Rot> RotASlot(SimFileSystem* files, const std::string& directory, Random* random);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_DISK_ROT_H_
