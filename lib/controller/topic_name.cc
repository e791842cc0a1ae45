#include "controller/topic_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "controller/errors.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::controller {

absl::Status CheckTopicName(absl::string_view name) {
  if (name.empty()) return MakeKafkaError(kInvalidTopicException, "A topic name can't be empty.");
  if (name == "." || name == "..") {
    return MakeKafkaError(kInvalidTopicException, absl::StrCat("A topic can't be named '", name, "'."));
  }
  if (name.size() > limits::kTopicNameBytesMax) {
    return MakeKafkaError(kInvalidTopicException, absl::StrCat("The topic name has ", name.size(), " characters; ",
                                                               limits::kTopicNameBytesMax, " are allowed."));
  }
  auto allowed = [](char c) { return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-'; };
  if (!std::all_of(name.begin(), name.end(), allowed)) {
    return MakeKafkaError(kInvalidTopicException,
                          absl::StrCat("The topic name '", absl::CHexEscape(name),
                                       "' has a character other than ASCII letters, digits, '.', '_' and '-'."));
  }
  return absl::OkStatus();
}

}  // namespace quorate::controller
