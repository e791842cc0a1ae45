// Three hooks for the deterministic simulator. All of them are nothing in a build that users get: the macros expand to
// constants there, and QUORATE_SIMULATION is defined only for the copy of the library that tests/simulator links.
//
//   QUORATE_MARK("C-07");                  a rare branch was taken: the simulator counts it, and a long run in which a
//                                          mark was never hit says that it tests less than it seems to
//   if (QUORATE_BUGGIFY("short-push")) …   an unusual but legal choice, made often by some runs (FoundationDB's
//                                          idea): a tiny batch, an early timeout, a needless retry
//   if (!QUORATE_MUTANT("M-13")) Check();  a seeded bug: a test shows that the simulator finds it
//
// State is per thread, because a simulation is one thread, and two may run beside each other.
#ifndef QUORATE_BASE_SIMULATION_H_
#define QUORATE_BASE_SIMULATION_H_

#ifdef QUORATE_SIMULATION

#include "absl/strings/string_view.h"

namespace quorate::simulation {

class Hooks {
 public:
  virtual ~Hooks() = default;
  virtual void Mark(absl::string_view name) = 0;
  virtual bool Buggify(absl::string_view site) = 0;
  virtual bool IsMutant(absl::string_view id) const = 0;
};

// The hooks of this thread; null: none. Not owned.
inline thread_local Hooks* hooks = nullptr;

inline void Mark(absl::string_view name) {
  if (hooks != nullptr) hooks->Mark(name);
}
inline bool Buggify(absl::string_view site) { return hooks != nullptr && hooks->Buggify(site); }
inline bool IsMutant(absl::string_view id) { return hooks != nullptr && hooks->IsMutant(id); }

}  // namespace quorate::simulation

#define QUORATE_MARK(name) ::quorate::simulation::Mark(name)
#define QUORATE_BUGGIFY(site) (::quorate::simulation::Buggify(site))
#define QUORATE_MUTANT(id) (::quorate::simulation::IsMutant(id))

#else

#define QUORATE_MARK(name) static_cast<void>(0)
#define QUORATE_BUGGIFY(site) false
#define QUORATE_MUTANT(id) false

#endif

#endif  // QUORATE_BASE_SIMULATION_H_
