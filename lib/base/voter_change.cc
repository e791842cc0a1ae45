#include "quorate/voter_change.h"

namespace quorate {

absl::string_view ToString(VoterChange::Kind kind) {
  switch (kind) {
    case VoterChange::Kind::kAdd:
      return "add";
    case VoterChange::Kind::kRemove:
      return "remove";
    case VoterChange::Kind::kUpdate:
      return "update";
  }
  return "unknown";
}

absl::string_view ToString(PendingVoterChange::Phase phase) {
  switch (phase) {
    case PendingVoterChange::Phase::kProbing:
      return "probing";
    case PendingVoterChange::Phase::kCatchingUp:
      return "catching-up";
    case PendingVoterChange::Phase::kCommitting:
      return "committing";
  }
  return "unknown";
}

}  // namespace quorate
