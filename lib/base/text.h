// How a status and a duration look in a line of the log or in a message for people.
#ifndef QUORATE_BASE_TEXT_H_
#define QUORATE_BASE_TEXT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "quorate/status.h"

namespace quorate {

// "no_leader: node 1 reaches 1 of 3 voters", or "ok": without the payload's bytes, which Status::ToString shows.
inline std::string ShownStatus(const absl::Status& status) {
  return status.ok() ? "ok" : absl::StrCat(ToString(ReasonOf(status)), ": ", status.message());
}

// "1.8s", not "1.79976536825s".
inline std::string ShownDuration(absl::Duration duration) {
  const absl::Duration unit = duration < absl::Seconds(1) ? absl::Milliseconds(1) : absl::Milliseconds(100);
  return absl::FormatDuration(absl::Trunc(duration + unit / 2, unit));
}

}  // namespace quorate

#endif  // QUORATE_BASE_TEXT_H_
