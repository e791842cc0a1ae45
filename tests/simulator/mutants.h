// The seeded bugs: what each puts back, and how many seeds it takes to find it.
//
// A simulator is as good as what it finds. Each bug here was once in somebody's implementation; the library has it
// behind a switch that only the simulated build has. One that survives means that the simulator is too weak.
#ifndef QUORATE_TESTS_SIMULATOR_MUTANTS_H_
#define QUORATE_TESTS_SIMULATOR_MUTANTS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace quorate::testing::simulator {

struct Mutant {
  std::string id;    // as in QUORATE_MUTANT
  std::string what;  // the bug, in one line
};
const std::vector<Mutant>& Mutants();

struct Hunt {
  Mutant mutant;
  bool reached = false;          // the code asked for the switch
  uint64_t seeds = 0;            // tried
  std::optional<uint64_t> seed;  // that found it
  std::string invariant;
  std::string what;
};

// Tries seeds from `first` on, at most `seeds_max`, until one fails.
Hunt HuntFor(const Mutant& mutant, uint64_t first, uint64_t seeds_max);

// A table in Markdown.
std::string HuntTable(const std::vector<Hunt>& hunts);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_MUTANTS_H_
