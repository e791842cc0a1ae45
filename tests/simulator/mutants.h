// The seeded bugs: what each puts back, and how many seeds it takes to find it.
//
// A simulator is as good as what it finds. Each bug here was once in somebody's implementation; the library has it
// behind a switch that only the simulated build has. One that survives means that the simulator is too weak.
#ifndef QUORATE_TESTS_SIMULATOR_MUTANTS_H_
#define QUORATE_TESTS_SIMULATOR_MUTANTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulator/arguments.h"

namespace quorate::testing::simulator {

struct Mutant {
  std::string id;    // as in QUORATE_MUTANT
  std::string what;  // the bug, in one line
  // The short form of the hunt, which runs with every change, has those that are found in a few seeds, and expects that
  // one of these invariants breaks first; empty: not in the short form.
  std::string quickly_breaks;
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

// All of them, or those of the short form, from seed `first` on; prints and writes the table. The exit code: 1 if one
// survives, or if one of the short form breaks no invariant that it should.
int HuntMutants(const Arguments& arguments, uint64_t first);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_MUTANTS_H_
