// What a run does with the hooks in the library (base/simulation.h): counts marks, decides where BUGGIFY strikes, and
// switches one seeded bug on. Does anything only in the build of the library that has the hooks; elsewhere, for hosts,
// an object of this class is an empty shell.
//
// One thread: the hooks of a thread are its own.
#ifndef QUORATE_TESTING_SIMULATOR_HOOKS_H_
#define QUORATE_TESTING_SIMULATOR_HOOKS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace quorate::testing::simulator {

class RunHooks {
 public:
  // `mutant` empty: none.
  RunHooks(uint64_t seed, bool buggify, std::string mutant);
  ~RunHooks();  // takes the hooks off
  RunHooks(const RunHooks&) = delete;
  RunHooks& operator=(const RunHooks&) = delete;

  void StopBuggify();
  // How often each was hit.
  [[nodiscard]] const std::map<std::string, uint64_t>& marks() const { return marks_; }
  // Whether the seeded bug was asked for at least once.
  [[nodiscard]] bool mutant_was_reached() const { return mutant_was_reached_; }

 private:
  class Impl;
  std::map<std::string, uint64_t> marks_;
  bool mutant_was_reached_ = false;
  std::unique_ptr<Impl> impl_;
};

// No hook of this thread does anything while this lives.
class HooksPause {
 public:
  HooksPause();
  ~HooksPause();
  HooksPause(const HooksPause&) = delete;
  HooksPause& operator=(const HooksPause&) = delete;

 private:
  void* paused_ = nullptr;
};

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTING_SIMULATOR_HOOKS_H_
