#include "quorate/state_machine.h"

#include "absl/strings/str_cat.h"
#include "quorate/status.h"

namespace quorate {

absl::Status StateMachine::LoadSnapshot(SnapshotRecords&, LogPosition position) {
  return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                   absl::StrCat("the log begins with a snapshot up to offset ", position.end.value(),
                                ", which this state machine doesn't know how to load"));
}

}  // namespace quorate
