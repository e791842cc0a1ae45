// Runs a host's code. What it throws ends here, as a status: an exception never crosses into the library (F-H01).
#ifndef QUORATE_QUORUM_GUARDED_H_
#define QUORATE_QUORUM_GUARDED_H_

#include <exception>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "quorate/status.h"

namespace quorate::quorum {

// `call` returns a status. `what` says whose code failed, and where.
template <typename Call>
absl::Status Guarded(absl::string_view what, Call call, Reason reason = Reason::kHalted) {
  std::string cause;
  try {
    const absl::Status status = call();
    if (status.ok()) return status;
    cause = std::string(status.message());
  } catch (const std::exception& error) {
    cause = absl::StrCat("threw ", error.what());
  } catch (...) {
    cause = "threw something that is no std::exception";
  }
  return MakeError(reason, Outcome::kUnknown, absl::StrCat(what, ": ", cause));
}

}  // namespace quorate::quorum

#endif  // QUORATE_QUORUM_GUARDED_H_
