#include "cli/initial_controllers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/connection.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::cli {

namespace {

absl::Status Bad(absl::string_view message) {
  return MakeError(
      Reason::kInvalidArgument, Outcome::kNotApplied,
      absl::StrCat("--initial-controllers: ", message,
                   "; write ID@HOST:PORT:DIRECTORY_ID,... such as 1@localhost:9093:3Db5QLSqSZieL3rJBUUegA"));
}

absl::StatusOr<Voter> ParseEntry(absl::string_view entry, const std::string& listener) {
  const size_t at = entry.find('@');
  if (at == absl::string_view::npos) return Bad(absl::StrCat("'", entry, "' has no '@' after the node id"));
  int32_t id = -1;
  if (!absl::SimpleAtoi(entry.substr(0, at), &id) || id < 0) {
    return Bad(absl::StrCat("'", entry.substr(0, at), "' in '", entry, "' isn't a node id (a number from 0 up)"));
  }
  const absl::string_view rest = entry.substr(at + 1);
  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return Bad(absl::StrCat("'", entry, "' has no port and no directory id"));
  absl::StatusOr<DirectoryId> directory = DirectoryId::Parse(rest.substr(colon + 1));
  if (!directory.ok()) {
    return Bad(absl::StrCat("'", rest.substr(colon + 1), "' in '", entry,
                            "' isn't a directory id (22 characters of base64, as quorate storage random-uuid prints)"));
  }
  if (directory->value().is_reserved()) {
    return Bad(absl::StrCat("the directory id in '", entry, "' is a reserved one"));
  }
  absl::StatusOr<Endpoint> endpoint = ParseEndpoint(rest.substr(0, colon), "--initial-controllers");
  if (!endpoint.ok()) return endpoint.status();
  endpoint->listener = listener;
  Voter voter;
  voter.key = ReplicaKey{NodeId(id), *directory};
  voter.endpoints.push_back(*std::move(endpoint));
  return voter;
}

}  // namespace

absl::StatusOr<std::vector<Voter>> ParseInitialControllers(const std::string& text, const std::string& listener) {
  std::vector<Voter> voters;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    absl::StatusOr<Voter> voter = ParseEntry(absl::StripAsciiWhitespace(part), listener);
    if (!voter.ok()) return voter.status();
    for (const Voter& other : voters) {
      if (other.key.id == voter->key.id) {
        return Bad(absl::StrCat("node ", voter->key.id.value(), " is listed twice"));
      }
      if (other.key.directory == voter->key.directory) {
        return Bad(absl::StrCat("nodes ", other.key.id.value(), " and ", voter->key.id.value(),
                                " have the same directory id; each directory has its own"));
      }
    }
    voters.push_back(*std::move(voter));
  }
  if (voters.size() > limits::kVotersMax) {
    return Bad(absl::StrCat(voters.size(), " controllers are listed, and ", limits::kVotersMax, " are allowed"));
  }
  std::sort(voters.begin(), voters.end(), [](const Voter& a, const Voter& b) { return a.key < b.key; });
  return voters;
}

}  // namespace quorate::cli
