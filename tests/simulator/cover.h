// A small set of runs that together goes everywhere: of many, as few as can be found at a glance that take every
// coverage mark and every kind of fault. Their plans are stored in tests/simulator/seeds, so that each change is tried
// on all rare branches, whatever the fresh seeds of the day happen to do.
//
// Greedy set cover: not the least set, but within a few of it. Runs that cost little come first.
//
// One thread at a time.
#ifndef QUORATE_TESTS_SIMULATOR_COVER_H_
#define QUORATE_TESTS_SIMULATOR_COVER_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "testing/simulator/plan.h"
#include "testing/simulator/run.h"

namespace quorate::testing::simulator {

class Cover {
 public:
  void Add(const SimulationPlan& plan, const RunResult& result);
  // One file for each run of the set: `directory`/cover-SEED.txt. False: a file can't be written.
  [[nodiscard]] bool WritePlans(const std::string& directory) const;

 private:
  struct Entry {
    SimulationPlan plan;
    std::set<std::string> reached;
    uint64_t events = 0;
  };
  [[nodiscard]] std::vector<const Entry*> Choose() const;

  std::vector<Entry> entries_;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_COVER_H_
