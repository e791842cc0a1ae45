// Sees every step that a core takes: for the simulator, whose referee checks the invariants of the protocol after every
// event, with knowledge that no node has, and for benchmarks that say where the time of an election goes.
//
// Called by the driver on its strand, after each TakeEffects and before anything of it is performed. Must not call
// back into the driver.
#ifndef QUORATE_RAFT_OBSERVER_H_
#define QUORATE_RAFT_OBSERVER_H_

#include "raft/core.h"

namespace quorate::raft {

class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnStep(const Core& core, const Effects& effects) = 0;
  // The strand begins, or ends, one uninterrupted piece of work: for measuring how long others have to wait.
  virtual void OnTurn(bool begins) { (void)begins; }
  // The state machine now reflects everything below `end`; `loaded`: by loading a snapshot.
  virtual void OnApplied(Offset end, bool loaded) {
    (void)end;
    (void)loaded;
  }
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_OBSERVER_H_
